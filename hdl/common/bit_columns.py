"""Sums of bits by their places: full and half adders in stages, down to two bits a place.

Rows of any lengths and places, single bits and what an accumulator holds are added up in one tree,
and no carry travels in it: the sum of the places is the sum of the bits, modulo a power of two.
What is left goes to carry chains, or as it is into a carry-save accumulator.

Source: L. Dadda, "Some schemes for parallel multipliers" (Alta Frequenza, 1965): each stage adds as
few bits as the next one needs.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

__all__ = ["BitColumns"]


class BitColumns:
    """Bits at places 0 .. ``width`` - 1; their sum is taken modulo 2**width.

    ``bits[i]``: those of place i. The adders are signals of ``m`` whose names begin with ``name``.
    """

    def __init__(self, m: Module, width: int, name: str = "tree") -> None:
        self.m, self.width, self.name = m, width, name
        self.bits: list[list[Value]] = [[] for _ in range(width)]
        self._stage = 0

    def add(self, low: int, word: Value) -> None:
        """Add ``word``, unsigned, its lowest bit at place ``low``."""
        for i in range(min(len(word), self.width - low)):
            self.bits[low + i].append(word[i])

    def reduce(self, *, first: int = 2) -> None:
        """Add bits up until no place has more than two, and place 0 not more than ``first``."""
        heights = [2]
        while heights[-1] < max(len(bits) for bits in self.bits):
            heights.append(heights[-1] * 3 // 2)
        for height in reversed(heights[:-1] or [2]):
            self._reduce(height, first if height == 2 else height)

    def _reduce(self, height: int, first: int) -> None:
        """One stage: at most ``height`` bits a place, ``first`` at place 0."""
        made: list[list[Value]] = [[] for _ in range(self.width + 1)]
        left: list[list[Value]] = []
        for place, bits in enumerate(self.bits):
            rest, most = list(bits), first if place == 0 else height
            while len(rest) + len(made[place]) > most and len(rest) > 1:
                over = len(rest) + len(made[place]) - most
                taken = 3 if over > 1 and len(rest) > 2 else 2
                total, carry = self._adder(rest[:taken], f"{place}_{len(made[place])}")
                rest = rest[taken:]
                made[place].append(total)
                made[place + 1].append(carry)
            left.append(rest)
        self.bits = [rest + new for rest, new in zip(left, made, strict=False)]
        self._stage += 1

    def _adder(self, bits: list[Value], where: str) -> tuple[Signal, Signal]:
        """A full or half adder of two or three bits: sum and carry."""
        at = f"{self.name}_{self._stage}_{where}"
        total = Signal(name=f"{at}_sum")
        carry = Signal(name=f"{at}_carry")
        if len(bits) == 2:
            self.m.d.comb += [total.eq(bits[0] ^ bits[1]), carry.eq(bits[0] & bits[1])]
            return total, carry
        differ = Signal(name=f"{at}_differ")
        self.m.d.comb += [differ.eq(bits[0] ^ bits[1]), total.eq(differ ^ bits[2]),
                          carry.eq((bits[0] & bits[1]) | (differ & bits[2]))]
        return total, carry
