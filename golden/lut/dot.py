"""Golden model of one LUT dot product: activations or a table, and one weight pattern."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .parameters import LutDotParameters
from .reads import pattern_reads
from .table import exact_terms, round_exact

__all__ = ["dot"]

Array = NDArray[Any]


def dot(p: LutDotParameters, entries: Array, patterns: Array) -> Array:
    """Signed sums that raw ``patterns`` select: (n,) integers, or codes of the entry format.

    ``entries`` (n, groups, entries) as :func:`~lowbit.golden.lut.table.make_tables` gives them,
    ``patterns`` (n, planes * groups) raw patterns, plane p counting 2**p. Float entries of several
    groups are summed exactly and rounded once.
    """
    index, sign = (of_all[patterns] for of_all in pattern_reads(p.K, p.table, p.radix))
    entries = np.tile(entries, (1, p.parallel_planes, 1))
    picked = np.take_along_axis(entries, index[..., None], axis=2)[..., 0]
    if not p.is_float:
        plane = np.repeat(np.arange(p.parallel_planes), p.groups)
        return np.asarray((picked * sign << plane).sum(axis=1))
    fmt = p.table_float
    codes = np.where(sign == 0, 0, picked ^ (sign < 0).astype(np.int64) << (fmt.bits - 1))
    if p.groups == 1:
        return codes[:, 0]
    terms, unit = exact_terms(codes, fmt)
    result = round_exact(terms.sum(axis=1), unit, fmt)
    plus, minus = (codes == fmt.inf).any(axis=1), \
        (codes == fmt.inf | 1 << (fmt.bits - 1)).any(axis=1)
    result = np.where(plus, fmt.inf, np.where(minus, fmt.inf | 1 << (fmt.bits - 1), result))
    return np.where(plus & minus, fmt.nan, result)
