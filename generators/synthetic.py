"""Operands that are drawn, where a user brings none: distributions by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FloatFormat, IntFormat

__all__ = ["DISTRIBUTIONS", "codes", "floats", "levels"]

Array = NDArray[Any]

#: normal of deviation 1; uniform with the same deviation; all zeros
DISTRIBUTIONS = ("normal", "uniform", "zero")


def floats(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Array:
    """float64 of deviation 1 (or zeros)."""
    if kind == "zero":
        return np.zeros(shape)
    if kind == "uniform":
        return rng.uniform(-np.sqrt(3), np.sqrt(3), shape)
    return rng.standard_normal(shape)


def codes(rng: np.random.Generator, kind: str, fmt: Any, shape: tuple[int, ...]) -> Array:
    """Codes of a format (integers as they are): floats of deviation 1, integers over the whole
    range, or normal with a third of it as deviation."""
    if isinstance(fmt, FloatFormat):
        return fmt.from_float64(floats(rng, kind, shape))
    assert isinstance(fmt, IntFormat) or hasattr(fmt, "low")
    return levels(rng, kind, range(fmt.low, fmt.high + 1), shape)


def levels(rng: np.random.Generator, kind: str, values: Sequence[int], shape: tuple[int, ...]
           ) -> Array:
    """Integers of a set: each alike, or the nearest ones to a normal number whose deviation is a
    third of the largest."""
    known = np.unique(np.asarray(values, np.int64))
    if kind == "uniform":
        return rng.choice(known, shape)
    drawn = floats(rng, kind, shape) * np.abs(known).max() / 3
    return known[np.searchsorted((known[1:] + known[:-1]) / 2, drawn)]
