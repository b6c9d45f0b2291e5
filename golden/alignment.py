"""Floating codes as integers at a common exponent: what the families' datapaths multiply.

A row is aligned once, at the edge; its exponent comes from a scan or from the sender. The hardware
is :mod:`lowbit.hdl.common.aligner`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import FloatFormat

__all__ = ["align", "largest_field"]

Array = NDArray[Any]


def align(fmt: FloatFormat, codes: Array, top: Array | int,
          bits: int) -> tuple[Array, NDArray[np.bool_]]:
    """Codes as signed integers of ``bits`` magnitude bits, and which of them were too large.

    ``top`` (broadcast against ``codes``) is the exponent field whose significands fill the
    magnitude: the unit is ``2**(top - 1 + fmt.emin - (bits - fmt.precision))``. Below it,
    magnitudes are rounded to nearest even, which never carries out of ``bits``; a larger field
    saturates to the largest magnitude. Infinities and NaNs count as 0.
    """
    if bits < fmt.precision:
        raise ValueError(f"bits must be at least the precision {fmt.precision}; got {bits}")
    sign, field, significand = fmt.decode(codes)
    finite = fmt.is_finite(codes)
    word = np.where(finite, significand, 0) << (bits - fmt.precision)
    distance = np.asarray(top, np.int64) - field
    clipped = np.asarray((distance < 0) & (word != 0), np.bool_)
    magnitude = _round_shift(word, np.maximum(distance, 0))
    magnitude = np.where(clipped, (np.int64(1) << bits) - 1, magnitude)
    return np.where(sign == 1, -magnitude, magnitude), clipped


def largest_field(fmt: FloatFormat, codes: Array) -> Array:
    """Largest exponent field of the finite codes of each row (rows, ...); subnormals, and rows
    without a finite code, count as 1."""
    _, field, _ = fmt.decode(codes)
    field = np.where(fmt.is_finite(codes), field, 1)
    return field.reshape(len(codes), -1).max(axis=1)


def _round_shift(magnitude: Array, shift: Array) -> Array:
    """Magnitudes / 2**shift (shift 0 or more), to nearest even."""
    shift = np.minimum(shift, 62)
    floor = magnitude >> shift
    rest = magnitude - (floor << shift)
    half = np.int64(1) << np.maximum(shift - 1, 0)
    up = (shift > 0) & ((rest > half) | ((rest == half) & (floor & 1 == 1)))
    return floor + up
