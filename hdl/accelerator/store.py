"""The store unit: rows of results become write commands and their beats."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
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
from ..fabric.elastic import Beat, forward
from ..fabric.words import WordsToBeats
from .instruction import fields, instruction_bits

__all__ = ["Store", "LENGTH_BITS"]

#: of the bytes of a row
LENGTH_BITS = 20


class Store(StructComponent):
    """Runs ST: for each row a command, its words from the buffer, as FP32 or rounded to FP16.

    Ports
    -----
    instruction:
        stream of ST; their tokens are there.
    bases:
        the eight base addresses, in units of 64 bytes.
    request, word:
        streams: words asked of the buffer of results, and they.
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
            "data": Out(stream.Signature(write_data_layout(bus))),
            "done": In(stream.Signature(done_layout(1))),
            "pushes": Out(1), "bounds": Out(1), "error": Out(1), "idle": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        source = forward(m, Beat(self.instruction.valid, {"word": self.instruction.payload},
                                 self.instruction.ready), "head")
        st = fields(source["word"], Op.ST)
        # a row: its command first, then its words
        row = Signal(7)
        bank = Signal(max((p.M - 1).bit_length(), 1))
        block = Signal(16)
        skipped = Signal(24)
        told = Signal()         # the row's command is given
        asked = Signal(10)      # words of the row that were asked for
        sent = Signal(10)       # words of the row that went on
        address_bits = self.bus.address_bits - 6
        base = Signal(address_bits)
        place = Signal(address_bits)
        size = Signal(LENGTH_BITS)
        bases = Array(self.bases.word_select(i, address_bits) for i in range(8))
        command, request = self.command, self.request
        address = Signal(17)
        m.d.comb += [
            base.eq(bases[st.base]), place.eq(base + st.offset + skipped),
            size.eq(st.words * (p.p_word // 8)),
            command.valid.eq(source.valid & ~told),
            command.payload.address.eq(Cat(Const(0, 6), place)),
            command.payload.length.eq(Mux(st.fp16, size >> 1, size)),
            address.eq(st.src + block + asked),
            self.bounds.eq(source.valid & (asked != st.words) & (address >= p.p_depth)),
            request.valid.eq(source.valid & (asked != st.words)),
            request.payload.address.eq(address), request.payload.row.eq(bank)]
        with m.If(command.valid & command.ready):
            m.d.sync += told.eq(1)
        with m.If(request.valid & request.ready):
            m.d.sync += asked.eq(asked + 1)

        word = self.word
        takes = Signal()
        final = Signal()
        m.d.comb += [final.eq(sent == st.words - 1), takes.eq(word.valid & word.ready)]
        halves = []
        for i in range(p.chains):
            m.submodules[f"half_{i}"] = half = Shared(
                FpConvert(FP32, FP16, Adders(p.adder)), "fp32_to_fp16",
                key=(FP32, FP16, p.adder))
            m.d.comb += half.code.eq(word.payload.word_select(i, 32))
            halves.append(half.result)
        m.submodules.whole = whole = WordsToBeats(p.p_word, self.bus.data_bits)
        m.submodules.narrow = narrow = WordsToBeats(p.p_word // 2, self.bus.data_bits)
        m.d.comb += [
            whole.word.valid.eq(word.valid & ~st.fp16), whole.word.payload.eq(word.payload),
            narrow.word.valid.eq(word.valid & st.fp16), narrow.word.payload.eq(Cat(halves)),
            whole.last.eq(final), narrow.last.eq(final),
            word.ready.eq(Mux(st.fp16, narrow.word.ready, whole.word.ready)),
            self.data.valid.eq(Mux(st.fp16, narrow.beat.valid, whole.beat.valid)),
            self.data.payload.data.eq(Mux(st.fp16, narrow.beat.payload, whole.beat.payload)),
            whole.beat.ready.eq(self.data.ready & ~st.fp16),
            narrow.beat.ready.eq(self.data.ready & st.fp16)]
        with m.If(takes):
            m.d.sync += sent.eq(sent + 1)
        row_ends = Signal()
        ends = Signal()
        m.d.comb += [row_ends.eq(takes & final), ends.eq(row_ends & (row == st.rows - 1)),
                     source.ready.eq(ends)]
        with m.If(row_ends):
            m.d.sync += [told.eq(0), asked.eq(0), sent.eq(0), row.eq(row + 1),
                         bank.eq(bank + 1), skipped.eq(skipped + st.pitch)]
            with m.If(bank == p.M - 1):
                m.d.sync += [bank.eq(0), block.eq(block + p.drain)]
        with m.If(ends):
            m.d.sync += [row.eq(0), bank.eq(0), block.eq(0), skipped.eq(0)]

        open_rows = Signal(16)
        given = Signal()
        over = Signal()
        m.d.comb += [given.eq(command.valid & command.ready), self.done.ready.eq(1),
                     over.eq(self.done.valid), self.error.eq(over & self.done.payload.error),
                     self.idle.eq(~source.valid & (open_rows == 0))]
        m.d.sync += [open_rows.eq(open_rows + given - over),
                     self.pushes.eq(ends & st.push_prev)]
        return m
