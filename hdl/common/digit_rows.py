"""Products of a weight and an activation as rows to be summed, one for each digit of the weight.

A digit is 0 or a power of two with a sign (:mod:`lowbit.golden.digits`), so its product is the
activation, shifted and inverted, and a carry: no multiplier. What a weight selects depends on the
weight alone, so :class:`DigitDecoder` serves all rows of activations; :func:`digit_row` is what is
left for each of them.

Source: Booth's multiplication in radix 4, with digits that do not overlap, as the field calls
recoding outside of the processing element.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.digits import Digit, DigitFormat

__all__ = ["DigitDecoder", "digit_row", "digit_row_bits"]


class DigitDecoder(wiring.Component):
    """Port code of a weight to read lines and signs of its digits (combinational).

    ``lines``: digit by digit, one for each of its ``shifts``, the lowest first; none is set where
    the digit is 0, or without ``active``. ``negative``: one for each digit; where the digit is 0 it
    may be set too (a row of zeros inverted, and its carry, are 0).
    """

    def __init__(self, form: DigitFormat) -> None:
        self.parameters = form
        super().__init__({"code": In(form.port_bits), "active": In(1),
                          "lines": Out(sum(len(digit.shifts) for digit in form.digits)),
                          "negative": Out(len(form.digits))})

    def elaborate(self, platform: object) -> Module:
        m, form = Module(), self.parameters
        lines: list[Value] = []
        for digit in form.digits:
            field = self.code[digit.low:digit.low + digit.bits]
            lines += [field.matches(*digit.where(shift)) & self.active for shift in digit.shifts]
        m.d.comb += [self.lines.eq(Cat(lines)),
                     self.negative.eq(Cat(self.code[digit.sign] & self.active
                                          for digit in form.digits))]
        return m


def digit_row_bits(digit: Digit, bits: int) -> int:
    """Bits of the row of ``digit`` for activations of ``bits`` bits."""
    return bits + digit.shifts[-1] - digit.shifts[0]


def digit_row(m: Module, digit: Digit, lines: Sequence[Value], negative: Value, activation: Value,
              name: str) -> Signal:
    """The row of one digit: with ``negative`` added, activation times digit in units of the
    digit's least power of two; two's complement of :func:`digit_row_bits` bits.

    ``activation`` is two's complement (its least value too); ``lines`` and ``negative`` are those
    of the digit in :class:`DigitDecoder`. Combinational, added to ``m``.
    """
    width = digit_row_bits(digit, len(activation))
    row = Signal(width, name=name)
    choices = []
    for line, shift in zip(lines, digit.shifts, strict=True):
        low = shift - digit.shifts[0]
        sign = activation[-1].replicate(width - low - len(activation))
        choices.append(Cat(Const(0, low), activation, sign) & line.replicate(width))
    m.d.comb += row.eq(reduce(or_, choices) ^ negative.replicate(width))
    return row
