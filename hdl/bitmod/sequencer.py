"""What happens in which cycle: terms of chunks, chunks of groups, groups of operations."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.tile_parameters import BitmodMeshParameters

from ..common.struct import StructComponent
from .streams import chunk_bits
from .term_generator import INDEX_BITS, one_hot

__all__ = ["STEP", "Drain", "Sequencer"]

#: One cycle as all of a design sees it. ``enable``: a term is processed; ``lines`` of its index
#: (:func:`.term_generator.one_hot`), ``floating`` type; ``begins`` an operation; ``first`` and
#: ``last`` term of a group; ``fresh``: of the operation's first group; ``ends`` the operation.
STEP = data.StructLayout({"enable": 1, "lines": 1 << INDEX_BITS, "floating": 1, "begins": 1,
                          "first": 1, "last": 1, "fresh": 1, "ends": 1})


class Sequencer(StructComponent):
    """Walks through the terms as long as operands are there.

    ``ready``: a chunk of activations, a chunk of weights and its group are there. ``floating``,
    ``terms`` (less one), ``chunks`` (less one) and ``ending`` (the operation's last) describe the
    group. ``take_chunk`` and ``take_group`` consume them, in the cycle of the last term.
    A group's last term waits until ``group_spacing`` cycles have passed since the one before,
    and in an operation's first group until the results of the last operation have ``left``.
    ``busy``: results are on their way; ``start``: they begin to leave the columns one cycle later.
    """

    def __init__(self, p: BitmodMeshParameters) -> None:
        self.parameters = p
        super().__init__({
            "ready": In(1), "floating": In(1), "terms": In(INDEX_BITS),
            "chunks": In(chunk_bits(p)), "ending": In(1), "left": In(1),
            "step": Out(STEP), "take_chunk": Out(1), "take_group": Out(1), "start": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        index = Signal(INDEX_BITS)
        chunk = Signal(chunk_bits(p))
        fresh = Signal(init=1)
        begins = Signal(init=1)
        busy = Signal()
        spacing = Signal(range(p.group_spacing))
        last_term = Signal()
        last = Signal()
        hold = Signal()
        fire = Signal()
        m.d.comb += [
            last_term.eq(index == self.terms),
            last.eq(last_term & (chunk == self.chunks)),
            hold.eq(last & ((spacing != 0) | (fresh & busy))),
            fire.eq(self.ready & ~hold),
            self.take_chunk.eq(fire & last_term), self.take_group.eq(fire & last),
            self.step.enable.eq(fire), self.step.lines.eq(one_hot(index)),
            self.step.floating.eq(self.floating), self.step.begins.eq(fire & begins),
            self.step.first.eq((index == 0) & (chunk == 0)), self.step.last.eq(fire & last),
            self.step.fresh.eq(fresh), self.step.ends.eq(fire & last & self.ending)]
        with m.If(spacing != 0):
            m.d.sync += spacing.eq(spacing - 1)
        with m.If(self.left):
            m.d.sync += busy.eq(0)
        with m.If(fire):
            m.d.sync += [begins.eq(last & self.ending), index.eq(Mux(last_term, 0, index + 1))]
            with m.If(last_term):
                m.d.sync += chunk.eq(Mux(last, 0, chunk + 1))
            with m.If(last):
                m.d.sync += [fresh.eq(self.ending), spacing.eq(p.group_spacing - 1)]
                with m.If(self.ending):
                    m.d.sync += busy.eq(1)
        # one operation at a time is on its way out: a counter does
        wait = Signal(range(p.output_start + 1))
        m.d.comb += self.start.eq(wait == 1)
        with m.If(self.step.ends):
            m.d.sync += wait.eq(p.output_start - 1)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        return m


class Drain(wiring.Component):
    """Counts results out: for each set of ``out_columns`` columns the rows, ascending.

    After ``start`` results are there, one set each cycle with ``advance``: ``row`` of the columns
    that ``select`` (one line a set) says. ``enable`` lets it advance. ``set_ends``: the last row;
    ``last``: the last result; ``left``: it leaves now.
    """

    def __init__(self, p: BitmodMeshParameters) -> None:
        self.parameters = p
        self.sets = p.output_sets
        super().__init__({"start": In(1), "enable": In(1), "valid": Out(1), "advance": Out(1),
                          "row": Out(range(p.rows)), "select": Out(self.sets),
                          "set_ends": Out(1), "last": Out(1), "left": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        number = Signal(range(self.sets))
        m.d.comb += [
            self.advance.eq(self.valid & self.enable),
            self.select.eq(Cat(number == i for i in range(self.sets))),
            self.set_ends.eq(self.row == p.rows - 1),
            self.last.eq(self.set_ends & (number == self.sets - 1)),
            self.left.eq(self.advance & self.last)]
        with m.If(self.start):
            m.d.sync += self.valid.eq(1)
        with m.If(self.advance):
            m.d.sync += self.row.eq(self.row + 1)
            with m.If(self.set_ends):
                m.d.sync += [self.row.eq(0), number.eq(number + 1)]
            with m.If(self.last):
                m.d.sync += [number.eq(0), self.valid.eq(0)]
        return m

