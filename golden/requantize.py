"""Sums of integers back to eight bits: times a dyadic number, rounded, moved, clamped.

In exact integers, result = clamp(round_half_up(total * multiplier / 2**shift) + zero, -128, 127).
The scale of a column is multiplier / 2**shift, multiplier below 2**31, shift 0..62.

Source: Z. Yao et al., "HAWQ-V3: Dyadic Neural Network Quantization" (ICML 2021), section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import INT8
from .parameters import ParameterError

__all__ = ["MULTIPLIER_BITS", "Requantizer", "SHIFT_BITS", "STAGES", "given_requantizer",
           "requantize"]

Array = NDArray[Any]

#: bits of a multiplier, unsigned, and of a shift
MULTIPLIER_BITS, SHIFT_BITS = 31, 6
#: largest shift: half of 2**62 times a sum of 32 bits is below every rounding
MOST_SHIFT = 62
#: clock cycles of the hardware (:mod:`lowbit.hdl.common.requantize`)
STAGES = 4


@dataclass(frozen=True)
class Requantizer:
    """Integers of each column: ``multiplier``, ``shift``, ``zero`` (columns,); ValueError names
    one that is out of its range."""

    multiplier: Array
    shift: Array
    zero: Array

    def __post_init__(self) -> None:
        for name, low, high in (("multiplier", 0, (1 << MULTIPLIER_BITS) - 1),
                                ("shift", 0, MOST_SHIFT), ("zero", INT8.low, INT8.high)):
            values = getattr(self, name)
            if values.size and (values.min() < low or values.max() > high):
                raise ValueError(f"{name} must be {low}..{high}; got {values.min()}.."
                                 f"{values.max()}")

    @classmethod
    def of_scales(cls, scale: Array, zero: Array) -> Requantizer:
        """The nearest dyadic numbers of positive scales below 2**31, as many bits as there are."""
        mantissa, exponent = np.frexp(np.asarray(scale, np.float64))
        multiplier = np.rint(np.ldexp(mantissa, MULTIPLIER_BITS)).astype(np.int64)
        shift = MULTIPLIER_BITS - exponent.astype(np.int64)
        # a mantissa that rounds up to 1, and scales so small that bits are left over
        down = np.maximum(shift - MOST_SHIFT, multiplier >> MULTIPLIER_BITS)
        return cls(multiplier >> np.minimum(down, 63), shift - down, np.asarray(zero, np.int64))

    def of(self, columns: slice) -> Requantizer:
        """Those of some columns."""
        return Requantizer(self.multiplier[columns], self.shift[columns], self.zero[columns])


def given_requantizer(arrays: Mapping[str, Array | None], columns: int) -> Requantizer:
    """The requantiser of a user's arrays, by the names of their options: multipliers, shifts and
    zero points, in this order. :class:`ParameterError` names one that is missing or does not fit.
    """
    found = []
    for name, values in arrays.items():
        if values is None:
            raise ParameterError(f"--out-format int8 needs {', '.join(arrays)}: integers "
                                 f"({columns},) of the columns; {name} is missing")
        if values.dtype.kind not in "iu" or values.shape != (columns,):
            raise ParameterError(f"{name} must have one integer for each of {columns} columns; got "
                                 f"{values.dtype} of shape {values.shape}")
        found.append(values.astype(np.int64))
    try:
        return Requantizer(*found)
    except ValueError as error:
        raise ParameterError(f"--out-format int8: {error}") from None


def requantize(totals: Array, by: Requantizer) -> Array:
    """Totals (rows, columns) to int64 (rows, columns) of -128..127."""
    # a product of 31 bits and more than 32 does not fit int64
    fits = not totals.size or max(-int(totals.min()), int(totals.max())) <= 1 << 31
    exact = totals.astype(np.int64 if fits else object) * by.multiplier
    shift = by.shift if fits else by.shift.astype(object)
    # floor(x / 2**n + 1/2), without a sum that might overflow
    below = np.maximum(shift - 1, 0)
    rounded = (exact >> shift) + ((exact >> below & 1) & (shift > 0))
    moved = np.clip(rounded, -(1 << 40), 1 << 40).astype(np.int64) + by.zero
    return np.asarray(np.clip(moved, INT8.low, INT8.high))
