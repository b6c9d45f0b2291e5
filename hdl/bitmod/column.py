"""One column of a tile: PEs, and the scaling, accumulation and output buffer they share.

The paper multiplies by the group's scale bit by bit inside every PE. Here a column has one
multiplier: the sums of a group leave the PEs through a shift register, one row a cycle, and
are scaled, rounded to FP32 and added on the way. It takes as long, without the adder and the
product register that each PE would need. The results are the same bits.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.parameters import BitmodTileParameters
from lowbit.golden.formats import FP32

from ..common.fp_add import FpAdd
from ..common.unit import Unit
from .accumulate import GroupSum
from .align import ACTIVATION, TERM
from .pe import BitmodPeCore
from .scale import GroupScale
from .streams import SCALE_BITS

__all__ = ["BitmodCell", "BitmodColumn"]


class BitmodCell(wiring.Component):
    """A PE and its place in the shift register that takes group sums out of the column.

    With ``capture`` the place takes the PE's sum, else the one of the row below (``chain``).
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        self.parameters = p
        total = GroupSum(p.pe).layout
        super().__init__({
            "activations": In(p.lanes * ACTIVATION.size), "terms": In(p.lanes * TERM.size),
            "clear": In(1), "capture": In(1), "chain": In(total), "held": Out(total)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.pe = pe = Unit(BitmodPeCore(self.parameters.pe), "bitmod_pe")
        m.d.comb += [pe.activations.eq(self.activations), pe.terms.eq(self.terms),
                     pe.clear.eq(self.clear)]
        held = Signal(self.held.shape(), reset_less=True)
        m.d.sync += held.eq(self.chain)
        with m.If(self.capture):
            m.d.sync += held.eq(pe.total)
        m.d.comb += self.held.eq(held)
        return m


class BitmodColumn(wiring.Component):
    """All rows of one column.

    ``capture``: the PEs hold the sums of a finished group; from the next cycle on they leave,
    row 0 first, and meet ``scale``. Two cycles after a sum has left, ``add`` adds it to the
    row's partial sum, or replaces that if ``fresh``. ``shift`` moves the partial sums on without
    adding; ``head`` is the next row's.
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        self.parameters = p
        super().__init__({
            "activations": In(p.rows * p.lanes * ACTIVATION.size),
            "terms": In(p.lanes * TERM.size), "clear": In(1), "capture": In(1),
            "scale": In(SCALE_BITS), "add": In(1), "fresh": In(1), "shift": In(1),
            "head": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.scale = scale = GroupScale(p.pe)
        chain = Signal(GroupSum(p.pe).layout, name="no_row")
        for row in reversed(range(p.rows)):
            m.submodules[f"cell_{row}"] = cell = Unit(BitmodCell(p), "bitmod_cell")
            m.d.comb += [
                cell.activations.eq(self.activations.word_select(
                    row, p.lanes * ACTIVATION.size)),
                cell.terms.eq(self.terms), cell.clear.eq(self.clear),
                cell.capture.eq(self.capture), cell.chain.eq(chain)]
            chain = cell.held
        m.d.comb += [scale.total.eq(chain), scale.scale.eq(self.scale)]

        m.submodules.add = add = FpAdd(FP32)
        partial = [Signal(32, name=f"partial_{row}", reset_less=True) for row in range(p.rows)]
        m.d.comb += [add.a.eq(partial[0] & (~self.fresh).replicate(32)),
                     add.b.eq(scale.scaled), self.head.eq(partial[0])]
        with m.If(self.add | self.shift):
            m.d.sync += [now.eq(after) for now, after in
                         zip(partial, [*partial[1:], add.sum], strict=True)]
        return m
