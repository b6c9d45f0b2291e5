"""The buffer of partial sums and results: two writers and two readers take turns."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.shared import Shared
from ..common.struct import StructComponent
from ..fabric.bank import Bank

__all__ = ["ResultBuffer"]


class ResultBuffer(StructComponent):
    """A bank for each row of the core; words of one row.

    Words that are read wait in the memories' own output, which belongs to the reader that read
    last; the other one reads its word again when it has lost it.

    Ports
    -----
    result_write, result_address, result_values:
        results of all rows; they always go first.
    load:
        stream: a word for the bank ``row``.
    partial, partial_values:
        streams: ``address`` of a word of all rows, or ``zero``; the words, one a cycle. They go
        before stores. A word that waits may be withdrawn for a cycle.
    store, store_word:
        streams: ``address`` and ``row`` of a word, and the word, a cycle later; both move in the
        same cycle, the last one in which the word is needed. A word every two cycles at most.
        The store unit asks for a word only while it can use it.
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
        # partial sums: a word that was asked for; the memories' output is it (still)
        asked = Signal()
        there = Signal()
        address = Signal(12, reset_less=True)
        zero = Signal(reset_less=True)
        # results to store: the memories' output is the word that is asked for
        store_there = Signal()
        moves, asks, again, partial_reads, store_reads = (
            Signal(name=name) for name in ("moves", "asks", "again", "partial_reads",
                                           "store_reads"))
        m.d.comb += [
            load.ready.eq(~self.result_write),
            self.partial_values.valid.eq(asked & there),
            moves.eq(asked & there & self.partial_values.ready),
            partial.ready.eq(~asked | moves), asks.eq(partial.valid & partial.ready),
            again.eq(asked & ~there), partial_reads.eq(asks | again),
            self.store_word.valid.eq(store_there),
            store.ready.eq(store_there & self.store_word.ready),
            store_reads.eq(store.valid & ~store_there & ~partial_reads)]
        m.d.sync += [
            asked.eq(asks | (asked & ~moves)),
            there.eq(partial_reads | (there & ~store_reads)),
            store_there.eq(store_reads | (store_there & ~store.ready & ~partial_reads))]
        with m.If(asks):
            m.d.sync += [zero.eq(partial.payload.zero), address.eq(partial.payload.address)]
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
        m.d.comb += [
            self.partial_values.payload.eq(Mux(zero, 0, Cat(read_data))),
            self.store_word.payload.eq(Array(read_data)[store.payload.row])]
        return m
