"""Rows of activations that are not finite: their results are NaN."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.parameters import BitmodTileParameters

__all__ = ["FiniteRows"]


class FiniteRows(wiring.Component):
    """Which rows of a tile row have seen an infinity or a NaN in their operation.

    ``exponents``: the fields of the activations (row, lane) of a cycle with ``enable``;
    ``begins`` and ``ends`` the operation. ``invalid`` holds from the cycle after ``ends`` to that
    of the next.
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        self.parameters = p
        exponents = data.ArrayLayout(data.ArrayLayout(5, p.lanes), p.rows)
        super().__init__({"exponents": In(exponents), "enable": In(1), "begins": In(1),
                          "ends": In(1), "invalid": Out(p.rows)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        flags = []
        for row in range(p.rows):
            lanes = [field.all() for field in self.exponents[row]]
            flags.append(Cat(lanes).any())
        running = Signal(p.rows, reset_less=True)
        now = Signal(p.rows)
        held = Signal(p.rows, reset_less=True)
        m.d.comb += [now.eq(Cat(flags) | (running & (~self.begins).replicate(p.rows))),
                     self.invalid.eq(held)]
        with m.If(self.enable):
            m.d.sync += running.eq(now)
        with m.If(self.ends):
            m.d.sync += held.eq(now)
        return m
