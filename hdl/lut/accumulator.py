"""The integer accumulator of one output: short carry chains, carries between them registered.

A long carry chain is either slow (ripple) or large (prefix). Here the word is cut into segments;
each adds in one cycle and leaves its carry in a flip-flop for the next segment to add a cycle
later. The value is ``acc + sum(carry_j << position_j)`` at all times; whoever reads it
(:mod:`lowbit.hdl.lut.lane`) does that one sum, shared by many outputs.
"""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Module, Signal, Value

from lowbit.golden.lut.parameters import LutCoreParameters

from ..common.adders import Adders

__all__ = ["SegmentedAccumulator", "segment_starts"]


def segment_starts(p: LutCoreParameters) -> list[int]:
    """Lowest bit of each carry chain of the accumulator."""
    return list(range(0, p.word_bits, p.segment_bits))


class SegmentedAccumulator:
    """``acc + carries`` of one output, as signals of the module ``m`` it is added to.

    Each cycle adds ``addend`` (a signed one is extended to the top) and ``carry_in`` to what
    ``old`` makes of the word (with its pending carries on top): itself, zero, or a neighbour's.
    :attr:`value` is the word.
    """

    def __init__(self, m: Module, p: LutCoreParameters, addend: Value, carry_in: Value,
                 old: Callable[[Signal], Value]) -> None:
        starts = segment_starts(p)
        value = Signal(p.word_bits + len(starts) - 1, name="acc", reset_less=True)
        before = Signal.like(value, name="before")
        m.d.comb += before.eq(old(value))
        carry, adders = carry_in, Adders(p.adder)
        if addend.shape().signed:
            sign = addend[-1].replicate(max(p.word_bits - len(addend), 0))
            addend = Cat(addend, sign)
        for j, low in enumerate(starts):
            high = min(low + p.segment_bits, p.word_bits)
            segment = before[low:high]
            if j:
                carry = before[p.word_bits + j - 1]
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
            if high < p.word_bits:
                m.d.sync += value[p.word_bits + j].eq(carry)
        self.value = value

    @staticmethod
    def resolve(p: LutCoreParameters, value: Value) -> Value:
        """The plain integer that ``value`` stands for (modulo 2**word_bits)."""
        acc, carries = value[:p.word_bits], value[p.word_bits:]
        starts = segment_starts(p)
        spread = [carries[starts.index(i) - 1] if i in starts[1:] else Const(0, 1)
                  for i in range(p.word_bits)]
        return (acc + Cat(spread))[:p.word_bits]
