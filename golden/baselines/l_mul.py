"""L-Mul: a product of two floating-point numbers as one addition of integers, approximately.

The product of significands (1 + x)(1 + y) is taken as 1 + x + y + 2**-l, so exponents and fractions
add as the integers that they are beside each other (Luo and Sun, "Addition is All You Need for
Energy-Efficient Language Models", 2024, equation 1, where l depends on the bits m of the
fraction). Choices of ours: a number with the exponent field 0 counts as zero, a result below the
smallest normal number is zero, one beyond the largest is infinite (NaN where the format has no
infinity), and an infinity or a NaN as an operand gives NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FloatFormat

__all__ = ["l_mul", "offset_bits"]

Array = NDArray[Any]


def offset_bits(fmt: FloatFormat) -> int:
    """l of the offset 2**-l: m up to 3 bits, 3 for 4, else 4."""
    m = fmt.mbits
    return m if m <= 3 else 3 if m == 4 else 4


def l_mul(fmt: FloatFormat, a: Array, b: Array) -> Array:
    """Codes of the approximate products of codes, int64; NaNs canonical, a zero is +0."""
    a, b = np.asarray(a, np.int64), np.asarray(b, np.int64)
    low = (1 << (fmt.bits - 1)) - 1
    offset = (1 << fmt.mbits) >> offset_bits(fmt)
    total = (a & low) + (b & low) - (fmt.bias << fmt.mbits) + offset
    largest = (fmt.nan if fmt.fn else fmt.inf) - 1
    code = np.where(total > largest, fmt.inf, total) | (a ^ b) & ~low & ((1 << fmt.bits) - 1)
    code = np.where(fmt.is_nan(code), fmt.nan, code)
    zero = ((a & low) >> fmt.mbits == 0) | ((b & low) >> fmt.mbits == 0) | (total >> fmt.mbits <= 0)
    code = np.where(zero, 0, code)
    return np.where(fmt.is_finite(a) & fmt.is_finite(b), code, fmt.nan)
