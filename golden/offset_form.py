"""Sums of rows in offset form: two's complement integers whose sign bits are inverted.

What a tree of :mod:`lowbit.hdl.common.compressor` adds up, in exact integers: the sum of the rows,
and a known number beside it. Whoever reads the sum subtracts that number, once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["offset", "offset_sum"]

Array = NDArray[Any]


def offset(rows: int, bits: int, beats: int = 1) -> int:
    """By how much the sum of ``rows`` rows of ``bits`` bits, ``beats`` times, is too large."""
    return rows * beats << bits - 1


def offset_sum(rows: Array, carries: Array, bits: int) -> Array:
    """The sum of the rows, integers of ``bits`` bits, in offset form, and of the carries:
    rows (..., rows), carries (..., carries of 0 or 1) to sums (...), never negative."""
    form = (np.asarray(rows) & (1 << bits) - 1) ^ 1 << bits - 1     # as unsigned codes
    return np.asarray(form.sum(axis=-1) + np.asarray(carries).sum(axis=-1))
