"""Golden model of the table unit: activations to table entries.

A table of K activations holds signed sums. Bit k of a pattern gives the sign of activation k
(1: plus). The stored half has pattern bit K-1 set, so index ``idx`` means pattern
``2**(K-1) | idx`` and the last entry is the sum of all (docs/numerics.md, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FloatFormat
from .parameters import LutParameters

__all__ = ["Tables", "make_tables", "pattern_signs", "align", "exact_terms", "round_exact",
           "row_exponent"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Tables:
    """Tables of some rows for one operation.

    ``entries``: int64 (rows, tables, entries): integers, or codes of the entry format.
    ``exponent``: (rows,) shared exponent field (aligned), else zeros.
    ``scale``: (rows,) float32 scale (INT8 tables), else ones.
    ``invalid``: bool (rows, tables), a non-finite activation in the table.
    """

    entries: Array
    exponent: Array
    scale: Array
    invalid: Array


def pattern_signs(K: int, table: str) -> Array:
    """Signs (+1/-1) of the activations for each stored entry, (entries, K)."""
    patterns = np.arange(1 << K)
    if table == "half":
        patterns = patterns[1 << (K - 1):]
    return 2 * (patterns[:, None] >> np.arange(K) & 1) - 1


def row_exponent(codes: Array, fmt: FloatFormat) -> Array:
    """Largest exponent field of each row's finite activations (1 for subnormals and zero)."""
    _, exponent, _ = fmt.decode(codes)
    exponent = np.where(fmt.is_finite(codes), exponent, 1)
    return exponent.reshape(len(codes), -1).max(axis=1)


def align(codes: Array, exponent: Array, p: LutParameters) -> Array:
    """Activations as integers in units of 2**(exponent - bias - guard + 1), truncated.

    ``codes`` (rows, ...); ``exponent`` (rows,) the shared exponent fields. Non-finite codes give
    zero: their row is invalid anyway.
    """
    fmt = p.activation
    assert isinstance(fmt, FloatFormat)
    sign, field, significand = fmt.decode(codes)
    shared = exponent.reshape(-1, *[1] * (codes.ndim - 1))
    magnitude = (significand << (p.guard_bits - fmt.precision)) >> np.clip(shared - field, 0, 62)
    return np.where(fmt.is_finite(codes), np.where(sign == 1, -magnitude, magnitude), 0)


def make_tables(codes: Array, p: LutParameters) -> Tables:
    """Tables of one operation.

    ``codes``: (rows, k) integers (int8, int16) or raw floating codes; k a multiple of K.
    """
    codes = np.asarray(codes).astype(np.int64)
    rows, k = codes.shape
    if k % p.K:
        raise ValueError(f"k = {k} is not a multiple of K = {p.K}")
    grouped = codes.reshape(rows, k // p.K, p.K)
    signs = pattern_signs(p.K, p.table).astype(np.int64)
    fmt = p.activation
    exponent, invalid = np.zeros(rows, np.int64), np.zeros(grouped.shape[:2], bool)
    if isinstance(fmt, FloatFormat):
        invalid = np.asarray(~fmt.is_finite(grouped).all(axis=2))
        if p.is_aligned:
            exponent = row_exponent(codes, fmt)
    scale = np.ones(rows, np.float32)
    if p.is_quantized:
        entries, scale = _quantized(grouped, signs, p)
    elif p.is_float:
        entries = _float_entries(grouped, signs, p)
    elif p.is_aligned:
        entries = _rounded(align(grouped, exponent, p) @ signs.T, p)
    else:
        entries = grouped @ signs.T
    return Tables(entries, exponent, scale, invalid)


def _rounded(sums: Array, p: LutParameters) -> Array:
    """Exact aligned sums with ``table_round`` low bits rounded off, to nearest even.

    A sum of all-maximal activations could round up to one more bit than it has; it saturates.
    """
    bits = p.round_bits
    if bits == 0:
        return sums
    floor = sums >> bits
    rest, half = sums - (floor << bits), 1 << (bits - 1)
    rounded = floor + ((rest > half) | ((rest == half) & (floor & 1 == 1)))
    return np.clip(rounded, -p.entry_limit, p.entry_limit)


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
