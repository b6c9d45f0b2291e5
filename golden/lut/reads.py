"""What a pattern reads: the entry of a table, and its sign."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..digits import FORMATS
from .table import pattern_signs

__all__ = ["pattern_digits", "pattern_reads"]

Array = NDArray[Any]


def pattern_digits(K: int, radix: int) -> Array:
    """Digits of all raw patterns, (patterns, K): +1 or -1 a bit, or the trits."""
    if radix == 2:
        return 2 * (np.arange(1 << K)[:, None] >> np.arange(K) & 1) - 1
    form = FORMATS["ternary"]
    patterns = np.arange(1 << form.port_bits * K)[:, None]
    return np.asarray(form.values[patterns >> form.port_bits * np.arange(K)
                                  & (1 << form.port_bits) - 1])


@functools.cache
def pattern_reads(K: int, table: str, radix: int) -> tuple[Array, Array]:
    """(index of the entry, sign) of every raw pattern; int64 (patterns,).

    The entry has the pattern's digits (sign +1), or all of them opposite (-1); a pattern of zeros
    reads nothing (sign 0, index 0).
    """
    digits = pattern_digits(K, radix)[:, None]
    signs = pattern_signs(K, table, radix)
    same, opposite = (digits == signs).all(-1), (digits == -signs).all(-1)
    plus, minus = same.any(-1), opposite.any(-1)
    index = np.where(plus, same.argmax(-1), opposite.argmax(-1))
    sign = np.where(plus, 1, np.where(minus, -1, 0))
    index.flags.writeable = sign.flags.writeable = False
    return index, sign
