"""A bank of a buffer: a memory with a write port and a registered read port."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .buffers import named_ports

__all__ = ["Bank"]


class Bank(wiring.Component):
    """``depth`` words of ``width`` bits.

    Ports: ``write``, ``write_address``, ``write_data``; ``read``, ``read_address``: the word is at
    ``read_data`` from the next cycle on, until the next read. A word that is written and read in
    the same cycle is undefined.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.parameters = (width, depth)
        bits = (depth - 1).bit_length()
        super().__init__({"write": In(1), "write_address": In(bits), "write_data": In(width),
                          "read": In(1), "read_address": In(bits), "read_data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, depth = self.parameters
        m.submodules.memory = words = memory.Memory(shape=width, depth=depth, init=[])
        write, read = named_ports(words, "memory")
        m.d.comb += [write.en.eq(self.write), write.addr.eq(self.write_address),
                     write.data.eq(self.write_data), read.en.eq(self.read),
                     read.addr.eq(self.read_address), self.read_data.eq(read.data)]
        return m
