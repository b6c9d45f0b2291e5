"""The integer accumulator of one output: short carry chains, carries between them registered.

A long carry chain is either slow (ripple) or large (prefix). Here the word is cut into segments;
each adds in one cycle and leaves its carry in a flip-flop for the next segment to add a cycle
later. The value is ``acc + sum(carry_j << position_j)`` at all times; whoever reads it does that
one sum, shared by many outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Signal, Value

from .adders import Adders

__all__ = ["SegmentedAccumulator", "Segments"]


@dataclass(frozen=True)
class Segments:
    """A word of ``word_bits`` in carry chains of ``segment_bits``: of 1, a carry-save word.

    A value is the word, and above it the carries that the chains but the first have yet to add.
    """

    word_bits: int
    segment_bits: int

    @property
    def starts(self) -> list[int]:
        """Lowest bit of each carry chain."""
        return list(range(0, self.word_bits, self.segment_bits))

    @property
    def value_bits(self) -> int:
        """Bits of a value: the word and its pending carries."""
        return self.word_bits + len(self.starts) - 1

    def carries(self, value: Value) -> Value:
        """The pending carries as a word: each where its chain starts."""
        starts, pending = self.starts, value[self.word_bits:]
        return Cat(pending[starts.index(i) - 1] if i in starts[1:] else Const(0, 1)
                   for i in range(self.word_bits))

    def resolve(self, value: Value) -> Value:
        """The plain integer that ``value`` stands for (modulo 2**word_bits)."""
        return (value[:self.word_bits] + self.carries(value))[:self.word_bits]


class SegmentedAccumulator:
    """``acc + carries`` of one output, as signals of the module ``m`` it is added to.

    Each cycle adds ``addend`` (a signed one is extended to the top) and ``carry_in`` to what
    ``old`` makes of the word (with its pending carries on top): itself, zero, or a neighbour's.
    :attr:`value` is the word.
    """

    def __init__(self, m: Module, segments: Segments, adders: Adders, addend: Value,
                 carry_in: Value, old: Callable[[Signal], Value]) -> None:
        width, starts = segments.word_bits, segments.starts
        value = Signal(segments.value_bits, name="acc", reset_less=True)
        before = Signal.like(value, name="before")
        m.d.comb += before.eq(old(value))
        carry = carry_in
        if addend.shape().signed:
            sign = addend[-1].replicate(max(width - len(addend), 0))
            addend = Cat(addend, sign)
        for j, low in enumerate(starts):
            high = min(low + segments.segment_bits, width)
            segment = before[low:high]
            if j:
                carry = before[width + j - 1]
            # the addend covers the low part of the segment; above it only the carry travels
            cut = max(min(len(addend), high), low) - low
            parts: list[Value] = []
            if adders.form == "operator":
                # one chain; its first operand reaches it without a LUT where it is registered
                wide = Cat(addend[low:low + cut], Const(0, high - low - cut))
                part, carry = adders.add(m, wide, segment, carry, name=f"add_{low}")
                parts.append(part)
            elif cut:
                part, carry = adders.add(m, segment[:cut], addend[low:low + cut], carry,
                                         name=f"add_{low}")
                parts.append(part)
            if adders.form == "ripple" and cut < high - low:
                part, carry = adders.increment(m, segment[cut:], carry,
                                               name=f"count_{low + cut}")
                parts.append(part)
            m.d.sync += value[low:high].eq(Cat(parts))
            if high < width:
                m.d.sync += value[width + j].eq(carry)
        self.value = value
