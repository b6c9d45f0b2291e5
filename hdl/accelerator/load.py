"""The load unit: instructions become read commands, and what comes back fills the buffers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import BLOCK, Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.shared import Shared
from ..common.struct import StructComponent
from ..fabric.axi import Axi4
from ..fabric.dma_read import read_command_layout, read_data_layout
from ..fabric.queue import ShiftQueue
from ..fabric.words import BeatsToWords
from .activation_feed import group_address
from .engines import engine_class
from .execute import buffer_ports
from .instruction import fields, instruction_bits
from .place import next_place

__all__ = ["Load"]

#: instructions whose commands are under way at a time: short ones must not let the bus idle
UNDER_WAY = 4


class Load(StructComponent):
    """Runs LDA, LDW, LDS, LDO and LDP.

    One part sends a command for each row (or block) and goes on to the next instruction; the
    other takes what comes back, cuts it into words of the buffer that is meant, and writes a word
    a cycle. Activations go through the scan on their way, which finds the exponent of each group.

    Ports
    -----
    instruction:
        stream of load instructions, whose tokens are there; one stays until its last command.
    bases:
        the eight base addresses, in units of 64 bytes.
    command, data:
        of the read engine.
    a_write, ... :
        buffers of the engine, outputs here; ``result`` is a stream to the buffer of results.
    pushes:
        pulse: what an instruction with ``push_next`` loads is written.
    bounds, error, idle:
        a word is beyond its buffer; the bus answered with an error; nothing is left to do.
    """

    def __init__(self, p: AccelParameters, bus: Axi4) -> None:
        self.parameters = p
        self.bus = bus
        row_bits = max((p.M - 1).bit_length(), 1)
        ports = {name: Out(port.shape) for name, port in buffer_ports(p).items()}
        super().__init__(ports | {
            "instruction": In(stream.Signature(instruction_bits("load"))),
            "bases": In(8 * (bus.address_bits - 6)),
            "command": Out(stream.Signature(read_command_layout(bus, 1))),
            "data": In(stream.Signature(read_data_layout(bus, 1))),
            "result": Out(stream.Signature(data.StructLayout(
                {"address": 12, "row": row_bits, "word": p.p_word}))),
            "pushes": Out(1), "bounds": Out(1), "error": Out(1), "idle": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.under_way = under_way = ShiftQueue(self._job_layout(), UNDER_WAY)
        self._commands(m, self.instruction, under_way.push)
        taken = under_way.pop
        self._words(m, taken.payload, taken)
        m.d.comb += self.idle.eq(~self.instruction.valid & ~taken.valid)
        return m

    def _job_layout(self) -> data.StructLayout:
        """What is still needed of an instruction when its data come."""
        p = self.parameters
        # a number that is beyond every buffer needs no more bits than to say so
        self.place_bits = (max(p.a_depth, p.w_depth, p.s_depth, p.p_depth) + 1).bit_length()
        return data.StructLayout({
            "op": 3, "push_next": 1, "rows_last": 7, "words": self.place_bits,
            "steps": max(p.steps_range[1].bit_length(), 1), "dst": self.place_bits})

    # -- commands -----------------------------------------------------------------------------
    def _commands(self, m: Module, source: Any, push: Any) -> None:
        p, command = self.parameters, self.command
        word = source.payload
        lda, ldw, ldp = (fields(word, op) for op in (Op.LDA, Op.LDW, Op.LDP))
        is_a, is_p = (word[:4] == op for op in (Op.LDA, Op.LDP))
        blocks_bits = BLOCK * 8
        length = Signal(16)
        rows_last = Signal(7)
        pitch = Signal(16)
        m.d.comb += [
            length.eq(Mux(is_a, (lda.words * p.a_word + blocks_bits - 1) >> 9,
                          Mux(is_p, (ldp.words * p.p_word + blocks_bits - 1) >> 9, ldw.blocks))),
            rows_last.eq(Mux(is_a, lda.rows, Mux(is_p, ldp.rows, 1)) - 1),
            pitch.eq(Mux(is_a, lda.pitch, ldp.pitch))]
        begun = Signal()        # ``place`` is that of a row of the instruction
        row = Signal(7)
        last = Signal()
        moves = Signal()
        place = Signal(self.bus.address_bits - 6, reset_less=True)
        next_place(m, self.bases, lda, pitch, begun, moves | ~begun, place)
        m.d.comb += [
            last.eq(row == rows_last),
            # an instruction is noted with its first command
            command.valid.eq(source.valid & begun & (push.ready | (row != 0))),
            command.payload.address.eq(Cat(Const(0, 6), place)),
            command.payload.length.eq(length), command.payload.tag.eq(0),
            moves.eq(command.valid & command.ready), source.ready.eq(moves & last),
            push.valid.eq(moves & (row == 0))]
        m.d.sync += begun.eq(source.valid & ~source.ready)
        with m.If(moves):
            m.d.sync += row.eq(Mux(last, 0, row + 1))

        job = push.payload
        dst = Signal(16)
        m.d.comb += [
            job.op.eq(word[:3]), job.push_next.eq(lda.push_next), job.rows_last.eq(rows_last),
            job.words.eq(_capped(Mux(is_a, lda.words, ldp.words), self.place_bits)),
            job.steps.eq(lda.steps), job.dst.eq(_capped(dst, self.place_bits))]
        with m.Switch(word[:3]):
            for kind in (Op.LDA, Op.LDW, Op.LDS, Op.LDO, Op.LDP):
                shift = p.ratio(self._shared()[kind]).bit_length() - 1 \
                    if kind in self._shared() else 0
                with m.Case(kind):
                    m.d.comb += dst.eq(fields(word, kind).dst >> shift)

    def _shared(self) -> dict[Op, int]:
        """Bits of the words of patterns, scales and offsets: those of a beat come together."""
        p = self.parameters
        return {kind: width for kind, width in (
            (Op.LDW, p.w_word), (Op.LDS, p.s_word), (Op.LDO, p.o_word)) if width}

    # -- words --------------------------------------------------------------------------------
    def _words(self, m: Module, job: Any, taken: Any) -> None:
        """What comes back, by the instruction that asked for it."""
        p, beat = self.parameters, self.data
        bits = p.axi_data
        # a word of patterns, scales or offsets that is narrower than a beat is one with others
        shared = self._shared()
        kinds = {Op.LDA: p.a_word, Op.LDP: p.p_word}
        kinds |= {kind: max(width, bits) for kind, width in shared.items()}
        op = job.op
        words: dict[int, Any] = {}
        wanted: dict[int, list[Value]] = {}
        for kind, width in kinds.items():
            wanted.setdefault(width, []).append(op == kind)
        full = Signal()         # the row has all its words: what follows is padding
        here = Signal()
        ends = Signal()
        m.d.comb += [here.eq(beat.valid & taken.valid),
                     ends.eq(beat.valid & beat.ready & beat.payload.last)]
        ready: Value = Const(0, 1)
        for width, chosen in wanted.items():
            m.submodules[f"words_{width}"] = cut = Shared(
                BeatsToWords(bits, width), f"beats_to_{width}")
            use = Signal(name=f"use_{width}")
            m.d.comb += [use.eq(Cat(chosen).any()), cut.beat.valid.eq(here & use),
                         cut.beat.payload.eq(beat.payload.data), cut.last.eq(beat.payload.last)]
            ready = ready | (use & cut.beat.ready)
            words[width] = cut.word
        m.d.comb += beat.ready.eq(taken.valid & ready)

        count = Signal(self.place_bits)     # words of this command
        row = Signal(7)
        bank = Signal(max((p.M - 1).bit_length(), 1))
        fresh = Signal(init=1)              # in the instruction's first row block
        later = Signal(self.place_bits + 1, reset_less=True)
        start = Signal(self.place_bits + 1)     # the row block in the buffer
        block_ends = Signal()
        writes = Signal()
        address = Signal(self.place_bits + 2)
        is_a = Signal()
        is_p = Signal()
        last_row = Signal()
        depth = Signal(17)
        m.d.comb += [
            is_a.eq(op == Op.LDA), is_p.eq(op == Op.LDP),
            full.eq((is_a | is_p) & (count == job.words)),
            block_ends.eq(bank == p.M - 1), last_row.eq(row == job.rows_last),
            start.eq(Mux(fresh, job.dst, later)), address.eq(start + count),
            self.bounds.eq(writes & (address >= depth)),
            self.error.eq(ends & beat.payload.error)]
        depths = {Op.LDA: p.a_depth, Op.LDW: p.w_depth, Op.LDS: p.s_depth, Op.LDO: p.s_depth,
                  Op.LDP: p.p_depth}
        with m.Switch(op):
            for kind in kinds:
                ratio = p.ratio(shared[kind]) if kind in shared else 1
                with m.Case(kind):
                    m.d.comb += depth.eq(depths[kind] // ratio)
        for stream_ in words.values():
            m.d.comb += stream_.ready.eq(full | ~is_p | self.result.ready)
            with m.If(stream_.valid & stream_.ready & ~full):
                m.d.comb += writes.eq(1)
        with m.If(writes):
            m.d.sync += count.eq(count + 1)
        finishes = Signal()
        m.d.comb += [finishes.eq(ends & last_row), taken.ready.eq(finishes)]
        with m.If(ends):
            m.d.sync += [count.eq(0), row.eq(row + 1), bank.eq(bank + 1)]
            with m.If(block_ends):
                m.d.sync += [bank.eq(0), fresh.eq(0),
                             later.eq(start + Mux(is_a, job.words, p.drain))]
            with m.If(last_row):
                m.d.sync += [row.eq(0), bank.eq(0), fresh.eq(1)]
        m.d.sync += self.pushes.eq(finishes & job.push_next)

        inside = Signal()
        m.d.comb += inside.eq(address < depth)
        for name, kind in (("w", Op.LDW), ("s", Op.LDS), ("o", Op.LDO)):
            if kind in kinds:
                m.d.comb += [
                    getattr(self, f"{name}_write").eq(writes & inside & (op == kind)),
                    getattr(self, f"{name}_address").eq(address),
                    getattr(self, f"{name}_data").eq(words[kinds[kind]].payload)]
        result = self.result
        m.d.comb += [
            result.valid.eq(words[p.p_word].valid & is_p & ~full & inside),
            result.payload.address.eq(address), result.payload.row.eq(bank),
            result.payload.word.eq(words[p.p_word].payload)]
        activation = words[p.a_word].payload
        a_writes = Signal()
        of_bank = Signal(p.M)
        m.d.comb += [
            a_writes.eq(writes & is_a & inside), of_bank.eq(1 << bank),
            self.a_write.eq(of_bank & a_writes.replicate(p.M)), self.a_address.eq(address),
            self.a_data.eq(activation)]
        if p.compute.exponent_bits:
            self._scan(m, job, activation, a_writes, count, address, of_bank)

    def _scan(self, m: Module, job: Any, word: Value, writes: Value, count: Signal,
              address: Signal, of_bank: Signal) -> None:
        """Exponents: of a group, the cycle after its last word."""
        p = self.parameters
        at = group_address(m, p, address, job.steps, "exponent_at")
        places = ((1 << job.steps) - 1)[:p.steps_range[1]]
        first = Signal()
        last = Signal()
        m.d.comb += [first.eq((count & places) == 0), last.eq(((count + 1) & places) == 0)]
        exponent = engine_class(p).scan(m, p, word, writes, first, last)
        m.d.comb += self.e_data.eq(exponent)
        m.d.sync += [self.e_write.eq(of_bank & (writes & last).replicate(p.M)),
                     self.e_address.eq(at)]


def _capped(value: Value, bits: int) -> Value:
    """``value``, or where it does not fit the largest number of so many bits."""
    return value[:bits] | value[bits:].any().replicate(bits)
