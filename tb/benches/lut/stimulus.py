"""Stimuli that only the LUT family has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.lut.parameters import LutParameters
from lowbit.golden.lut.table import row_exponents

__all__ = ["given_exponents"]

Array = NDArray[Any]


def given_exponents(rng: np.random.Generator, p: LutParameters, codes: Array) -> Array | None:
    """Exponents of rows that a sender gives: the least, larger ones up to what the field
    holds, and some that are too small; None where the hardware finds
    them itself."""
    if not p.can_saturate:
        return None
    least = row_exponents(codes, p)
    other = rng.choice([-12, -3, -2, -1, 1, 4, 1 << 12], len(codes))
    chosen = np.where(rng.random(len(codes)) < 0.5, least, least + other)
    return np.clip(chosen, 0, p.largest_exponent)
