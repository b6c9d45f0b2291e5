"""Quantisation groups: neighbouring weights of a channel that share a scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Weights", "group_count", "group_spans", "row_blocks", "second_level"]

Array = NDArray[Any]

#: weights handled at a time: bounds the float64 scratch memory
BLOCK = 1 << 18


class Weights(Protocol):
    """What is quantised: an array (n, k) of floats, or a reader that gives rows on demand."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of rows of a matrix, a bounded number of weights each."""
    rows = max(1, BLOCK // shape[1])
    for start in range(0, shape[0], rows):
        yield slice(start, min(start + rows, shape[0]))


def group_count(k: int, group_size: int | None) -> int:
    """Number of quantisation groups in a channel of k weights; None means the whole channel."""
    return 1 if group_size is None else -(-k // group_size)


def group_spans(k: int, group_size: int | None) -> list[tuple[slice, slice, int]]:
    """Runs of equal-sized groups: (weights, groups, size of each), the ragged tail on its own."""
    size = k if group_size is None else min(group_size, k)
    whole = k // size
    spans = [(slice(0, whole * size), slice(0, whole), size)]
    if whole * size < k:
        spans.append((slice(whole * size, k), slice(whole, whole + 1), k - whole * size))
    return spans


def second_level(scales: Array) -> tuple[Array, Array]:
    """Two levels of scales: codes uint8 (rows, groups) of 0 .. 127 and channel scales float32
    (rows,), of float64 scales (rows, groups).

    The ratio to the channel's largest scale comes first, so that a half is a half and 63.5 ties
    to even as it does on paper.
    """
    largest = scales.max(1, initial=0.0)
    ratio = np.divide(scales, largest[:, None], out=np.zeros_like(scales),
                      where=largest[:, None] > 0)
    return np.rint(ratio * 127).astype(np.uint8), (largest / 127).astype(np.float32)
