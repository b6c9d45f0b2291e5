"""Weight formats as digits: a weight is a sum of a few powers of two with signs.

Every design of the project computes one sum, y = sum over g of s_g * sum over k of w_k * a_k, and a
weight format is a row of the table here: how a weight is written as *digits*, each 0 or a power of
two with a sign, so that w * a is a sum of shifted activations. Integers take radix-4 digits, a trit
is one digit, FP4 and its relatives are two, a power of two is one.

The same port code of FP4 and its relatives can be read as one digit (:attr:`DigitFormat.single`),
a power of two times one of a few odd *multiples*. Where many weights meet the same activation a, 3a
is made once for all of them, and each saves an adder.

A digit is told by a field of some bits of the weight's *port code*, which the packer makes and the
hardware reads (:mod:`lowbit.hdl.common.digit_rows`). The port code of an integer of b bits has
b + 1: digits -2..1 of two bits each, as two's complement, and a digit -2..2 of three bits on top. A
digit then depends on its own bits alone (Booth's digits overlap), and no hardware recodes.

Values are integers in units of 2**``unit``: halves where a format has them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import wrap_signed
from .offset_form import offset
from .olive import OUTLIERS

__all__ = ["FLINT4_HALVES", "FORMATS", "FP3_ONES", "FP4_HALVES", "Digit", "DigitFormat"]

Array = NDArray[Any]

#: magnitudes of FP4 (E2M1) in halves and of FP3 in ones, by the low bits of a sign-magnitude code
FP4_HALVES = (0, 1, 2, 3, 4, 6, 8, 12)
FP3_ONES = (0, 1, 2, 4)
#: those of ANT's flint4, halved so that 8 is the largest (HPCA'22 paper of that name)
FLINT4_HALVES = (0, 1, 2, 3, 4, 6, 8, 16)


@dataclass(frozen=True)
class Digit:
    """One digit: 0, or plus or minus an odd multiple of a power of two, mostly 1; by the ``bits``
    of the port code from ``low``.

    ``values`` has 2**bits integers, of all values of the field: those too that no weight needs.
    """

    low: int
    bits: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.values) != 1 << self.bits:
            raise ValueError(f"a digit of {self.bits} bits takes {1 << self.bits} values; got "
                             f"{self.values}")

    @cached_property
    def choices(self) -> tuple[tuple[int, int], ...]:
        """What the digit can be, without sign: (shift, odd multiple), ascending."""
        return tuple(sorted(_split(abs(v)) for v in {abs(v) for v in self.values if v}))

    @property
    def low_shift(self) -> int:
        """Place of the digit's unit: all that it can be are multiples of 2**low_shift."""
        return self.choices[0][0]

    def row_bits(self, bits: int) -> int:
        """Bits of the product of the digit and an activation of ``bits``, in the digit's unit: of
        the multiple and of its opposite less 1."""
        return bits + ((max(map(abs, self.values)) >> self.low_shift) - 1).bit_length()

    def where(self, choice: tuple[int, int]) -> list[int]:
        """Values of the field for which the digit is plus or minus a ``choice``."""
        shift, multiple = choice
        return [code for code, v in enumerate(self.values) if abs(v) == multiple << shift]

    @cached_property
    def sign(self) -> int:
        """The bit of the port code that is set exactly where a digit other than 0 is negative."""
        return next(self.low + i for i in range(self.bits) if self.tells_sign(i))

    def tells_sign(self, bit: int) -> bool:
        """Is this bit of the field set exactly where the digit is negative, or 0?"""
        return all(code >> bit & 1 == (v < 0) for code, v in enumerate(self.values) if v)


def _split(magnitude: int) -> tuple[int, int]:
    """The power of two in an integer, and what is left."""
    shift = (magnitude & -magnitude).bit_length() - 1
    return shift, magnitude >> shift


@dataclass(frozen=True)
class DigitFormat:
    """A weight format: ``digits`` of a port code of ``port_bits``; the sum of its digits is its
    value, in units of 2**``unit``, which is that of one digit."""

    name: str
    port_bits: int
    digits: tuple[Digit, ...]
    unit: int
    #: port codes that a packer makes
    codes: tuple[int, ...]

    @cached_property
    def values(self) -> Array:
        """Value of every port code, int64 (2**port_bits,)."""
        return self.terms(np.arange(1 << self.port_bits)).sum(-1)

    @property
    def largest(self) -> int:
        """Largest magnitude of a weight."""
        return int(np.abs(self.values[list(self.codes)]).max())

    @property
    def lines(self) -> int:
        """Lines that say what the digits of a weight are, but for signs."""
        return sum(len(digit.choices) for digit in self.digits)

    @property
    def multiples(self) -> tuple[int, ...]:
        """Odd multiples of an activation that the digits select from, ascending."""
        return tuple(sorted({multiple for digit in self.digits for _, multiple in digit.choices}))

    @property
    def single(self) -> DigitFormat:
        """The same port codes as one digit each, where a bit of them is the weight's sign (codes
        in sign and magnitude); else the format itself."""
        values = tuple(int(value) for value in self.values)
        whole = Digit(0, self.port_bits, values)
        signed = any(whole.tells_sign(bit) for bit in range(self.port_bits))
        return replace(self, digits=(whole,)) if signed else self

    def offset(self, bits: int) -> int:
        """By how much the product with an activation of ``bits`` is too large as a sum of rows in
        offset form (:mod:`.offset_form`)."""
        return sum(offset(1, digit.row_bits(bits)) << digit.low_shift for digit in self.digits)

    def terms(self, codes: Array) -> Array:
        """Digits of port codes: int64 (..., digits)."""
        codes = np.asarray(codes, np.int64)
        return np.stack([np.array(d.values, np.int64)[codes >> d.low & (1 << d.bits) - 1]
                         for d in self.digits], axis=-1)

    def pack(self, values: Array) -> Array:
        """Port codes of integers ``values``; ValueError names one that the format does not have."""
        values = np.asarray(values, np.int64)
        known = {int(self.values[code]): code for code in reversed(self.codes)}
        table = np.full(2 * self.largest + 1, -1, np.int64)
        for value, code in known.items():
            table[value + self.largest] = code
        inside = np.abs(values) <= self.largest
        codes = table[np.where(inside, values, 0) + self.largest]
        wrong = ~inside | (codes < 0)
        if wrong.any():
            raise ValueError(f"{self.name} has no weight {int(values[wrong].flat[0])} (in units "
                             f"of 2**{self.unit}); its values are "
                             f"{', '.join(str(v) for v in sorted(known))}")
        return np.asarray(codes)


