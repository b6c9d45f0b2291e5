"""What the array computes, in exact integers, and the order in which operands enter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parameters import ParameterError
from ..requantize import Requantizer, requantize
from .parameters import SystolicParameters

__all__ = ["Operands", "product", "weight_codes"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Operands:
    """What a product multiplies."""

    a: Array        #: integers (rows, k)
    w: Array        #: integers (columns, k), in units of the weight format
    #: what makes int8 of the sums (columns,): see :mod:`..requantize`
    multiplier: Array | None = None
    shift: Array | None = None
    zero: Array | None = None

    @property
    def requantizer(self) -> Requantizer | None:
        """The three as one; None where results are sums."""
        if self.multiplier is None or self.shift is None or self.zero is None:
            return None
        return Requantizer(self.multiplier, self.shift, self.zero)


def weight_codes(p: SystolicParameters, values: Array) -> Array:
    """Weights as the port takes them; :class:`ParameterError` names one that the format has not."""
    try:
        codes = p.form.pack(values)
    except ValueError as error:
        raise ParameterError(f"weights: {error}") from None
    return np.asarray(values, np.int64) if p.is_plain else codes


def product(p: SystolicParameters, a: Array, w: Array,
            requantizer: Requantizer | None = None) -> Array:
    """Sums of activations (rows, k) times weights (columns, k): int64 (rows, columns).

    Wrapped to ``p.acc_bits``; int64 wraps too, and keeps the bits below. ``requantizer`` makes
    int8 of them.
    """
    exact = np.asarray(a, np.int64) @ np.asarray(w, np.int64).T
    sums = np.asarray(p.sum.wrap(exact))
    return sums if requantizer is None else requantize(sums, requantizer)
