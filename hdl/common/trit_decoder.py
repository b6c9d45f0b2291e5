"""Packed trits to trits: the decoders of :mod:`lowbit.golden.trit_codes` (combinational).

A trit leaves as two bits, {non-zero, negative}: the digit ``ternary`` of
:mod:`lowbit.golden.digits` (:data:`NONZERO` and :data:`NEGATIVE` are the places of its bits). The
second of a zero means nothing, which saves gates.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.digits import FORMATS
from lowbit.golden.trit_codes import TritCode

__all__ = ["NEGATIVE", "NONZERO", "TRIT_BITS", "TritDecoder"]

_TRIT = FORMATS["ternary"].digits[0]
TRIT_BITS, NEGATIVE = _TRIT.bits, _TRIT.sign
NONZERO = next(i for i in range(TRIT_BITS)
               if all(code >> i & 1 == (value != 0) for code, value in enumerate(_TRIT.values)))


def _trit(nonzero: Value, negative: Value) -> Value:
    """The two bits of a trit in their places."""
    bits = {NONZERO: nonzero, NEGATIVE: negative}
    return Cat(bits[i] for i in range(TRIT_BITS))


def _pair(m: Module, value: Value, eight: Value, name: str) -> list[Value]:
    """The trits of u0 + 3 u1, which is ``value`` (three bits), or 8."""
    is_8 = Signal(name=f"{name}_is_8")
    m.d.comb += is_8.eq(eight)
    b0, b1, b2 = value
    zeros = (Mux(b1, b0 & b2, b0 ^ b2), Mux(b2, ~b1, b1 & b0))      # 1, 4, 7 and 3, 4, 5
    negative = (Mux(b1, b0 | b2, ~b0), ~b2)                         # 0, 3, 6 and 0, 1, 2
    return [_trit(is_8 | ~zero, ~is_8 & minus)
            for zero, minus in zip(zeros, negative, strict=True)]


class TritDecoder(wiring.Component):
    """One word of a code: ``word`` (``code.bits``) to ``trits``, two bits each, trit 0 lowest: the
    first ``count`` of them, by default all."""

    def __init__(self, code: TritCode, count: int | None = None) -> None:
        self.code, self.count = code, count or code.trits
        super().__init__({"word": In(code.bits), "trits": Out(TRIT_BITS * self.count)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        decode = {"trits2": self._trits2, "trits5": self._trits5, "sherry": self._sherry}
        m.d.comb += self.trits.eq(Cat(decode[self.code.name](m)[:self.count]))
        return m

    def _trits2(self, m: Module) -> list[Value]:
        return [_trit(self.word[NONZERO], self.word[NEGATIVE])]

    def _trits5(self, m: Module) -> list[Value]:
        """Two pairs 0 .. 8 and a last trit 0 .. 2, all of u = w + 1."""
        low, field, top = self.word[:3], self.word[3:6], self.word[6:]
        escape = Signal()
        beyond = Signal()       # the field is 3 or more: the second pair is 8
        both = Signal()         # it is 6 or more: and so is the first
        m.d.comb += [escape.eq(top.all()), beyond.eq(field[2] | field[:2].all()),
                     both.eq(field[1:].all())]
        first = Signal(3)
        m.d.comb += first.eq(Mux(escape, low, field))
        # field - 3 for 3, 4, 5
        less = Cat(~field[0], field[2] & field[0])
        last = Signal(2)
        m.d.comb += last.eq(Mux(escape, Mux(both, low[:2], Mux(beyond, less, field[:2])), top))
        return [*_pair(m, first, escape & (both | ~beyond), "first"),
                *_pair(m, low, escape & beyond, "second"),
                _trit(~last[0], ~last[1])]

    def _sherry(self, m: Module) -> list[Value]:
        """The place of the 0, and signs relative to that of the first other one."""
        place, sign = self.word[2:4], self.word[4]
        signs = Signal(3)
        m.d.comb += signs.eq(Cat(sign, sign ^ self.word[0], sign ^ self.word[1]))
        # where a trit is the 0 itself its sign means nothing: so the top bit of the place is enough
        negative = [signs[0], Mux(place[1], signs[1], signs[0]),
                    Mux(place[1], signs[2], signs[1]), signs[2]]
        return [_trit(place != i, negative[i]) for i in range(4)]
