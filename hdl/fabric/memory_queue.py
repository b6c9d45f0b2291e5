"""A queue of wide words in a memory."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..common.shared import Shared
from .bank import Bank

__all__ = ["MemoryQueue"]


class MemoryQueue(wiring.Component):
    """``depth`` words (any number, 2 or more) of ``width`` bits in a memory, and one more in the
    register of its read port.

    Ports: streams ``push`` and ``pop`` (payload: the word); ``level``, the words in the memory.
    ``black_box`` as of :class:`~.bank.Bank`. ``push.ready`` is low in reset; it and ``pop.valid``
    come from registers. Latency: two cycles to the word in the register; with words in the memory,
    a word each cycle.
    """

    def __init__(self, width: int, depth: int, black_box: bool = False) -> None:
        self.width, self.depth, self.black_box = width, depth, black_box
        self.parameters = (width, depth, black_box)
        super().__init__({"push": In(stream.Signature(width)), "pop": Out(stream.Signature(width)),
                          "level": Out(depth.bit_length())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bank = bank = Shared(
            Bank(self.width, self.depth, self.black_box), f"ram_{self.depth}x{self.width}")
        stores = Signal()
        loads = Signal()
        held = Signal()
        is_open = Signal(name="open")
        following = Signal(len(self.level))
        write_at = Signal(range(self.depth))
        read_at = Signal(range(self.depth))
        m.d.comb += [
            self.push.ready.eq(is_open), self.pop.valid.eq(held),
            stores.eq(self.push.valid & is_open),
            loads.eq((self.level != 0) & (~held | self.pop.ready)),
            following.eq(self.level + stores - loads),
            bank.write.eq(stores), bank.write_address.eq(write_at),
            bank.write_data.eq(self.push.payload), bank.read.eq(loads),
            bank.read_address.eq(read_at), self.pop.payload.eq(bank.read_data)]
        m.d.sync += [self.level.eq(following), is_open.eq(following != self.depth),
                     held.eq(loads | (held & ~self.pop.ready))]
        for moves, at in ((stores, write_at), (loads, read_at)):
            with m.If(moves):
                m.d.sync += at.eq(Mux(at == self.depth - 1, 0, at + 1))
        return m
