"""Connections of a systolic array: what moves right, and what moves down."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

from amaranth.hdl import Module

__all__ = ["connect_neighbours"]


def connect_neighbours(m: Module, grid: Sequence[Sequence[Any]], *, right: Sequence[str] = (),
                       down: Sequence[str] = ()) -> None:
    """Connect the components of ``grid`` ([row][column]) with their neighbours.

    Each has ports ``NAME_in`` and ``NAME_out``. Names in ``right`` go from left to right along
    the rows, names in ``down`` from above to below. Inputs at the left and upper edge are left to
    the caller.
    """
    beside = chain.from_iterable(pairwise(row) for row in grid)
    below = chain.from_iterable(zip(*rows, strict=True) for rows in pairwise(grid))
    for pairs, names in ((beside, right), (below, down)):
        for source, target in pairs:
            m.d.comb += [getattr(target, f"{name}_in").eq(getattr(source, f"{name}_out"))
                         for name in names]
