"""The integer accumulator of one output: short carry chains, carries between them registered.

A long carry chain is either slow (ripple) or large (prefix). Here the word is cut into segments;
each adds in one cycle and leaves its carry in a flip-flop for the next segment to add a cycle
later. The value is ``acc + sum(carry_j << position_j)`` at all times; whoever reads it
(:mod:`lowbit.hdl.lut.lane`) does that one sum, shared by many outputs.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value

from lowbit.golden.lut.parameters import LutCoreParameters

from ..common.adders import increment, ripple_add

__all__ = ["SegmentedAccumulator", "segment_starts"]


def segment_starts(p: LutCoreParameters) -> list[int]:
    """Lowest bit of each carry chain of the accumulator."""
    return list(range(0, p.acc_bits, p.segment_bits))


class SegmentedAccumulator:
    """``acc + carries`` of one output, as signals of the module ``m`` it is added to.

    Each cycle adds ``addend`` (unsigned) and ``carry_in``; ``first`` starts from zero instead of
    the old value. :attr:`value` is the word with the pending carries above it.
    """

    def __init__(self, m: Module, p: LutCoreParameters, addend: Value, carry_in: Value,
                 first: Value) -> None:
        acc = Signal(p.acc_bits, name="acc", reset_less=True)
        starts = segment_starts(p)
        carries = Signal(len(starts) - 1, name="carries", reset_less=True)
        keep = Signal(name="keep")
        m.d.comb += keep.eq(~first)
        carry = carry_in
        for j, low in enumerate(starts):
            high = min(low + p.segment_bits, p.acc_bits)
            old = acc[low:high] & keep.replicate(high - low)
            if j:
                carry = carries[j - 1] & keep
            # the addend covers the low part of the segment; above it only the carry travels
            cut = max(min(len(addend), high), low) - low
            parts = []
            if cut:
                part, carry = ripple_add(m, old[:cut], addend[low:low + cut], carry,
                                         name=f"add_{low}")
                parts.append(part)
            if cut < high - low:
                part, carry = increment(m, old[cut:], carry, name=f"count_{low + cut}")
                parts.append(part)
            m.d.sync += acc[low:high].eq(Cat(parts))
            if high < p.acc_bits:
                m.d.sync += carries[j].eq(carry)
        self.value = Cat(acc, carries)

    @staticmethod
    def resolve(p: LutCoreParameters, value: Value) -> Value:
        """The plain integer that ``value`` stands for (modulo 2**acc_bits)."""
        acc, carries = value[:p.acc_bits], value[p.acc_bits:]
        starts = segment_starts(p)
        spread = [carries[starts.index(i) - 1] if i in starts[1:] else Const(0, 1)
                  for i in range(p.acc_bits)]
        return (acc + Cat(spread))[:p.acc_bits]
