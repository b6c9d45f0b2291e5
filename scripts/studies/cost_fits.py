"""Fits of the cost model: coefficients from amounts and figures. Used by fit_cost.py.

Least squares of relative errors, no coefficient negative. Where terms are those of stages (a delay,
``stage: part``) a design tells of its longest stage alone, and which one that is follows from the
coefficients: designs are given to stages and stages fitted in turn until none changes, from several
starts, of which the best is taken.

The fit of a further library begins with that of the first one, all coefficients times one factor,
and departs from it as far as its designs say so: cells differ in size, parts are made of the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.generators.cost.amounts import Terms
from lowbit.generators.cost.model import stage_of

__all__ = ["Array", "coefficients", "errors"]

Array = NDArray[Any]
#: by how much a coefficient that is twice the one it began with counts as an error
PULL = 0.1
STARTS = 40


def nonnegative(a: Array, b: Array) -> Array:
    """Least squares of a x = b, no x negative (Lawson and Hanson's method of active sets)."""
    x, free = np.zeros(a.shape[1]), np.zeros(a.shape[1], bool)
    for _ in range(3 * a.shape[1]):
        gain = np.where(free, -np.inf, a.T @ (b - a @ x))
        best = int(np.argmax(gain))
        if gain[best] < 1e-9:
            break
        free[best] = True
        while free.any():
            found = np.zeros_like(x)
            found[free] = np.linalg.lstsq(a[:, free], b, rcond=None)[0]
            below = free & (found <= 0)
            if not below.any():
                x = found
                break
            step = np.min(x[below] / np.maximum(x[below] - found[below], 1e-300))
            x = np.where(free, x + step * (found - x), 0.0)
            free &= x > 1e-12
            x[~free] = 0.0
    return x


def _solved(a: Array, before: Array | None) -> Array:
    """Coefficients with which all rows are near 1; ``before``: what they begin with."""
    size = a.max(axis=0, initial=0.0)
    size[size == 0] = 1.0
    scaled, ones = a / size, np.ones(len(a))
    if before is None:
        return nonnegative(scaled, ones) / size
    known = before > 0      # what the first library had no use for stays out
    pull = np.diag(PULL / np.where(known, before * size, 1.0))[known]
    found = nonnegative(np.vstack([scaled, pull])[:, known],
                        np.concatenate([ones, np.full(known.sum(), PULL)]))
    x = np.zeros(len(size))
    x[known] = found / size[known]
    return x


def _by_stages(a: Array, stages: Array, before: Array | None) -> Array:
    """The same for the longest of some stages; ``stages``: that of each term."""
    names = np.unique(stages)
    parts = [stages == name for name in names]

    def times(x: Array) -> Array:
        return np.array([a[:, part] @ x[part] for part in parts])

    rng = np.random.default_rng(0)
    there = np.array([(a[:, part] > 0).any(axis=1) for part in parts])
    best, least = np.zeros(a.shape[1]), np.inf
    for _ in range(1 if before is not None else STARTS):
        chosen = np.argmax(times(before) if before is not None else
                           np.where(there, rng.random(there.shape), -1.0), axis=0)
        for _ in range(30):
            x = np.zeros(a.shape[1])
            for i, part in enumerate(parts):
                # a stage without a design is as it was
                if (chosen == i).any() or before is not None:
                    x[part] = _solved(a[chosen == i][:, part],
                                      None if before is None else before[part])
            following = np.argmax(times(x), axis=0)
            error = float(np.sum((times(x).max(axis=0) - 1) ** 2))
            if error < least:
                best, least = x, error
            if (following == chosen).all():
                break
            chosen = following
    return best


def coefficients(rows: Sequence[Terms], values: Sequence[float],
                 first: Mapping[str, float] | None = None) -> dict[str, float]:
    """By term. ``first``: those of the first library, for a further one."""
    names = list(rows[0])
    a = np.array([[row[name] for name in names] for row in rows]) / np.array(values)[:, None]
    stages = np.array([stage_of(name) for name in names])
    before = None
    if first is not None:
        before = np.array([first[name] for name in names])
        parts = [a[:, stages == name] @ before[stages == name] for name in np.unique(stages)]
        before = before / np.median(np.max(parts, axis=0))
    x = _solved(a, before) if len(set(stages)) == 1 else _by_stages(a, stages, before)
    return {name: float(f"{value:.6g}") for name, value in zip(names, x, strict=True)}


def errors(found: Sequence[float], values: Sequence[float]) -> Array:
    """Relative ones."""
    return np.abs(np.array(found) / np.array(values) - 1)
