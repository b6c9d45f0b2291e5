"""A queue of wide words in a memory."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..common.shared import Shared
from .bank import Bank

__all__ = ["MemoryQueue"]


class MemoryQueue(wiring.Component):
    """``depth`` words of ``width`` bits in a memory, and one more at its output.

    Ports: streams ``push`` and ``pop`` (payload: the word); ``level``, the words in the memory.
    Latency 2 cycles, a word a cycle. ``push.ready`` and ``pop.valid`` come from registers.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width, self.depth = width, depth
        self.parameters = (width, depth)
        super().__init__({"push": In(stream.Signature(width)), "pop": Out(stream.Signature(width)),
                          "level": Out((depth).bit_length())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bank = bank = Shared(
            Bank(self.width, self.depth), f"ram_{self.depth}x{self.width}")
        pushes = Signal()
        fetches = Signal()
        there = Signal()
        write_at = Signal(range(self.depth))
        read_at = Signal(range(self.depth))
        m.d.comb += [
            self.push.ready.eq(self.level != self.depth), self.pop.valid.eq(there),
            pushes.eq(self.push.valid & self.push.ready),
            fetches.eq((self.level != 0) & (~there | self.pop.ready)),
            bank.write.eq(pushes), bank.write_address.eq(write_at),
            bank.write_data.eq(self.push.payload), bank.read.eq(fetches),
            bank.read_address.eq(read_at), self.pop.payload.eq(bank.read_data)]
        m.d.sync += there.eq(fetches | (there & ~self.pop.ready))
        for moves, at in ((pushes, write_at), (fetches, read_at)):
            with m.If(moves):
                m.d.sync += at.eq(Mux(at == self.depth - 1, 0, at + 1))
        with m.If(pushes & ~fetches):
            m.d.sync += self.level.eq(self.level + 1)
        with m.Elif(fetches & ~pushes):
            m.d.sync += self.level.eq(self.level - 1)
        return m
