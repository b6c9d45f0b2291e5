"""Designs that no other one beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["front", "ranks"]


def _beaten(values: NDArray[Any]) -> NDArray[Any]:
    """Which rows another one beats: no worse in any column, and better in one."""
    found = np.zeros(len(values), bool)
    for i, row in enumerate(values):
        found[i] = ((values <= row).all(axis=1) & (values < row).any(axis=1)).any()
    return found


def front(values: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the designs on the Pareto front, the less the better of every figure."""
    return [] if not values else np.flatnonzero(~_beaten(np.array(values, float))).tolist()


def ranks(values: Sequence[Sequence[float]]) -> list[int]:
    """0 for the designs on the front, 1 for those on the front of what is left, and so on."""
    array, found = np.array(values, float), np.zeros(len(values), int)
    left, rank = np.arange(len(values)), 0
    while len(left):
        best = ~_beaten(array[left])
        found[left[best]] = rank
        left, rank = left[~best], rank + 1
    return [int(rank) for rank in found]
