"""Golden model of the table unit: activations to table entries.

A table of K activations holds signed sums. Radix 2: bit k of a pattern gives the sign of activation
k (1: plus). The stored half has pattern bit K-1 set, so index ``idx`` means pattern
``2**(K-1) | idx`` and the last entry is the sum of all. Radix 3: a pattern is K trits; stored are
the sums whose first trit that is not 0 is +, in the order +, 0, - of each trit, trit 0 the most
significant (docs/numerics.md, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FloatFormat
from .parameters import LutParameters
from .row_scaled import RowScale

__all__ = ["Tables", "make_tables", "pattern_signs", "exact_terms", "round_exact",
           "row_exponents"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Tables:
    """Tables of some rows for one operation.

    ``entries``: int64 (rows, tables, entries): integers, or codes of the entry format.
    ``exponent``: (rows,) exponents (aligned), else zeros.
    ``scale``: (rows,) float32 scale (INT8 tables), else ones.
    ``invalid``: bool (rows, tables), a non-finite activation in the table.
    ``saturated``: bool (rows, tables), the exponent is too small for the row up to this table.
    """

    entries: Array
    exponent: Array
    scale: Array
    invalid: Array
    saturated: Array


def pattern_signs(K: int, table: str, radix: int = 2) -> Array:
    """Signs of the activations for each stored entry, +1 or -1, or 0: (entries, K)."""
    if radix == 3:
        trits = 1 - np.stack(np.unravel_index(np.arange(3**K), (3,) * K), axis=-1)
        # those before the trits of 0; the ones behind are their opposites
        return trits[:3**K // 2]
    patterns = np.arange(1 << K)
    if table == "half":
        patterns = patterns[1 << (K - 1):]
    return 2 * (patterns[:, None] >> np.arange(K) & 1) - 1


def make_tables(codes: Array, p: LutParameters, exponent: Array | None = None) -> Tables:
    """Tables of one operation.

    ``codes``: (rows, k) integers (int8, int16) or raw floating codes; k a multiple of K.
    ``exponent``: (rows,) aligned: exponents that a sender gives; default those that a scan finds
    or, for a design that is given them, the least.
    """
    codes = np.asarray(codes).astype(np.int64)
    rows, k = codes.shape
    if k % p.K:
        raise ValueError(f"k = {k} is not a multiple of K = {p.K}")
    grouped = codes.reshape(rows, k // p.K, p.K)
    signs = pattern_signs(p.K, p.table, p.radix).astype(np.int64)
    fmt = p.activation
    exponents, invalid = np.zeros(rows, np.int64), np.zeros(grouped.shape[:2], bool)
    saturated = invalid
    if isinstance(fmt, FloatFormat):
        invalid = np.asarray(~fmt.is_finite(grouped).all(axis=2))
    scale = np.ones(rows, np.float32)
    if p.is_quantized:
        entries, scale = _quantized(grouped, signs, p)
    elif p.is_float:
        entries = _float_entries(grouped, signs, p)
    elif p.is_aligned:
        exponents = row_exponents(codes, p) if exponent is None else np.asarray(exponent)
        entries, saturated = _aligned(codes, exponents, signs, p)
    else:
        entries = grouped @ signs.T
    return Tables(entries, exponents, scale, invalid, saturated)


def row_exponents(codes: Array, p: LutParameters) -> Array:
    """Exponents (rows,) of aligned rows (rows, k): those that a scan finds, or the least."""
    scale = p.row_scale
    if isinstance(scale, RowScale) and not p.can_saturate:
        return scale.scanned_exponent(codes)
    return scale.least_exponent(codes)


def _aligned(codes: Array, exponents: Array, signs: Array, p: LutParameters) -> tuple[Array, Array]:
    """Entries, and the tables (rows, tables) that an exponent is too small for."""
    scale = p.row_scale
    terms, clipped = scale.terms(codes, exponents)
    entries, saturated = scale.entries(terms, signs)
    saturated = saturated | clipped.reshape(len(codes), -1, p.K).any(axis=2)
    if isinstance(scale, RowScale):
        saturated = saturated | scale.overflows(terms)
    return entries, saturated


def exact_terms(codes: Array, fmt: FloatFormat) -> tuple[Array, int]:
    """Finite codes as signed integers in units of 2**emin (Python integers when wide)."""
    sign, field, significand = fmt.decode(codes)
    finite = fmt.is_finite(codes)
    wide = fmt.precision + fmt.max_exponent_field + 8 > 62
    if wide:
        significand, field = significand.astype(object), field.astype(object)
    magnitude = np.where(finite, significand << (field - 1), 0)
    return np.where(sign == 1, -magnitude, magnitude), fmt.emin


def round_exact(sums: Array, exponent: int, fmt: FloatFormat) -> Array:
    """Signed exact integers times 2**exponent, rounded once to codes of ``fmt``."""
    return fmt.round((sums < 0).astype(np.int64), np.abs(sums), exponent)


def _float_entries(grouped: Array, signs: Array, p: LutParameters) -> Array:
    assert isinstance(p.activation, FloatFormat)
    terms, unit = exact_terms(grouped, p.activation)
    return round_exact(terms @ signs.T.astype(terms.dtype), unit, p.table_float)


def _quantized(codes: Array, signs: Array, p: LutParameters) -> tuple[Array, Array]:
    """INT8 entries and the FP32 scale of each row: scale = max|T| / 127 over the operation.

    Codes come from the float64 quotient, to nearest even; a zero row has scale 0 and codes 0.
    Sums are exact in float64 but for bf16 activations more than 2**40 apart.
    """
    fmt = p.activation
    values = codes.astype(np.float64)
    if isinstance(fmt, FloatFormat):
        values = np.where(fmt.is_finite(codes), fmt.to_float64(codes), 0.0)
    sums = values @ signs.T
    scale = np.abs(sums).max(axis=(1, 2)) / 127
    quotient = sums / np.where(scale == 0, 1, scale)[:, None, None]
    return np.rint(quotient).astype(np.int64), scale.astype(np.float32)
