"""Stimuli that only the LUT family has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import LutParameters
from lowbit.golden.lut.row_scaled import RowScale
from lowbit.golden.lut.table import row_exponents

__all__ = ["given_exponents", "on_edge"]

Array = NDArray[Any]


def given_exponents(rng: np.random.Generator, p: LutParameters, codes: Array) -> Array | None:
    """Exponents of rows that a sender gives: the least, larger ones up to what the field
    holds, and some that are too small; None where the hardware finds
    them itself."""
    if not p.can_saturate:
        return None
    least = row_exponents(codes, p)
    other = rng.choice([-12, -3, -2, -1, 1, 4, 1 << 12], len(codes))
    chosen = np.where(rng.random(len(codes)) < 0.5, least, least + other)
    return np.clip(chosen, 0, p.largest_exponent)


def on_edge(rng: np.random.Generator, p: LutParameters, codes: Array) -> Array:
    """The rows with two activations changed, so that the scan finds them just below the next
    exponent, or just there: the least change of a magnitude raises or lowers it."""
    fmt, scale = p.activation, p.row_scale
    assert isinstance(fmt, FloatFormat) and isinstance(scale, RowScale)
    codes, rows = codes.copy(), np.arange(len(codes))
    # the first comes as near as its places let it, the second, far smaller, fills what is left
    columns = rng.integers(0, codes.shape[1], (2, len(codes)))
    codes[rows, columns] = 0
    least = scale.scanned_exponent(codes)
    for column in columns:
        low, high = np.zeros_like(rows), np.full_like(rows, fmt.nan if fmt.fn else fmt.inf)
        while (high - low > 1).any():
            codes[rows, column] = middle = (low + high) // 2
            stays = scale.scanned_exponent(codes) == least
            low, high = np.where(stays, middle, low), np.where(stays, high, middle)
        codes[rows, column] = low
    codes[rows, columns[1]] = np.where(rng.random(len(rows)) < 0.5, low, high)
    return codes
