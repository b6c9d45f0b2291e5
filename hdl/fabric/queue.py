"""A queue in a memory: words wait there in order, the next one in a register behind it."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .buffers import named_ports

__all__ = ["MemoryQueue"]


class MemoryQueue(wiring.Component):
    """``depth`` words (any number, 2 or more) in a memory with a write port and a registered read
    port, and one more in the register of the read port.

    ``write`` stores ``write_data`` if ``ready``, which is low in reset and comes from a register.
    ``valid``: ``read_data`` is the oldest word; ``take`` moves on. Latency: two cycles from a write
    to the word in the register; with words in the memory, a word each cycle.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.parameters = (width, depth)
        super().__init__({"write": In(1), "ready": Out(1), "write_data": In(width),
                          "valid": Out(1), "take": In(1), "read_data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, depth = self.parameters
        m.submodules.memory = words = memory.Memory(shape=width, depth=depth, init=[])
        write, read = named_ports(words, "memory")
        write_address = Signal(range(depth))
        read_address = Signal(range(depth))
        # words in the memory, without that in the register
        waiting = Signal(range(depth + 1))
        following = Signal(range(depth + 1))
        is_open = Signal(name="open")
        held = Signal()
        store = Signal()
        load = Signal()
        m.d.comb += [
            store.eq(self.write & is_open), load.eq((waiting != 0) & (~held | self.take)),
            following.eq(waiting + store - load),
            self.ready.eq(is_open), self.valid.eq(held), self.read_data.eq(read.data),
            write.en.eq(store), write.addr.eq(write_address), write.data.eq(self.write_data),
            read.en.eq(load), read.addr.eq(read_address)]
        m.d.sync += [waiting.eq(following), is_open.eq(following != depth),
                     held.eq(load | (held & ~self.take))]
        for enable, address in ((store, write_address), (load, read_address)):
            with m.If(enable):
                m.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
        return m
