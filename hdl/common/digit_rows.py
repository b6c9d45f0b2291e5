"""Products of a weight and an activation as rows to be summed, one for each digit of the weight.

A digit is 0, or a multiple of a power of two with a sign (:mod:`lowbit.golden.digits`), so its
product is the activation, or a small odd multiple of it that is made once for all weights, shifted
and inverted, and a carry: no multiplier. What a weight selects depends on the weight alone, so
:class:`DigitDecoder` serves all rows of activations; :func:`digit_row` is what is left for each of
them, and :func:`sum_of_products` adds those of several weights.

Source: Booth's multiplication in radix 4, with digits that do not overlap, as the field calls
recoding outside of the processing element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.digits import Digit, DigitFormat

from .adders import Adders
from .compressor import compress_places

__all__ = ["DigitDecoder", "digit_row", "multiple_bits", "multiples",
           "sum_of_products"]


class DigitDecoder(wiring.Component):
    """Port code of a weight to read lines and signs of its digits (combinational).

    ``lines``: digit by digit, one for each of its ``choices``, in their order; none is set where
    the digit is 0, or without ``active``. ``negative``: one for each digit; where the digit is 0 it
    may be set too (a row of zeros inverted, and its carry, are 0).
    """

    def __init__(self, form: DigitFormat) -> None:
        self.parameters = form
        super().__init__({"code": In(form.port_bits), "active": In(1),
                          "lines": Out(form.lines),
                          "negative": Out(len(form.digits))})

    def elaborate(self, platform: object) -> Module:
        m, form = Module(), self.parameters
        lines: list[Value] = []
        for digit in form.digits:
            field = self.code[digit.low:digit.low + digit.bits]
            lines += [field.matches(*digit.where(choice)) & self.active
                      for choice in digit.choices]
        m.d.comb += [self.lines.eq(Cat(lines)),
                     self.negative.eq(Cat(self.code[digit.sign] & self.active
                                          for digit in form.digits))]
        return m


def multiple_bits(bits: int, multiple: int) -> int:
    """Bits of a multiple of an activation of ``bits``."""
    return bits + (multiple - 1).bit_length()


def multiples(m: Module, activation: Value, wanted: Sequence[int], adders: Adders,
              name: str) -> dict[int, Value]:
    """Odd multiples of an activation, of :func:`multiple_bits`, two's complement where it is
    signed: 3 = 1 + 2, 5 = 1 + 4, 7 = 8 - 1. Combinational, added to ``m``."""
    found: dict[int, Value] = {}
    for multiple in wanted:
        width = multiple_bits(len(activation), multiple)
        if multiple == 1:
            found[1] = activation
            continue
        power = 1 << (multiple.bit_length() - 1)
        less = multiple == 2 * power - 1 and multiple > 3      # 7: one less than a power of two
        rest = multiple - power
        if not less and rest != 1:
            raise ValueError(f"a multiple must be 1, 3, 5, 7 or alike; got {multiple}")
        shifted: Value = Cat(Const(0, (power << less).bit_length() - 1), activation)
        if activation.shape().signed:
            shifted = shifted.as_signed()
        a = Signal(width, name=f"{name}_times_{power << less}")
        b = Signal(width, name=f"{name}_extended_{multiple}")
        m.d.comb += [a.eq(shifted), b.eq(activation)]
        found[multiple] = adders.add(m, a, ~b if less else b, int(less),
                                     name=f"{name}_times_{multiple}")[0]
    return found


def digit_row(m: Module, digit: Digit, lines: Sequence[Value], negative: Value,
              activations: Mapping[int, Value], name: str, active: Value | None = None, *,
              magnitudes: bool = False) -> Signal:
    """The row of one digit: with ``negative`` added, activation times digit in units of the
    digit's least power of two; two's complement of :meth:`Digit.row_bits`.

    ``activations``: the :func:`multiples` that the digit selects from, two's complement (their
    least value too); ``lines`` and ``negative`` are those of the digit in :class:`DigitDecoder`.
    With ``active`` the row comes in offset form (:mod:`.compressor`), all zeros where it is not
    set. With ``magnitudes`` the activations come without their signs, a bit shorter and never
    negative, and ``negative`` is the sign of the product: what has many choices is smaller without
    the extension of signs. Combinational, added to ``m``.
    """
    width = digit.row_bits(len(activations[1]) + magnitudes)
    body, row = Signal(width, name=f"{name}_taken"), Signal(width, name=name)
    choices = []
    for line, (shift, multiple) in zip(lines, digit.choices, strict=True):
        low, word = shift - digit.low_shift, activations[multiple]
        sign = (word[-1] & (not magnitudes)).replicate(max(width - low - len(word), 0))
        choices.append(Cat(Const(0, low), word, sign)[:width] & line.replicate(width))
    m.d.comb += body.eq(reduce(or_, choices))
    taken: Value = body if active is None else Cat(body[:-1], ~body[-1] & active)
    m.d.comb += row.eq(taken ^ negative.replicate(width))
    return row


def sum_of_products(m: Module, form: DigitFormat, lines: Sequence[Value],
                    negatives: Sequence[Value], activations: Sequence[Mapping[int, Value]],
                    active: Value, adders: Adders,
                    signs: Sequence[Value] | None = None) -> tuple[Value, Value]:
    """The sum of the products of some weights and activations, less one carry; and that carry.

    ``lines``, ``negatives``: of each weight's :class:`DigitDecoder`; ``activations``: the
    :func:`multiples` of each activation, or of its magnitude, with ``signs``. The sum is in offset
    form: unsigned, and too large by :meth:`DigitFormat.offset` for each weight. Without ``active``
    both are 0. Combinational.
    """
    rows: dict[int, list[Value]] = {digit.low_shift: [] for digit in form.digits}
    carries: dict[int, list[Value]] = {digit.low_shift: [] for digit in form.digits}
    for k, held in enumerate(activations):
        low = 0
        for i, digit in enumerate(form.digits):
            high = low + len(digit.choices)
            negative = Signal(name=f"negative_{k}_{i}")
            m.d.comb += negative.eq(negatives[k][i] if signs is None else
                                    (negatives[k][i] ^ signs[k]) & active)
            rows[digit.low_shift].append(
                digit_row(m, digit, list(lines[k][low:high]), negative, held, f"row_{k}_{i}",
                          active, magnitudes=signs is not None))
            carries[digit.low_shift].append(negative)
            low = high
    return compress_places(m, rows, carries, adders, name="digit", joined="with")
