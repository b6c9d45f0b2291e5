"""Designs that no other one beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["front", "ranks"]


def _front(values: NDArray[Any]) -> NDArray[Any]:
    """Indices of the rows that no other one beats: is no worse than in any column, and better in
    one. In ascending order of the columns no row beats one before it."""
    order = np.lexsort(values.T[::-1])
    kept: list[int] = []
    for i in order:
        best = values[kept]
        if not ((best <= values[i]).all(axis=1) & (best < values[i]).any(axis=1)).any():
            kept.append(int(i))
    return np.array(kept, int)


def front(values: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the designs on the Pareto front, ascending by the figures, of which less is
    better."""
    return [] if not values else _front(np.array(values, float)).tolist()


def ranks(values: Sequence[Sequence[float]]) -> list[int]:
    """0 for the designs on the front, 1 for those on the front of what is left, and so on."""
    array, found = np.array(values, float), np.zeros(len(values), int)
    left, rank = np.arange(len(values)), 0
    while len(left):
        best = _front(array[left])
        found[left[best]] = rank
        left, rank = np.delete(left, best), rank + 1
    return [int(rank) for rank in found]
