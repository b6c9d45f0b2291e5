"""The store unit: rows of results become write commands and their beats."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import Op
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.formats import FP16, FP32

from ..common.adders import Adders
from ..common.fp_convert import FpConvert
from ..common.shared import Shared
from ..common.struct import StructComponent
from ..fabric.axi import Axi4
from ..fabric.dma_write import done_layout, write_command_layout, write_data_layout
from ..fabric.elastic import connect
from ..fabric.words import WordsToParts, beat_parts
from .instruction import fields, instruction_bits
from .place import next_place

__all__ = ["Store", "LENGTH_BITS"]

#: of the bytes of a row
LENGTH_BITS = 20


class Store(StructComponent):
    """Runs ST: for each row a command, its words from the buffer, as FP32 or rounded to FP16.

    Ports
    -----
    instruction:
        stream of ST, whose tokens are there; one stays until all its words are read.
    bases:
        the eight base addresses, in units of 64 bytes.
    request, word:
        streams: a word asked of the buffer of results, and it; both move in the same cycle.
    command, data, done:
        of the write engine.
    pushes:
        pulse: the words of an instruction with ``push_prev`` are read.
    bounds, error, idle:
        a word is beyond the buffer; the bus answered with an error; nothing is left to do, and all
        responses have come.
    """

    def __init__(self, p: AccelParameters, bus: Axi4) -> None:
        self.parameters = p
        self.bus = bus
        row_bits = max((p.M - 1).bit_length(), 1)
        super().__init__({
            "instruction": In(stream.Signature(instruction_bits("store"))),
            "bases": In(8 * (bus.address_bits - 6)),
            "request": Out(stream.Signature(data.StructLayout(
                {"address": 12, "row": row_bits}))),
            "word": In(stream.Signature(p.p_word)),
            "command": Out(stream.Signature(write_command_layout(bus, 1, LENGTH_BITS))),
            "data": Out(stream.Signature(write_data_layout(
                bus, beat_parts(p.p_word, bus.data_bits)))),
            "done": In(stream.Signature(done_layout(1))),
            "pushes": Out(1), "bounds": Out(1), "error": Out(1), "idle": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        source = self.instruction
        st = fields(source.payload, Op.ST)
        command, request, word = self.command, self.request, self.word
        # a row: its command first, then its words
        begun = Signal()        # the registers below are those of the instruction
        told = Signal()         # the row's command is given
        place = Signal(self.bus.address_bits - 6, reset_less=True)      # the row in memory
        start = Signal(range(4096 + p.drain), reset_less=True)  # its row block in the buffer
        row = Signal(7)
        bank = Signal(max((p.M - 1).bit_length(), 1))
        sent = Signal(10)       # words of the row that went on
        takes, final, row_ends, block_ends, ends = (Signal(name=name) for name in (
            "takes", "final", "row_ends", "block_ends", "ends"))
        running = Signal()
        m.d.comb += [
            running.eq(source.valid & begun), takes.eq(word.valid & word.ready),
            final.eq(sent == st.words - 1), row_ends.eq(takes & final),
            block_ends.eq(row_ends & (bank == p.M - 1)),
            ends.eq(row_ends & (row == st.rows - 1)), source.ready.eq(ends)]
        next_place(m, self.bases, st, st.pitch, begun, ~begun | row_ends, place)
        m.d.sync += [begun.eq(source.valid & ~ends),
                     told.eq((told | (command.valid & command.ready)) & ~row_ends)]
        with m.If(takes):
            m.d.sync += sent.eq(Mux(final, 0, sent + 1))
        with m.If(row_ends):
            m.d.sync += [row.eq(Mux(ends, 0, row + 1)),
                         bank.eq(Mux(ends | block_ends, 0, bank + 1))]
        with m.If(~begun):
            m.d.sync += start.eq(st.src)
        with m.Elif(block_ends):
            m.d.sync += start.eq(start + p.drain)
        size = Signal(LENGTH_BITS)
        address = Signal(len(start) + 1)
        m.d.comb += [
            size.eq(st.words * (p.p_word // 8)), command.valid.eq(running & ~told),
            command.payload.address.eq(Cat(Const(0, 6), place)),
            command.payload.length.eq(Mux(st.fp16, size >> 1, size)),
            address.eq(start + sent), self.bounds.eq(running & (address >= p.p_depth)),
            request.payload.address.eq(address), request.payload.row.eq(bank)]

        halves = []
        for i in range(p.chains):
            m.submodules[f"half_{i}"] = half = Shared(
                FpConvert(FP32, FP16, Adders(p.adder)), "fp32_to_fp16",
                key=(FP32, FP16, p.adder))
            m.d.comb += half.code.eq(word.payload.word_select(i, 32))
            halves.append(half.result)
        m.submodules.parts = parts = WordsToParts(p.p_word, self.bus)
        rounded = Cat(halves)
        m.d.comb += [
            parts.word.valid.eq(word.valid), parts.half.eq(st.fp16), parts.last.eq(final),
            parts.word.payload.eq(Cat(Mux(st.fp16, rounded, word.payload[:len(rounded)]),
                                      word.payload[len(rounded):])),
            word.ready.eq(parts.word.ready),
            # the engine has room, and keeps it until something comes
            request.valid.eq(running & self.data.ready)]
        connect(m, parts.data, self.data)

        open_rows = Signal(16)
        given = Signal()
        over = Signal()
        m.d.comb += [given.eq(command.valid & command.ready), self.done.ready.eq(1),
                     over.eq(self.done.valid), self.error.eq(over & self.done.payload.error),
                     self.idle.eq(~source.valid & (open_rows == 0))]
        m.d.sync += [open_rows.eq(open_rows + given - over),
                     self.pushes.eq(ends & st.push_prev)]
        return m
