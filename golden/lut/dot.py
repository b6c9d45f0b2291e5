"""Golden model of one LUT dot product: activations or a table, and one weight pattern."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .parameters import LutDotParameters
from .table import exact_terms, pattern_signs, round_exact

__all__ = ["dot"]

Array = NDArray[Any]


def dot(p: LutDotParameters, entries: Array, patterns: Array) -> Array:
    """Signed sums that raw ``patterns`` select: (n,) integers, or codes of the entry format.

    ``entries`` (n, groups, entries) as :func:`~lowbit.golden.lut.table.make_tables` gives them,
    ``patterns`` (n, groups) raw K-bit patterns. Float entries of several groups are summed
    exactly and rounded once.
    """
    signs = pattern_signs(p.K, p.table)
    bits = patterns[..., None] >> np.arange(p.K) & 1
    # the stored entry with the same signs, or (half table) with all of them opposite
    match = (2 * bits - 1) @ signs.T
    index = (match if p.table == "full" else np.abs(match)).argmax(axis=-1)
    picked = np.take_along_axis(entries, index[..., None], axis=2)[..., 0]
    negative = np.take_along_axis(match, index[..., None], axis=-1)[..., 0] < 0
    if not p.is_float:
        return np.where(negative, -picked, picked).sum(axis=1)
    fmt = p.table_float
    codes = picked ^ negative.astype(np.int64) << (fmt.bits - 1)
    if p.groups == 1:
        return codes[:, 0]
    terms, unit = exact_terms(codes, fmt)
    result = round_exact(terms.sum(axis=1), unit, fmt)
    plus, minus = (codes == fmt.inf).any(axis=1), \
        (codes == fmt.inf | 1 << (fmt.bits - 1)).any(axis=1)
    result = np.where(plus, fmt.inf, np.where(minus, fmt.inf | 1 << (fmt.bits - 1), result))
    return np.where(plus & minus, fmt.nan, result)
