"""FP16 activations as integers at the largest exponent of their row and group of weights.

The integers are :func:`lowbit.golden.alignment.align` of the codes: sign and ``bits`` of magnitude
whose top one has the group's exponent. Those of that exponent are exact; the others are rounded
once, to nearest even, by half a unit at most. Contract: docs/numerics.md, section 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.alignment import align, largest_field
from lowbit.golden.formats import FP16

__all__ = ["AlignedRows", "align_rows", "group_exponents"]

Array = NDArray[Any]


@dataclass(frozen=True)
class AlignedRows:
    """Aligned activations: ``integers`` times the unit of their row and group."""

    integers: Array     #: int64 (rows, k); 0 for infinities and NaNs
    exponents: Array    #: int64 (rows, groups), exponent fields 0..31
    clipped: Array      #: bool (rows,): an activation was larger than its exponent allows


def group_exponents(activations: Array, group_size: int) -> Array:
    """Largest exponent field of the finite FP16 codes (rows, k) of each row and group, int64
    (rows, groups); subnormals and groups of zeros count as 1."""
    return np.stack([largest_field(FP16, activations[:, i:i + group_size])
                     for i in range(0, activations.shape[1], group_size)], -1)


def align_rows(activations: Array, group_size: int, bits: int,
               exponents: Array | None = None) -> AlignedRows:
    """FP16 codes (rows, k) at the exponents of their groups, or at those of a sender.

    A code larger than the exponent it is given saturates, with its sign, and its row is
    ``clipped``.
    """
    if exponents is None:
        exponents = group_exponents(activations, group_size)
    tops = exponents[:, np.arange(activations.shape[1]) // group_size]
    integers, clipped = align(FP16, activations, tops, bits)
    return AlignedRows(integers, exponents, np.asarray(clipped.any(1)))
