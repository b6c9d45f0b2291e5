"""A short queue of a few bits: what is on its way, in order."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ..common.struct import StructComponent, signals

__all__ = ["ShiftQueue"]


class ShiftQueue(StructComponent):
    """A queue in a shift register: the oldest entry is read by its place.

    ``depth`` entries of ``layout``. Latency 1 cycle. ``push.ready`` and ``pop.valid`` follow from
    the fill alone: a full queue takes nothing in the cycle in which it is read. The entries need
    no write decoder, and an FPGA has such shift registers in its LUTs.

    Ports: streams ``push`` and ``pop``; ``level``, the entries that are there. ``push.ready`` is
    not low in reset: this is no edge of a design.
    """

    def __init__(self, layout: data.StructLayout, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"depth must be positive; got {depth}")
        self.layout, self.depth = layout, depth
        super().__init__({"push": In(stream.Signature(layout)),
                          "pop": Out(stream.Signature(layout)),
                          "level": Out(depth.bit_length())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        entries: list[Any] = [signals(self.layout, f"entry_{i}", reset_less=True)
                              for i in range(self.depth)]
        pushes = Signal()
        pops = Signal()
        oldest = Signal(range(self.depth))
        m.d.comb += [self.push.ready.eq(self.level != self.depth),
                     self.pop.valid.eq(self.level != 0),
                     pushes.eq(self.push.valid & self.push.ready),
                     pops.eq(self.pop.valid & self.pop.ready), oldest.eq(self.level - 1)]
        with m.If(pushes):
            for entry, value in zip(entries, [self.push.payload, *entries], strict=False):
                m.d.sync += entry.eq(value)
        for name, _ in self.layout:
            places = Array([entry[name] for entry in entries])
            m.d.comb += self.pop.payload[name].eq(places[oldest])
        with m.If(pushes & ~pops):
            m.d.sync += self.level.eq(self.level + 1)
        with m.Elif(pops & ~pushes):
            m.d.sync += self.level.eq(self.level - 1)
        return m
