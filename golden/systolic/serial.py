"""A multiply-accumulate that takes the digits of a weight one by one and skips zero digits.

A weight of 8 bits is recoded into radix-4 digits (:mod:`lowbit.golden.digits`), and every digit
that is not zero takes a cycle: it adds the activation times the digit, at the digit's place. A
weight of zero takes a cycle as well. The sum is exact, modulo 2**acc_bits.

Source: the serial element of the bit-weight dimension (HPCA 2025), there with Booth's digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..digits import FORMATS, DigitFormat
from ..formats import wrap_signed

__all__ = ["SERIAL_FORM", "average_cycles", "cycles", "serial_sum", "steps"]

Array = NDArray[Any]

#: INT8 weights
SERIAL_FORM: DigitFormat = FORMATS["int8"]


def cycles(weights: Array) -> Array:
    """Cycles of each of the integers ``weights``, int64: its digits other than 0, at least 1."""
    digits = SERIAL_FORM.terms(SERIAL_FORM.pack(weights))
    return np.asarray(np.maximum((digits != 0).sum(-1), 1))


def average_cycles(weights: Array) -> float:
    """Mean of :func:`cycles`."""
    return float(cycles(weights).mean())


def steps(weights: Array) -> list[tuple[int, int]]:
    """The cycles of weights (k,) one after the other: (weight, its digit of this cycle with its
    power of two). The lowest digit comes first."""
    digits = SERIAL_FORM.terms(SERIAL_FORM.pack(weights))
    return [(i, int(digit)) for i, row in enumerate(digits)
            for digit in (row[row != 0] if row.any() else [0])]


def serial_sum(activations: Array, weights: Array, acc_bits: int) -> Array:
    """Sums (k,) after each of the products of integers (k,), modulo 2**acc_bits, signed."""
    products = np.asarray(activations, np.int64) * np.asarray(weights, np.int64)
    return wrap_signed(products.cumsum(), acc_bits)
