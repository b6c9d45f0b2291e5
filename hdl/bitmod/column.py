"""Columns of a tile: PEs, and the scaling, accumulation and output buffer they share.

The paper multiplies by the group's scale bit by bit inside every PE. Here some columns have one
multiplier: the sums of a group leave the PEs through a shift register, one row a cycle, and
are scaled, rounded to FP32 and added on the way. The results are the same bits, and the area is
far less than that of the adder, the registers and the rounding that every PE would need.
"""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import FP32

from ..common.adders import Adders
from ..common.fp_add import FpAdd
from ..common.pipeline import register
from ..common.shared import Shared
from ..common.struct import StructComponent, signals
from .accumulate import GroupSum
from .forms import activation_bits, control_ports, pe_datapath, pe_terms_bits
from .group_scale import GroupScale
from .streams import SCALE_BITS

__all__ = ["BitmodCell", "BitmodColumns"]


class BitmodCell(StructComponent):
    """A PE and its place in the shift register that takes group sums out of the column.

    With ``capture`` the place takes the PE's sum, else the one of the row below (``chain``).
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        self.parameters = p
        total = GroupSum(p.pe).layout
        super().__init__({
            "activations": In(p.lanes * activation_bits(p.pe)),
            "terms": In(pe_terms_bits(p.pe)), **control_ports(p.pe),
            "capture": In(1), "chain": In(total), "held": Out(total)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.pe = pe = Shared(pe_datapath(self.parameters.pe), "bitmod_pe")
        m.d.comb += [getattr(pe, name).eq(getattr(self, name)) for name in (
            "activations", "terms", *control_ports(self.parameters.pe))]
        held = signals(self.held.shape(), "held", reset_less=True)
        m.d.sync += held.eq(self.chain)
        with m.If(self.capture):
            m.d.sync += held.eq(pe.total)
        m.d.comb += self.held.eq(held)
        return m


class BitmodColumns(wiring.Component):
    """All rows of the ``scale_columns`` columns that share a dequantiser.

    The shift registers of the columns are one behind the other, and so are the partial sums.
    ``capture``: the PEs hold the sums of a finished group, whose ``scales`` are there; from the
    next cycle on the sums leave, row 0 of the first column first, and meet the scale of the
    ``column`` (one line each), in the row-aligned form also the ``exponent`` of their row. Two
    cycles after a sum has left it is added to ``head``, its partial sum, or replaces that if
    ``fresh``: ``shift`` moves the partial sums on. The adder holds the last of them, so that they
    have gone round after as many shifts as there are sums.
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        self.parameters = p
        count = p.sharing_columns
        ports = {
            "activations": In(p.rows * p.lanes * activation_bits(p.pe)),
            "terms": In(count * pe_terms_bits(p.pe)), **control_ports(p.pe),
            "capture": In(1), "scales": In(count * SCALE_BITS), "column": In(count),
            "fresh": In(1), "shift": In(1), "head": Out(32)}
        if p.align == "row":
            ports["exponent"] = In(GroupSum(p.pe).operand["exponent"].shape)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.group_scale = scale = GroupScale(p.pe, p.group_scale)
        chain = signals(GroupSum(p.pe).layout, "no_row")
        for column in reversed(range(p.sharing_columns)):
            terms = self.terms.word_select(column, pe_terms_bits(p.pe))
            for row in reversed(range(p.rows)):
                m.submodules[f"cell_{column}_{row}"] = cell = Shared(BitmodCell(p), "bitmod_cell")
                m.d.comb += [
                    cell.activations.eq(self.activations.word_select(
                        row, p.lanes * activation_bits(p.pe))),
                    cell.terms.eq(terms),
                    *(getattr(cell, name).eq(getattr(self, name)) for name in control_ports(p.pe)),
                    cell.capture.eq(self.capture), cell.chain.eq(chain)]
                chain = cell.held
        scales = register(m, self.scales, "scales", enable=self.capture)
        chosen: Value = Const(0, SCALE_BITS)
        for i, line in enumerate(self.column):
            chosen = chosen | (scales.word_select(i, SCALE_BITS) & line.replicate(SCALE_BITS))
        m.d.comb += [scale.scale.eq(chosen),
                     *(scale.total[name].eq(chain[name]) for name, _ in chain.shape())]
        if p.align == "row":
            m.d.comb += scale.total.exponent.eq(self.exponent)

        m.submodules.add = add = FpAdd(FP32, stages=1, adders=Adders(p.adder))
        partial = [Signal(32, name=f"partial_{i}", reset_less=True)
                   for i in range(p.sharing_sums - 1)]
        following = [*partial[1:], add.sum] if partial else []
        m.d.comb += [self.head.eq(partial[0] if partial else add.sum), add.en.eq(self.shift),
                     add.a.eq(self.head & (~self.fresh).replicate(32)), add.b.eq(scale.scaled)]
        with m.If(self.shift):
            m.d.sync += [now.eq(after) for now, after in zip(partial, following, strict=True)]
        return m
