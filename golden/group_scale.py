"""Group scales: from the integer sums of a group to its share of a dequantised result.

A weight is r = d q + m, d and m per column and group. A core sums a q' with the odd codes
q' = 2 q - (2**b - 1) of its bit-planes, and the activations themselves; from both follows the sum
of a q, exactly, and only then anything is rounded (docs/numerics.md, section 4, "Group scales in
the core"). The hardware is :mod:`lowbit.hdl.common.group_scale`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import (
    E8M0,
    FP8_E4M3,
    FP16,
    FP32,
    UINT8,
    ExponentFormat,
    FactorFormat,
    FloatFormat,
    IntFormat,
    ProductFormat,
    ScaleFormat,
)

__all__ = ["SCALE_KINDS", "Codes", "added", "code_sum", "exact_codes", "parts",
           "scaled", "share", "wide"]

Array = NDArray[Any]

#: kinds of group scales by the name of the option. ``int8`` is an unsigned integer, 0 .. 255, of
#: which BitMoD's second level uses 0 .. 127; the channel's factor is not part of it
SCALE_KINDS: dict[str, ScaleFormat] = {
    "e8m0": E8M0, "e4m3": FP8_E4M3, "int8": UINT8, "fp16": FP16, "fp32": FP32}


class Codes(IntEnum):
    """What a weight code stands for: half its odd code, or a number q of b bits."""

    ODD = 0             #: q - (2**b - 1) / 2
    SIGNED = 1          #: two's complement: q - 2**(b - 1)
    UNSIGNED = 2        #: q

    def of_sum(self, bits: int) -> int:
        """How often the sum of the activations comes to that of a q', for twice the sum."""
        return {Codes.ODD: 0, Codes.SIGNED: -1, Codes.UNSIGNED: (1 << bits) - 1}[self]


def code_sum(sums: Array, row_sum: Array, bits: int, codes: Codes, unit: Array | int) -> Array:
    """Sums of activations times codes, rounded once to FP32: codes (rows, columns).

    ``sums`` (rows, columns) of a q' (of trits of 2 a q) and ``row_sum`` (rows,) of a, integers in
    units of 2**unit (rows,).
    """
    twice = sums + codes.of_sum(bits) * row_sum[..., None]
    exponent = np.broadcast_to(np.asarray(unit), row_sum.shape)[..., None] - 1
    return FP32.round((twice < 0).astype(np.int64), np.abs(twice), exponent)


def scaled(total: Array, scale: Array, y: Array, offset: Array | None = None,
           row_sum: Array | None = None, fmt: FactorFormat = FP32,
           offset_fmt: FloatFormat = FP32) -> Array:
    """y + (d Q + m A), each operation rounded once to FP32; all arguments and results are codes.

    ``total`` (rows, columns) Q, ``row_sum`` (rows,) A and ``y`` (rows, columns) in FP32; ``scale``
    (columns,) d in ``fmt`` (or (rows, columns), of products with the scales of rows), ``offset``
    (columns,) m in ``offset_fmt``.
    """
    term = share(total, scale, offset, row_sum, fmt, offset_fmt)
    return FP32.canonical(FP32.from_array(_sum(FP32.to_array(y), term)))


def share(total: Array, scale: Array, offset: Array | None = None, row_sum: Array | None = None,
          fmt: FactorFormat = FP32, offset_fmt: FloatFormat = FP32) -> Array:
    """d Q + m A as float32, arguments as :func:`scaled`; more axes may stand before columns."""
    by = fmt.to_float64(scale) if isinstance(fmt, ProductFormat) else wide(fmt, scale)
    term = _product(FP32.to_array(total), by)
    if offset is not None:
        assert row_sum is not None
        m = wide(offset_fmt, offset)
        # m = 0 says that there is no offset: A adds nothing even where it overflows
        a = np.where(m == 0, np.float32(0), FP32.to_array(row_sum)[..., None])
        term = _sum(term, _product(a, m))
    return term


def added(shares: Array, y: Array) -> Array:
    """Codes of y + shares[0] + shares[1] + ..., each addition rounded once: float32 (groups, ...)
    on codes ``y`` (...); as :func:`scaled` called for one group after another."""
    with np.errstate(over="ignore", invalid="ignore"):
        # a running sum in order; NumPy's sum would add in pairs
        total = np.add.accumulate(np.concatenate([FP32.to_array(y)[None], shares]), axis=0)[-1]
    return FP32.canonical(FP32.from_array(np.where(total == 0, np.float32(0), total)))


def wide(fmt: ScaleFormat, codes: Array) -> Array:
    """Codes of a format of scales as float32, exactly."""
    if fmt in (FP16, FP32):
        assert isinstance(fmt, FloatFormat)
        return fmt.to_array(codes).astype(np.float32)
    if isinstance(fmt, IntFormat):
        return np.asarray(codes).astype(np.float32)
    return fmt.to_float64(codes).astype(np.float32)


def parts(fmt: ScaleFormat, codes: Array) -> tuple[Array, Array, Array]:
    """(sign, significand, exponent) of scale codes, int64: (-1)**sign significand 2**exponent.
    Those of codes that are not finite mean nothing."""
    codes = np.asarray(codes, np.int64)
    zero = np.zeros_like(codes)
    if isinstance(fmt, IntFormat):
        return zero, codes, zero
    if isinstance(fmt, ExponentFormat):
        return zero, np.ones_like(codes), codes - fmt.bias
    sign, field, significand = fmt.decode(codes)
    return sign, significand, field - 1 + fmt.emin


def exact_codes(fmt: ScaleFormat, values: Array) -> tuple[Array, Array]:
    """Codes of float32 numbers in a format of scales, and which of them it does not have."""
    values = np.asarray(values, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(fmt, IntFormat):
            codes = np.clip(np.nan_to_num(values), fmt.low, fmt.high).astype(np.int64)
        elif fmt in (FP16, FP32):
            assert isinstance(fmt, FloatFormat)
            codes = fmt.from_array(values)
        else:
            codes = fmt.from_float64(values.astype(np.float64))
        return codes, wide(fmt, codes) != values


def _product(a: Array, b: Array) -> Array:
    """Rounded once to FP32: products of 24 and up to 24 bits are exact in float64. One that is
    exactly zero is +0; one that rounds to zero keeps its sign."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        product = (a.astype(np.float64) * b).astype(np.float32)
    exact_zero = (a == 0) & np.isfinite(b) | (b == 0) & np.isfinite(a)
    return np.where(exact_zero, np.float32(0), product)


def _sum(a: Array, b: Array) -> Array:
    """No sum underflows: one that is zero is exactly zero, and so +0."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = a + b
    return np.where(total == 0, np.float32(0), total)
