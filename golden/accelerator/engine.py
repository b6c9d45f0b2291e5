"""What LMMA computes: rows of activations times the weights of a column block, many at once.

The numbers are those of the core (:func:`lowbit.golden.lut.core.scaled_operation`), group by group;
here all row blocks and groups of an instruction go through NumPy together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FP32, wrap_signed
from ..group_scale import Codes, added, code_sum, share
from ..lut.row_scaled import step
from ..lut.table import make_tables
from .parameters import AccelParameters

__all__ = ["Expanded", "expand", "multiply"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Expanded:
    """The tables of rows of activations (rows, groups, steps, tables of a step)."""

    values: Array       #: int64 (rows, groups, tables, 2**K): by what a weight field holds
    row_sum: Array      #: int64 (rows, groups): sum of the activations
    exponent: Array     #: int64 (rows, groups): an integer t means t * 2**(exponent + offset)
    invalid: Array      #: bool (rows,): an activation that is not finite


def expand(p: AccelParameters, codes: Array, exponent: Array) -> Expanded:
    """Tables of activations (rows, groups, k), raw codes or integers; exponents (rows, groups)."""
    rows, groups, k = codes.shape
    tables = make_tables(codes.reshape(-1, k), p.core, exponent.reshape(-1))
    entries = tables.entries.reshape(rows, groups, k // p.K, -1)
    unit = exponent + p.core.exponent_offset if p.core.is_aligned else np.zeros_like(exponent)
    return Expanded(np.concatenate([entries, -entries], axis=3), entries[..., -1].sum(axis=2),
                    unit, tables.invalid.reshape(rows, -1).any(axis=1))


def multiply(p: AccelParameters, x: Expanded, fields: Array, planes: int, codes: Codes,
             scale: Array, offset: Array | None, y: Array) -> Array:
    """FP32 codes (rows, N) of ``y`` plus the scaled products.

    ``fields``: uint8 (groups, steps, planes, N * tables) K-bit weight fields; ``scale``, ``offset``
    codes (groups, N); ``y`` (rows, N) FP32 codes.
    """
    core = p.core
    rows, groups, tables, size = x.values.shape
    per_step = core.groups
    steps = tables // per_step
    place = np.arange(groups * tables).reshape(groups, steps, 1, per_step) * size
    sums = np.zeros((rows, groups, p.N), np.int64)
    for plane in range(planes):
        values = step(x.values, planes - 1 - plane) if core.is_aligned else x.values << plane
        at = fields[:, :, plane].reshape(groups, steps, p.N, per_step) + place
        read = np.take(values.reshape(rows, -1), at, axis=1)
        sums += read.sum(axis=(2, 4))
    sums = wrap_signed(sums, core.acc_bits)
    if core.is_aligned:
        sums = sums << planes - 1
    row_sum = wrap_signed(x.row_sum, core.acc_bits)
    total = code_sum(sums, row_sum, planes, codes, x.exponent)
    of_row = FP32.round((row_sum < 0).astype(np.int64), np.abs(row_sum), x.exponent)
    shares = share(total, scale, offset, of_row, core.scale_format, core.offset_format or FP32)
    result = added(shares.swapaxes(0, 1), y)
    return np.where(x.invalid[:, None], FP32.nan, result)
