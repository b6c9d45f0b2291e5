"""Golden model of the core: one tile operation.

An operation is what runs between ``first`` and ``last``: its tables share one exponent (aligned)
or one scale (INT8 tables), its beats add into one accumulator per output, and its result meets
the partial sum once, as it leaves (docs/numerics.md, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FP32, FloatFormat, IntFormat, ProductFormat
from ..group_scale import Codes, code_sum, scaled
from ..requantize import Requantizer, requantize
from .direct import DirectBeats
from .direct_parameters import DirectFrame
from .packing import Beats
from .parameters import LutCoreParameters
from .reads import pattern_reads
from .row_scaled import step
from .table import Tables, exact_terms, round_exact

__all__ = ["Group", "finish", "operation", "scaled_operation"]

Array = NDArray[Any]


def operation(p: LutCoreParameters, tables: Tables, beats: Beats,
              psum: Array | None = None, requantizer: Requantizer | None = None) -> Array:
    """Results of one operation: codes of ``p.out`` as int64, (rows, columns).

    ``tables`` hold the operation's activations, ``beats`` its weight stream; ``psum`` (rows,
    columns) are codes (or integers) of ``p.psum``; ``requantizer`` makes int8 of the sums.
    """
    accumulate = _accumulate_float if p.is_float else _accumulate_fixed
    sums = finish(p, accumulate(p, tables, beats), tables, psum, beats.top_plane)
    return sums if requantizer is None else requantize(sums, requantizer)


@dataclass(frozen=True)
class Group:
    """An accumulation of an operation with group scales."""

    tables: Tables
    beats: Beats
    codes: Codes
    scale: Array                    #: (columns,) codes of ``p.scale_format``
    offset: Array | None = None     #: (columns,) codes of ``p.offset_format``
    row_scale: Array | None = None  #: (rows,) codes of ``p.row_scale_format``

    def factor(self, p: LutCoreParameters) -> Array:
        """Codes of what sums are multiplied by, (columns,) or (rows, columns)."""
        if self.row_scale is None:
            return self.scale
        assert isinstance(p.factor_format, ProductFormat)
        return p.factor_format.codes(self.scale, self.row_scale[:, None])


def scaled_operation(p: LutCoreParameters, groups: Sequence[Group],
                     psum: Array | None = None) -> Array:
    """Results of an operation with group scales: the dequantised sum over its groups.

    Codes of ``p.out``, (rows, columns); ``psum`` (rows, columns) FP32 codes.
    """
    rows, columns = len(groups[0].tables.entries), groups[0].beats.patterns.shape[2]
    y = np.zeros((rows, columns), np.int64) if psum is None else np.asarray(psum, np.int64)
    invalid = np.zeros(rows, bool)
    for group in groups:
        sums, tables = _accumulate_fixed(p, group.tables, group.beats), group.tables
        row_sum = _wrapped(tables.entries[:, :, p.plain_sum].sum(axis=1), p.acc_bits)
        unit = tables.exponent + p.entry_unit
        if p.is_aligned:
            sums = sums << group.beats.top_plane
        if p.has_codes:
            total = code_sum(sums, row_sum, group.beats.bits, group.codes, unit)
        else:       # sums are those of weights, and of half of twice the weights
            total = code_sum(sums, row_sum, 1, Codes.ODD, tables.exponent + p.sum_unit + 1)
        of_row = FP32.round((row_sum < 0).astype(np.int64), np.abs(row_sum), unit)
        y = scaled(total, group.factor(p), y, group.offset, of_row, p.factor_format,
                   p.offset_format or FP32)
        invalid |= tables.invalid.any(axis=1)
    assert isinstance(p.out, FloatFormat)
    return np.where(invalid[:, None], p.out.nan, p.out.convert(y, FP32))


def _wrapped(values: Array, bits: int) -> Array:
    shift = np.int64(64 - bits)
    return (values << shift) >> shift


def select(p: LutCoreParameters, tables: Tables, beats: Beats, t: int) -> tuple[Array, Array]:
    """Entries and signs (1, -1, or 0: nothing is read) of beat ``t``: two arrays (rows, planes *
    groups, columns)."""
    index, sign = pattern_reads(p.K, p.table, p.radix)
    pattern = beats.patterns[t]
    table = beats.step[t] * p.groups + np.tile(np.arange(p.groups), beats.planes)
    return tables.entries[:, table[:, None], index[pattern]], sign[pattern][None]


def _accumulate_fixed(p: LutCoreParameters, tables: Tables, beats: Beats) -> Array:
    """Integer sums of 2**plane * (+-T), wrapped to the accumulator's width; aligned entries step
    down from the top beat instead, which gives sums in units of it."""
    if isinstance(beats, DirectBeats):
        assert isinstance(p, DirectFrame)
        return _wrapped(beats.sums(p, tables.entries), p.acc_bits)
    total = np.zeros((len(tables.entries), beats.patterns.shape[2]), np.int64)
    within = np.repeat(np.arange(beats.planes), p.groups)[:, None]      # planes above the lowest
    for t in range(len(beats.plane)):
        entries, sign = select(p, tables, beats, t)
        plane = int(beats.plane[t])
        entries = step(entries, beats.top_plane - plane) if p.is_aligned else entries << plane
        total += (entries * sign << within).sum(axis=1)
    return _wrapped(total, p.acc_bits)


def _accumulate_float(p: LutCoreParameters, tables: Tables, beats: Beats) -> Array:
    """acc = RN(acc + 2**plane * (+-T)) in the accumulator's format, beat by beat.

    NumPy's float32 and float16 additions are correctly rounded, subnormals included.
    """
    fmt = p.acc_format
    assert fmt is not None
    acc = fmt.to_array(np.zeros((len(tables.entries), beats.patterns.shape[2]), np.int64))
    top = np.int64(1) << (p.table_float.bits - 1)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(len(beats.plane)):
            entries, sign = select(p, tables, beats, t)
            values = p.table_float.to_array(np.where(sign == 0, 0, entries ^ (sign < 0) * top))
            step = values.dtype.type(1 << int(beats.plane[t]))
            acc = acc + _group_sum(p, values * step)
    return fmt.canonical(fmt.from_array(acc))


def _group_sum(p: LutCoreParameters, values: Array) -> Array:
    """Entries of one plane (rows, groups, columns), summed exactly and rounded once."""
    fmt = p.acc_format
    assert fmt is not None
    if p.groups == 1 and fmt == p.table_float:
        return values[:, 0]
    # float64 sums are nearly always exact, and the error of each addition (Knuth's two-sum)
    # says when; the rest, non-finite entries included, is summed in Python integers
    wide = values.astype(np.float64)
    total, exact = wide[:, 0], np.isfinite(wide[:, 0])
    for term in wide.swapaxes(0, 1)[1:]:
        before, total = total, total + term
        part = total - before
        exact = exact & (before - (total - part) + (term - part) == 0)
    result = total.astype(fmt.to_array(np.zeros(1, np.int64)).dtype)
    if not exact.all():
        result[~exact] = _exact_group_sum(p, values.swapaxes(1, 2)[~exact])
    return result


def _exact_group_sum(p: LutCoreParameters, values: Array) -> Array:
    """Sums of (n, groups) entries over the groups, exact and rounded once."""
    fmt, table = p.acc_format, p.table_float
    assert fmt is not None
    codes = table.from_array(values)
    terms, unit = exact_terms(codes, table)
    result = round_exact(terms.sum(axis=1), unit, fmt)
    finite = table.is_finite(codes)
    if not finite.all():
        plus = (codes == table.inf).any(axis=1)
        minus = (codes == table.inf | 1 << (table.bits - 1)).any(axis=1)
        nan = table.is_nan(codes).any(axis=1) | (plus & minus)
        result = np.where(plus, fmt.inf, np.where(minus, fmt.inf | 1 << (fmt.bits - 1), result))
        result = np.where(nan, fmt.nan, result)
    return fmt.to_array(result)


def finish(p: LutCoreParameters, acc: Array, tables: Tables, psum: Array | None,
           top_plane: int) -> Array:
    """What the output lanes do: to the result format, scale, add the partial sum, convert (all but
    requantise: such sums have the format of the partial sums).

    ``top_plane``: aligned sums count 2**top_plane units.
    """
    fmt = p.result_float
    if fmt is None:
        total = acc if psum is None else acc + np.asarray(psum, np.int64)
        assert isinstance(p.psum, IntFormat)
        return p.psum.wrap(total)
    if not p.is_float:
        exponent = tables.exponent + p.sum_unit + (top_plane if p.is_aligned else 0)
        acc = fmt.round((acc < 0).astype(np.int64), np.abs(acc), exponent[:, None])
    with np.errstate(over="ignore", invalid="ignore"):
        value = fmt.to_array(acc)
        if p.is_quantized:
            scale = tables.scale[:, None]
            value = np.where((value == 0) | (scale == 0), np.float32(0), value * scale)
        if psum is not None or p.preload:
            # a core with the partial-sum stream adds zero where there is none
            psum = np.zeros(value.shape, np.int64) if psum is None else psum
            value = value + fmt.to_array(np.asarray(psum, np.int64))
            # no sum underflows: one that is zero is exactly zero, and so +0
            value = np.where(value == 0, fmt.to_array(np.zeros((), np.int64)), value)
    # a result that rounding brought to zero keeps its sign
    code = fmt.from_array(value)
    code = np.where(fmt.is_nan(code), fmt.nan, code)
    assert isinstance(p.out, FloatFormat)
    code = p.out.convert(code, fmt)
    return np.where(tables.invalid.any(axis=1, keepdims=True), p.out.nan, code)