def _integer(bits: int) -> DigitFormat:
    """Two's complement of ``bits``: radix-4 digits; each leaves its top bit to the next one."""
    digits, low = [], 0
    for position in range(0, bits, 2):
        top, first = position + 2 >= bits, position == 0
        # the top digit of an odd number of bits is -1..1, of an even one -2..2 (-2..1 alone)
        width = 3 if top and bits % 2 == 0 and not first else 2
        signed = wrap_signed(np.arange(1 << width), width)
        largest = 1 if top and bits % 2 else 2
        held = np.where(np.abs(signed) <= largest, signed, 0) << position
        digits.append(Digit(low, width, tuple(int(v) for v in held)))
        low += width
    weights = np.arange(-1 << bits - 1, 1 << bits - 1)
    codes, rest = np.zeros_like(weights), weights
    for digit in digits:
        value = rest if digit is digits[-1] else wrap_signed(rest & 3, 2)
        codes |= (value & (1 << digit.bits) - 1) << digit.low
        rest = rest - value >> 2
    return DigitFormat(f"int{bits}", low, tuple(digits), 0,
                       codes=tuple(int(c) for c in codes))


def _two_terms(magnitude: int) -> tuple[int, int]:
    """The leading one and the rest; 1 is a rest, so that it needs no place in the first digit."""
    first = 1 << magnitude.bit_length() - 1 if magnitude > 1 else 0
    rest = magnitude - first
    assert rest & rest - 1 == 0, "more than two ones"
    return first, rest


def _two_term(name: str, magnitudes: tuple[int, ...], special: tuple[int, ...] = (),
              unit: int = -1) -> DigitFormat:
    """Sign-magnitude codes of two digits; ``special`` ones in a second table, which one more bit on
    top selects."""
    half = len(magnitudes)
    sign = half.bit_length() - 1
    held = magnitudes + special + (0,) * (half - len(special) if special else 0)
    port_bits = sign + (2 if special else 1)
    pairs = []
    for code in range(1 << port_bits):
        low, negative = code & half - 1, code >> sign & 1
        pair = _two_terms(held[low + (half if code >> sign + 1 else 0)])
        pairs.append(tuple(-v for v in pair) if negative else pair)
    codes = [code for code in range(1 << port_bits)
             if code >> sign + 1 == 0 or code & half - 1 < len(special)]
    digits = tuple(Digit(0, port_bits, tuple(column)) for column in zip(*pairs, strict=True))
    return DigitFormat(name, port_bits, digits, unit, codes=tuple(codes))


def _pairs() -> DigitFormat:
    """OliVe's weights one by one: the packer has decoded their pairs. Four bits say which magnitude
    it is, two are the signs of the digits, which differ for 7 = 8 - 1 alone."""
    magnitudes = (*range(8), *(int(v) for v in OUTLIERS[1:]))
    pairs = []
    for code in range(64):
        index, signs = code & 15, (code >> 5 & 1, code >> 4 & 1)
        magnitude = magnitudes[index] if index < len(magnitudes) else 0
        first, rest = (8, 1) if magnitude == 7 else _two_terms(magnitude)
        used = (signs[0] != signs[1]) == (magnitude == 7)       # other codes are 0
        pairs.append(tuple((-v if sign else v) * used
                           for v, sign in zip((first, rest), signs, strict=True)))
    codes = [code for code, pair in enumerate(pairs) if any(pair)]
    digits = tuple(Digit(0, 6, tuple(column)) for column in zip(*pairs, strict=True))
    return DigitFormat("olive4", 6, digits, 0, codes=(0, *codes))


#: {non-zero, negative}; a negative zero is no code
_TRIT = DigitFormat("ternary", 2, (Digit(0, 2, (0, 0, 1, -1)),), 0, (0, 2, 3))
#: sign and exponent: a power of two 1 .. 128
_SHIFT4 = DigitFormat("shift4", 4, (Digit(0, 4, tuple((-1 if c & 8 else 1) << (c & 7)
                                                      for c in range(16))),),
                      0, tuple(range(16)))

#: by name
FORMATS = {form.name: form for form in (
    *(_integer(bits) for bits in range(2, 9)), _TRIT,
    _two_term("e2m1", FP4_HALVES), _two_term("flint4", FLINT4_HALVES),
    # FP3 and FP4 with all four special values of BitMoD (paper Table IV): 3, 6 and 5, 8
    _two_term("bitmod3", FP3_ONES, (3, 6), unit=0), _two_term("bitmod4", FP4_HALVES, (10, 16)),
    _SHIFT4, _pairs())}
