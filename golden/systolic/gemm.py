"""What the array computes, in exact integers, and the order in which operands enter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parameters import ParameterError
from .parameters import SystolicParameters

__all__ = ["Operands", "product", "weight_codes"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Operands:
    """What a product multiplies."""

    a: Array        #: integers (rows, k)
    w: Array        #: integers (columns, k), in units of the weight format


def weight_codes(p: SystolicParameters, values: Array) -> Array:
    """Weights as the port takes them; :class:`ParameterError` names one that the format has not."""
    try:
        codes = p.form.pack(values)
    except ValueError as error:
        raise ParameterError(f"weights: {error}") from None
    return np.asarray(values, np.int64) if p.is_integer else codes


def product(p: SystolicParameters, a: Array, w: Array) -> Array:
    """Sums of activations (rows, k) times weights (columns, k): int64 (rows, columns).

    Wrapped to ``p.acc_bits``; int64 wraps too, and keeps the bits below.
    """
    exact = np.asarray(a, np.int64) @ np.asarray(w, np.int64).T
    return np.asarray(p.sum.wrap(exact))
