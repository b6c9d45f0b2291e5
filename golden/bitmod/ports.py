"""BitMoD operations as the words of the ports: the one place that packs them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .datatypes import DataType, check_special_values
from .terms import Terms

__all__ = ["encoder_codes", "pack_terms", "special_value_word"]

Array = NDArray[Any]


def encoder_codes(codes: Array, dtype: DataType) -> Array:
    """Codes of a data type as the encoder takes them, uint8: integers sign-extended to 8 bits,
    FP4 as it is, FP3 as the FP4 code of the same value (shifted left by one)."""
    codes = np.asarray(codes).astype(np.int64)
    if dtype.kind == "float":
        return (codes << (4 - dtype.bits)).astype(np.uint8)
    return (codes - ((codes & dtype.sv_code) << 1) & 0xFF).astype(np.uint8)


def special_value_word(value: float) -> int:
    """A special value as the register file takes it: sign, 4 integer bits, 1 fraction bit.

    :class:`~lowbit.golden.parameters.ParameterError` if it needs more than two terms.
    """
    check_special_values((value,))
    return abs(int(2 * value)) | (32 if value < 0 else 0)


def pack_terms(terms: Terms) -> Array:
    """Terms as 4-bit words, from the lowest bit: sign, exp (2 bits), man; int64."""
    return (terms.sign.astype(np.int64) | terms.exp.astype(np.int64) << 1
            | terms.man.astype(np.int64) << 3)
