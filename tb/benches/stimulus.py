"""Activations for benches and tests: random rows of several kinds, and directed corner rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FloatFormat, IntFormat

__all__ = ["activations", "KINDS"]

Array = NDArray[Any]

#: kinds of activation row
KINDS = ("gaussian", "outlier", "any", "zero", "largest", "alternating", "subnormal", "cancel",
         "wide", "residue", "nonfinite", "scaled", "echo", "few")
_WEIGHTS = np.array([4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3], float)


def activations(rng: np.random.Generator, fmt: IntFormat | FloatFormat, rows: int, k: int,
                kinds: tuple[str, ...] | None = None) -> Array:
    """Random codes (integers for integer formats), int64 (rows, k); each row is of one kind."""
    names = rng.choice(KINDS, rows, p=_WEIGHTS / _WEIGHTS.sum()) if kinds is None else \
        rng.choice(kinds, rows)
    return np.stack([_row(rng, fmt, k, str(name)) for name in names])


def _row(rng: np.random.Generator, fmt: IntFormat | FloatFormat, k: int, kind: str) -> Array:
    if isinstance(fmt, IntFormat):
        return _integer_row(rng, fmt, k, kind)
    top = (1 << (fmt.bits - 1)) - 1
    largest = (fmt.nan if fmt.fn else fmt.inf) - 1
    sign = rng.integers(0, 2, k) << (fmt.bits - 1)
    if kind == "gaussian":
        return fmt.from_float64(rng.standard_normal(k))
    if kind == "outlier":
        x = rng.standard_normal(k)
        return fmt.from_float64(np.where(rng.random(k) < 0.1, 40 * x, x))
    if kind == "zero":
        return sign
    if kind == "largest":
        return largest | sign
    if kind == "alternating":
        return largest | (np.arange(k) & 1) << (fmt.bits - 1)
    if kind == "subnormal":
        return rng.integers(0, 1 << fmt.mbits, k) | sign
    if kind == "cancel":
        codes = np.full(k, largest) ^ (np.arange(k) & 1) << (fmt.bits - 1)
        codes[rng.integers(k)] = 1
        return codes
    if kind == "residue":       # equal weights leave only the last ones: far below, if anything
        x = np.full(k, rng.uniform(1, 2)) * (1 - 2 * (np.arange(k) & 1))
        x[-1 - (k % 2 == 0):] = 2.0 ** -rng.uniform(1, 30) * rng.choice([-1, 1])
        return fmt.from_float64(x)
    if kind == "scaled":        # one magnitude, often at an end of the format
        fields = _exponent(rng, fmt) + rng.integers(-3, 1, k)
        return _codes(fmt, fields, rng.integers(0, 1 << fmt.mbits, k), sign)
    if kind == "echo":          # each like the one before: sums cancel, to any leading bit
        fields = _exponent(rng, fmt) + np.cumsum(rng.choice([0, 0, 0, 0, -1, 1], k))
        steps = np.array([0, 0, 0, 1, -1, int(rng.integers(1 << fmt.mbits))])
        near = np.cumsum(rng.choice(steps, k))
        return _codes(fmt, fields, rng.integers(1 << fmt.mbits) + near, sign)
    if kind == "few":           # bits far apart: what is left over decides a rounding
        fields = _exponent(rng, fmt) - rng.integers(0, 2 * fmt.mbits + 12, k)
        mantissas = rng.choice([0, 1, (1 << fmt.mbits) - 1, 1 << (fmt.mbits - 1)], k)
        codes = _codes(fmt, fields, mantissas, sign)
        return np.where(rng.random(k) < 3 / k, codes, 0)
    if kind == "wide":
        return np.minimum(rng.integers(0, largest + 1, k), largest) | sign
    codes = np.minimum(rng.integers(0, top + 1, k), largest) | sign
    if kind == "nonfinite":
        codes[rng.integers(k)] = rng.choice([fmt.nan, fmt.inf, top, fmt.inf | 1 << (fmt.bits - 1)])
    return codes


def _exponent(rng: np.random.Generator, fmt: FloatFormat) -> int:
    """An exponent field: any, or near one of the ends."""
    top = (fmt.nan if fmt.fn else fmt.inf) - 1 >> fmt.mbits
    near = int(rng.integers(0, fmt.mbits + 5))
    anywhere = int(rng.integers(0, top + 1))
    return int(rng.choice(np.array([anywhere, min(near, top), max(top - near, 0)])))


def _codes(fmt: FloatFormat, fields: Array, mantissas: Array, sign: Array) -> Array:
    """Finite codes; exponent fields beyond an end become that end."""
    largest = (fmt.nan if fmt.fn else fmt.inf) - 1
    mantissas = mantissas & (1 << fmt.mbits) - 1
    fields = np.clip(fields, 0, largest >> fmt.mbits)
    return np.minimum(fields << fmt.mbits | mantissas, largest) | sign


def _integer_row(rng: np.random.Generator, fmt: IntFormat, k: int, kind: str) -> Array:
    if kind in ("gaussian", "outlier"):
        return np.clip(np.rint(rng.standard_normal(k) * fmt.high / 4), fmt.low,
                       fmt.high).astype(np.int64)
    if kind == "zero":
        return np.zeros(k, np.int64)
    if kind in ("largest", "nonfinite"):
        return np.full(k, fmt.low if rng.integers(2) else fmt.high, np.int64)
    if kind in ("alternating", "cancel"):
        return np.where(np.arange(k) & 1, fmt.low, fmt.high).astype(np.int64)
    return rng.integers(fmt.low, fmt.high + 1, k)
