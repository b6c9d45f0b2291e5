"""The buffer of partial sums and results: two writers and two readers take turns."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.shared import Shared
from ..common.struct import StructComponent
from ..fabric.bank import Bank

__all__ = ["ResultBuffer"]


class ResultBuffer(StructComponent):
    """A bank for each row of the core; words of one row.

    Ports
    -----
    result_write, result_address, result_values:
        results of all rows; they always go first.
    load:
        stream: a word for the bank ``row``.
    partial, partial_values:
        streams: ``address`` of a word of all rows, or ``zero``; the words. They go before stores.
    store, store_word:
        streams: ``address`` and ``row`` of a word; the words, one every two cycles at most: each
        is held in a register, so that the two share the read ports.
    """

    def __init__(self, p: AccelParameters) -> None:
        self.parameters = p
        words, row_bits = p.M * p.p_word, max((p.M - 1).bit_length(), 1)
        super().__init__({
            "result_write": In(1), "result_address": In(12), "result_values": In(words),
            "load": In(stream.Signature(data.StructLayout(
                {"address": 12, "row": row_bits, "word": p.p_word}))),
            "partial": In(stream.Signature(data.StructLayout({"address": 12, "zero": 1}))),
            "partial_values": Out(stream.Signature(words)),
            "store": In(stream.Signature(data.StructLayout({"address": 12, "row": row_bits}))),
            "store_word": Out(stream.Signature(p.p_word))})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        load, partial, store = self.load, self.partial, self.store
        # partial sums: a word that was asked for, in the memories' output or not (any more), and
        # the register where it waits for the core
        asked = Signal()
        there = Signal()
        partial_held = Signal()
        # results to store: a word that was read in the cycle before, and where it waits
        store_read = Signal()
        store_held = Signal()
        address = Signal(12, reset_less=True)
        zero = Signal(reset_less=True)
        row = Signal(len(store.payload.row), reset_less=True)
        partial_values = Signal(p.M * p.p_word, reset_less=True)
        store_word = Signal(p.p_word, reset_less=True)
        moves, asks, again, partial_reads, store_reads = (
            Signal(name=name) for name in ("moves", "asks", "again", "partial_reads",
                                           "store_reads"))
        m.d.comb += [
            load.ready.eq(~self.result_write),
            moves.eq(asked & there & (~partial_held | self.partial_values.ready)),
            partial.ready.eq(~asked | moves), asks.eq(partial.valid & partial.ready),
            # a store that found the memories free has taken the place of a word that waited
            again.eq(asked & ~there), partial_reads.eq(asks | again),
            store.ready.eq(~partial_reads & ~store_read
                           & (~store_held | self.store_word.ready)),
            store_reads.eq(store.valid & store.ready),
            self.partial_values.valid.eq(partial_held),
            self.partial_values.payload.eq(partial_values),
            self.store_word.valid.eq(store_held), self.store_word.payload.eq(store_word)]
        m.d.sync += [
            asked.eq(asks | (asked & ~moves)),
            there.eq(partial_reads | (there & ~store_reads)), store_read.eq(store_reads),
            partial_held.eq(moves | (partial_held & ~self.partial_values.ready)),
            store_held.eq(store_read | (store_held & ~self.store_word.ready))]
        with m.If(asks):
            m.d.sync += [zero.eq(partial.payload.zero), address.eq(partial.payload.address)]
        with m.If(store_reads):
            m.d.sync += row.eq(store.payload.row)
        partial_address = Signal(12)
        m.d.comb += partial_address.eq(Mux(again, address, partial.payload.address))
        read_data = []
        for i in range(p.M):
            m.submodules[f"bank_{i}"] = bank = Shared(
                Bank(p.p_word, p.p_depth, p.black_boxes), f"ram_{p.p_depth}x{p.p_word}")
            m.d.comb += [
                bank.write.eq(self.result_write | (load.valid & (load.payload.row == i))),
                bank.write_address.eq(Mux(self.result_write, self.result_address,
                                          load.payload.address)),
                bank.write_data.eq(Mux(self.result_write,
                                       self.result_values.word_select(i, p.p_word),
                                       load.payload.word)),
                bank.read.eq(partial_reads | store_reads),
                bank.read_address.eq(Mux(partial_reads, partial_address,
                                         store.payload.address))]
            read_data.append(bank.read_data)
        with m.If(moves):
            m.d.sync += partial_values.eq(Mux(zero, Const(0, len(partial_values)),
                                              Cat(read_data)))
        of_row = Signal(p.p_word)
        m.d.comb += of_row.eq(Array(read_data)[row])
        with m.If(store_read):
            m.d.sync += store_word.eq(of_row)
        return m
