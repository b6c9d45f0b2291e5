"""The datapath of a tile: rows x columns of PEs between operand registers (paper section IV-C)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import FP16

from ..common.adders import Adders
from ..common.pipeline import delayed, register
from ..common.shared import Shared
from ..common.struct import StructComponent
from .column import BitmodColumns
from .cycle_pe import DecodeActivation
from .forms import control, decode_terms, pe_terms_bits
from .row_pe import row_activation
from .streams import BSIG_BITS, SCALE_BITS, terms_bits

__all__ = ["TileDatapath", "beat_layout"]


def beat_layout(p: BitmodTileParameters) -> data.StructLayout:
    """What travels down with the terms; see :data:`.sequencer.STEP`."""
    row = {"floating": 1} if p.align == "row" else {}
    return data.StructLayout({"enable": 1, "first": 1, "last": 1, "fresh": 1,
                              "bsig": signed(BSIG_BITS), **row})


class TileDatapath(StructComponent):
    """Terms come from above, activations from the left; both leave one cycle later, below and to
    the right. ``scales`` come with a ``last`` beat and stay for the tile below. Activations are
    FP16 codes, or row-aligned (:func:`.row_pe.row_activation`); then the ``exponents`` of the rows
    come with them, and stay from a ``last`` beat for the tile to the right.

    ``shift`` (one line per set of ``out_columns`` columns) moves the results of those columns on,
    and selects them: ``heads`` are the results of their next row.
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        self.parameters = p
        self.row = p.align == "row"
        bits = row_activation(p.pe).size if self.row else FP16.bits
        operands = {"activations": p.rows * p.lanes * bits,
                    "terms": p.columns * terms_bits(p),
                    "scales": p.columns * SCALE_BITS, "beat": beat_layout(p)}
        if self.row:
            operands["exponents"] = p.rows * FP16.ebits
        members = {f"{name}_in": In(shape) for name, shape in operands.items()}
        members |= {f"{name}_out": Out(shape) for name, shape in operands.items()}
        sets = p.output_sets
        super().__init__(members | {"select": In(sets), "shift": In(1),
                                    "heads": Out(p.out_columns * 32)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        activations = register(m, self.activations_in, "activations")
        terms = register(m, self.terms_in, "terms")
        beat = register(m, self.beat_in, "beat", reset=True)
        scales = register(m, self.scales_in, "scales", enable=self.beat_in.last)
        m.d.comb += [self.activations_out.eq(activations), self.terms_out.eq(terms),
                     self.scales_out.eq(scales), self.beat_out.eq(beat)]

        capture = delayed(m, beat.last, p.pe.latency, "group_done", reset=True)
        fresh_group = delayed(m, beat.fresh, p.pe.latency, "fresh")
        fresh = register(m, fresh_group, "group_fresh", enable=capture)
        # sums leave the PEs; scaled and rounded, they are added two cycles later
        leaving = Signal()
        column = Signal(p.sharing_columns, reset_less=True)
        row_left = Signal(range(p.rows), reset_less=True)
        with m.If(capture):
            m.d.sync += [leaving.eq(1), row_left.eq(p.rows - 1), column.eq(1)]
        with m.Elif(leaving):
            m.d.sync += row_left.eq(row_left - 1)
            with m.If(row_left == 0):
                m.d.sync += [row_left.eq(p.rows - 1), column.eq(Cat(0, column[:-1])),
                             leaving.eq(~column[-1])]
        adding = delayed(m, leaving, 2, "adding", reset=True)
        fresh_at = delayed(m, fresh, 2, "adding_fresh")

        clear = Signal()
        m.d.comb += clear.eq(beat.first & beat.enable)
        floating = beat.floating if self.row else Const(0, 1)
        shared = control(p.pe, clear, beat.bsig, floating)
        if self.row:
            decoded: Value = activations
            shared["exponent"] = self._leaving_exponent(m, beat.floating, capture)
        else:
            decoded = self._decoded_activations(m, activations)
        decoded_terms = self._decoded_terms(m, terms, beat)
        sharing, width = p.sharing_columns, pe_terms_bits(p.pe)
        heads: list[list[Value]] = [[] for _ in range(p.out_columns)]
        for first in range(0, p.output_sets, sharing):
            # columns of these sets: they leave one after the other
            select = Signal(name=f"select_{first}")
            m.d.comb += select.eq(self.select[first:first + sharing].any())
            for lane in range(p.out_columns):
                members = [n * p.out_columns + lane for n in range(first, first + sharing)]
                m.submodules[f"columns_{members[0]}"] = columns = Shared(BitmodColumns(p),
                                                                       "bitmod_columns")
                m.d.comb += [
                    columns.activations.eq(decoded),
                    *(getattr(columns, name).eq(value) for name, value in shared.items()),
                    columns.terms.eq(Cat(decoded_terms.word_select(i, width) for i in members)),
                    columns.capture.eq(capture), columns.column.eq(column),
                    columns.scales.eq(Cat(scales.word_select(i, SCALE_BITS) for i in members)),
                    columns.fresh.eq(fresh_at),
                    columns.shift.eq(adding | (select & self.shift))]
                heads[lane].append(columns.head & select.replicate(32))
        for lane, words in enumerate(heads):
            word = words[0]
            for head in words[1:]:
                word = word | head
            m.d.comb += self.heads.word_select(lane, 32).eq(word)
        return m

    def _leaving_exponent(self, m: Module, floating: Value, capture: Value) -> Value:
        """Of the row whose sum leaves the columns: the exponents go round as the rows do."""
        exponents = register(m, self.exponents_in, "exponents", enable=self.beat_in.last)
        m.d.comb += self.exponents_out.eq(exponents)
        integers = register(m, delayed(m, ~floating, self.parameters.pe.latency, "integers"),
                            "leaving_integers", enable=capture)
        bits = FP16.ebits
        leaving = Signal(len(exponents), name="leaving_exponents", reset_less=True)
        m.d.sync += leaving.eq(Cat(leaving[bits:], leaving[:bits]))
        with m.If(capture):
            m.d.sync += leaving.eq(exponents)
        total, carry = Adders(self.parameters.adder).increment(m, leaving[:bits], integers,
                                                               name="leaving_exponent")
        return Cat(total, carry)

    def _decoded_activations(self, m: Module, activations: Value) -> Value:
        """Activations with their hidden bits, once for all columns."""
        words = []
        for i in range(self.parameters.rows * self.parameters.lanes):
            m.submodules[f"activation_{i}"] = decode = Shared(DecodeActivation(),
                                                            "bitmod_activation", key=())
            m.d.comb += decode.code.eq(activations.word_select(i, 16))
            words.append(Value.cast(decode.activation))
        return Cat(words)

    def _decoded_terms(self, m: Module, terms: Value, beat: Any) -> Value:
        """Terms of the columns as the PEs take them, once for all rows."""
        p = self.parameters
        return Cat(decode_terms(m, p.pe, terms.word_select(column, terms_bits(p)), beat.bsig,
                                beat.enable, first=column * p.lanes)
                   for column in range(p.columns))
