"""The largest of some unsigned numbers, without comparators: bit by bit from the top."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["largest"]


def largest(m: Module, numbers: Sequence[Value], name: str) -> Signal:
    """The largest of ``numbers``, all of one width, as the signal ``name``. Combinational.

    A bit of it is set if any number that is still in the race has it; then those without it are
    out. Some gates a bit of each number, and half the area of a tree of comparators and choices.
    """
    bits, count = len(numbers[0]), len(numbers)
    result = Signal(bits, name=name)
    racing: Value | None = None
    for bit in reversed(range(bits)):
        having = Signal(count, name=f"{name}_having_{bit}")
        column = Cat(number[bit] for number in numbers)
        m.d.comb += [having.eq(column if racing is None else column & racing),
                     result[bit].eq(having.any())]
        if bit:
            following = Signal(count, name=f"{name}_racing_{bit - 1}")
            stays = having | (~result[bit]).replicate(count)
            m.d.comb += following.eq(stays if racing is None else stays & racing)
            racing = following
    return result
