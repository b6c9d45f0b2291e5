"""Banked operand buffers of a systolic array: a bank for each row or column of it.

A buffer is written whole, one beat of its stream in all banks; banks are read one cycle after
one another, as the rows or columns behind them work. A place is free again when the last bank
has read it.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .skew import skewed

__all__ = ["ANY_AT_COLLISION", "BufferControl", "OperandBank", "address_bits", "named_ports"]


#: Attribute of a memory of which nobody needs what it reads from a word that is written in the same
#: cycle. The Verilog says the old word; block memories do not, and Yosys would put a register and a
#: multiplexer for each bit around them.
ANY_AT_COLLISION = {"no_rw_check": 1}


def address_bits(depth: int) -> int:
    """Address bits of a bank of ``depth`` (a power of two) words."""
    return depth.bit_length() - 1


def named_ports(words: memory.Memory, name: str, domain: str = "sync") -> tuple[Any, Any]:
    """A write port and a read port; Amaranth gives their signals no names that the Verilog could
    keep."""
    write, read = words.write_port(), words.read_port(domain=domain)
    for way, port in (("write", write), ("read", read)):
        for member in port.signature.members:
            Value.cast(getattr(port, member)).name = f"{name}_{way}_{member}"
    return write, read


class OperandBank(wiring.Component):
    """A memory of ``depth`` words with a write port and a registered read port. What is read of a
    word in the cycle in which it is written is undefined."""

    def __init__(self, width: int, depth: int) -> None:
        self.parameters = (width, depth)
        bits = address_bits(depth)
        super().__init__({"write": In(1), "write_address": In(bits), "write_data": In(width),
                          "read_address": In(bits), "read_data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, depth = self.parameters
        m.submodules.memory = words = memory.Memory(shape=width, depth=depth, init=[],
                                                    attrs=ANY_AT_COLLISION)
        write, read = named_ports(words, "memory")
        m.d.comb += [write.en.eq(self.write), write.addr.eq(self.write_address),
                     write.data.eq(self.write_data), read.en.eq(1),
                     read.addr.eq(self.read_address), self.read_data.eq(read.data)]
        return m


class BufferControl(wiring.Component):
    """Addresses and fill of a buffer of ``banks`` banks.

    ``write`` stores a word if ``ready``, which is low in reset. ``valid``: the word at
    ``read_address`` is there; ``take`` moves on. Taken words are freed, unless ``keep`` is set;
    ``rewind`` returns to the first word that is not free (with a ``take``, instead of moving on).
    """

    def __init__(self, depth: int, banks: int) -> None:
        self.parameters = (depth, banks)
        bits = address_bits(depth)
        super().__init__({"write": In(1), "ready": Out(1), "write_address": Out(bits),
                          "valid": Out(1), "read_address": Out(bits), "take": In(1),
                          "keep": In(1), "rewind": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth, banks = self.parameters
        bits = address_bits(depth)
        # one bit more than the address: a full buffer is not an empty one
        written, taken, freed = (Signal(bits + 1, name=name)
                                 for name in ("written", "taken", "freed"))
        following = Signal(bits + 1)
        oldest = skewed(m, freed, banks, "freed", reset=True)[-1]
        is_open = Signal(name="open")
        m.d.sync += is_open.eq(1)
        m.d.comb += [
            following.eq(taken + 1),
            self.ready.eq(is_open & ~(written - oldest)[bits]),
            self.valid.eq(written != taken), self.write_address.eq(written[:bits]),
            self.read_address.eq(taken[:bits])]
        with m.If(self.write & self.ready):
            m.d.sync += written.eq(written + 1)
        with m.If(self.take):
            m.d.sync += taken.eq(Mux(self.rewind, freed, following))
            with m.If(~self.keep):
                m.d.sync += freed.eq(following)
        return m
