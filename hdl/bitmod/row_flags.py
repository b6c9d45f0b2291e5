"""What is remembered of the rows of activations in an operation: not finite, cut to an exponent."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters

__all__ = ["RowFlags"]


class RowFlags(wiring.Component):
    """Which rows of a tile row have been flagged in their operation.

    ``flags``: a bit a row, of a cycle with ``enable``; ``begins`` and ``ends`` the operation.
    ``held`` stays from the cycle after ``ends`` to that of the next.
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        self.parameters = p
        super().__init__({"flags": In(p.rows), "enable": In(1), "begins": In(1),
                          "ends": In(1), "held": Out(p.rows)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        running = Signal(p.rows, reset_less=True)
        now = Signal(p.rows)
        held = Signal(p.rows, name="held_flags", reset_less=True)
        m.d.comb += [now.eq(self.flags | (running & (~self.begins).replicate(p.rows))),
                     self.held.eq(held)]
        with m.If(self.enable):
            m.d.sync += running.eq(now)
        with m.If(self.ends):
            m.d.sync += held.eq(now)
        return m
