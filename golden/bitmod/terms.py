"""Bit-serial terms: value = sum of (-1)**sign * 2**exp * man * 2**bsig (paper section IV-A).

Integers are cut into radix-4 Booth digits, least significant first (bsig 0, 2, 4, 6). FP3 and
FP4 values are sign-magnitude fixed point with 4 integer bits and 1 fraction bit and take two
terms: the leading one, then the leading one of what is left. Term 0 covers 2**0 .. 2**3 (bsig 0)
and term 1 covers 2**-1 .. 2**2 (bsig -1), so 0.5 is term 1 alone. 3.5, 7 and 7.5 have three ones
and are written as a power of two minus another, as the paper does for 7. (Two detectors that look
at {I3..I0} and {I2..F0} independently would count a single one twice: the paper's sentence is
meant as leading one, clear it, next.) OliVe's pairs take two terms as well, with exponents up to 6:
a normal weight is two Booth digits, an outlier (2 + m) * 2**(e + 2) two powers. Contract:
docs/numerics.md, section 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.olive import VICTIM

from .datatypes import DataType, check_special_values

__all__ = ["Terms", "booth_terms", "fixed_point_terms", "pair_terms", "terms_of"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Terms:
    """Term tables; ``sign``, ``exp``, ``man`` are int8 (..., terms), ``bsig`` is int8 (terms,)."""

    sign: Array
    exp: Array
    man: Array
    bsig: Array

    def __getitem__(self, index: Any) -> Terms:
        """The terms of ``index`` (over all axes but the last)."""
        return Terms(self.sign[index], self.exp[index], self.man[index], self.bsig)

    @property
    def has_halves(self) -> bool:
        """Whether the type has multiples of one half: FP3 and FP4."""
        return bool((self.bsig < 0).any())

    def values2x(self) -> Array:
        """The values that the terms add up to, in halves, int64."""
        weight = self.man.astype(np.int64) << (self.exp + self.bsig + 1)
        return np.where(self.sign == 1, -weight, weight).sum(-1)


def booth_terms(values: Array, bits: int) -> Terms:
    """Radix-4 Booth digits (-2 .. 2) of two's-complement ``bits``-bit integers."""
    values = np.asarray(values, np.int64)
    position = 2 * np.arange((bits + 1) // 2)
    # bits 2i+1, 2i, 2i-1 of the sign-extended value, with a zero below bit 0
    triple = (values[..., None] << 1) >> position & 7
    digit = (triple >> 1 & 1) + (triple & 1) - 2 * (triple >> 2)
    return Terms((digit < 0).astype(np.int8), (abs(digit) == 2).astype(np.int8),
                 (digit != 0).astype(np.int8), position.astype(np.int8))


def fixed_point_terms(values2x: Array) -> Terms:
    """Two signed terms of values given in halves, each within -15.5 .. 15.5.

    :class:`~lowbit.golden.parameters.ParameterError` for a magnitude that needs three.
    """
    values2x = np.asarray(values2x, np.int64)
    flat = [_two_terms(abs(int(v))) for v in values2x.ravel()]
    table = np.array(flat, np.int8).reshape(*values2x.shape, 2, 3)
    sign = table[..., 0] ^ (values2x < 0)[..., None]
    return Terms((sign & table[..., 2]).astype(np.int8), table[..., 1], table[..., 2],
                 np.array([0, -1], np.int8))


def pair_terms(codes: Array) -> Terms:
    """Two terms of each of OliVe's codes (..., k), k even; a victim has none.

    A normal weight has its low Booth digit first. The powers of an outlier's terms are one apart,
    and so are the two bsig: both terms have the same exp.
    """
    codes = np.asarray(codes, np.int64)
    other = codes.reshape(*codes.shape[:-1], -1, 2)[..., ::-1].reshape(codes.shape)
    digits = booth_terms(codes - ((codes & 8) << 1), 4)
    exp = digits.exp + np.array([0, 3])             # the high digit: 4 = 2**(3 + bsig), or 8
    negative, fine = codes >> 3, codes & 1
    outlier = (other == VICTIM)[..., None]
    sign = np.where(outlier, negative[..., None], digits.sign)
    exp = np.where(outlier, ((codes >> 1 & 3) + 3)[..., None], exp)
    man = np.where(outlier, np.stack([np.ones_like(fine), fine], -1), digits.man)
    man = np.where((codes == VICTIM)[..., None], 0, man)
    return Terms((sign * man).astype(np.int8), (exp * man).astype(np.int8), man.astype(np.int8),
                 np.array([0, -1], np.int8))


def _two_terms(magnitude2x: int) -> list[tuple[int, int, int]]:
    """(sign, exp, man) of term 0 and term 1 of a magnitude in halves."""
    check_special_values((magnitude2x / 2,))
    none = (0, 0, 0)
    if magnitude2x == 0:
        return [none, none]
    if magnitude2x.bit_count() > 2:
        # a run of ones (3.5, 7, 7.5): the power above it minus its lowest one
        top, low = magnitude2x.bit_length(), (magnitude2x & -magnitude2x).bit_length() - 1
        return [(0, top - 1, 1), (1, low, 1)]
    top = magnitude2x.bit_length() - 1
    rest = magnitude2x - (1 << top)
    if top == 0:
        return [none, (0, 0, 1)]
    return [(0, top - 1, 1), (0, rest.bit_length() - 1, 1) if rest else none]


def terms_of(dtype: DataType, special_value: float = 0.0) -> Terms:
    """Term table of every code of a data type: arrays (2**bits, terms).

    :class:`~lowbit.golden.parameters.ParameterError` for an asymmetric type, whose weights run in
    another one; ValueError for pairs, which :func:`pair_terms` has.
    """
    dtype.check_runs()
    values2x = dtype.values2x(special_value)
    if dtype.kind == "int":
        return booth_terms(values2x // 2, dtype.bits)
    return fixed_point_terms(values2x)
