"""Golden model of the core: one tile operation, and a whole GEMM cut into operations.

An operation is what runs between ``first`` and ``last``: its tables share one exponent (aligned)
or one scale (INT8 tables), its beats add into one accumulator per output, and its result meets
the partial sum once, as it leaves (docs/numerics.md, section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FloatFormat, IntFormat
from ..packing import Beats, weight_beats
from .parameters import LutCoreParameters
from .table import Tables, exact_terms, make_tables, round_exact

__all__ = ["operation", "gemm", "finish", "pad_activations", "result_array"]

Array = NDArray[Any]


def operation(p: LutCoreParameters, tables: Tables, beats: Beats,
              psum: Array | None = None) -> Array:
    """Results of one operation: codes of ``p.out`` as int64, (rows, columns).

    ``tables`` hold the operation's activations, ``beats`` its weight stream; ``psum`` (rows,
    columns) are codes (or integers) of ``p.psum``.
    """
    accumulate = _accumulate_float if p.is_float else _accumulate_fixed
    return finish(p, accumulate(p, tables, beats), tables, psum)


def select(p: LutCoreParameters, tables: Tables, beats: Beats, t: int) -> tuple[Array, Array]:
    """Entries and signs that beat ``t`` reads: two arrays (rows, groups, columns).

    The read of a full table has no sign. In a half table a pattern whose top bit is clear is read
    at its complement, negated.
    """
    pattern = beats.patterns[t].astype(np.int64)
    negative = np.zeros_like(pattern)
    if p.table == "half":
        negative = 1 - (pattern >> (p.K - 1))
        pattern = (pattern ^ -negative) & (p.entries - 1)
    table = beats.step[t] * p.groups + np.arange(p.groups)
    return tables.entries[:, table[:, None], pattern], negative[None]


def _accumulate_fixed(p: LutCoreParameters, tables: Tables, beats: Beats) -> Array:
    """Integer sums of 2**plane * (+-T), wrapped to the accumulator's width."""
    total = np.zeros((len(tables.entries), beats.patterns.shape[2]), np.int64)
    for t in range(len(beats.plane)):
        entries, negative = select(p, tables, beats, t)
        total += np.where(negative, -entries, entries).sum(axis=1) << int(beats.plane[t])
    shift = np.int64(64 - p.acc_bits)
    return (total << shift) >> shift


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
            entries, negative = select(p, tables, beats, t)
            values = p.table_float.to_array(entries ^ negative * top)
            step = values.dtype.type(1 << int(beats.plane[t]))
            acc = acc + _group_sum(p, values * step)
    return fmt.canonical(fmt.from_array(acc))


def _group_sum(p: LutCoreParameters, values: Array) -> Array:
    """Entries of one plane (rows, groups, columns), summed exactly and rounded once."""
    fmt, table = p.acc_format, p.table_float
    assert fmt is not None
    if p.groups == 1 and fmt == table:
        return values[:, 0]
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


def finish(p: LutCoreParameters, acc: Array, tables: Tables, psum: Array | None) -> Array:
    """What the output lanes do: to the result format, scale, add the partial sum, convert."""
    fmt = p.result_float
    if fmt is None:
        total = acc if psum is None else acc + np.asarray(psum, np.int64)
        assert isinstance(p.out, IntFormat)
        return p.out.wrap(total)
    if not p.is_float:
        exponent = tables.exponent + (p.exponent_offset if p.is_aligned else 0)
        acc = fmt.round((acc < 0).astype(np.int64), np.abs(acc), exponent[:, None])
    with np.errstate(over="ignore", invalid="ignore"):
        value = fmt.to_array(acc)
        if p.is_quantized:
            value = value * tables.scale[:, None]
        if psum is not None:
            value = value + fmt.to_array(np.asarray(psum, np.int64))
    code = fmt.canonical(fmt.from_array(value))
    assert isinstance(p.out, FloatFormat)
    code = p.out.convert(code, fmt)
    return np.where(tables.invalid.any(axis=1, keepdims=True), p.out.nan, code)


def pad_activations(p: LutCoreParameters, codes: Array) -> Array:
    """Activations (rows, k) with zeros up to a whole number of beats."""
    per_beat = p.K * p.groups
    pad = -codes.shape[1] % per_beat
    return np.pad(codes, ((0, 0), (0, pad))) if pad else codes


def gemm(p: LutCoreParameters, codes: Array, q: Array, bits: int, zero: Array | None = None,
         run: Callable[[Tables, Beats, Array | None], Array] | None = None) -> Array:
    """A whole GEMM: sum of a * q' (or a * (q' - z')) over k, as codes of ``p.out``.

    ``codes`` (rows, k) integers or raw floating codes; ``q`` (columns, k) unsigned weight codes of
    ``bits`` bits; ``zero`` (columns,) unsigned zero points or None. k is cut into operations of
    ``p.max_k`` that follow each other through the partial sum. ``run`` replaces
    :func:`operation` by something else that computes one (the simulated RTL).
    """
    run = run or (lambda tables, beats, psum: operation(p, tables, beats, psum))
    step = p.max_k // (p.K * p.groups) * (p.K * p.groups)
    psum: Array | None = None
    result = np.zeros((len(codes), len(q)), np.int64)
    for start in range(0, codes.shape[1], step):
        part = pad_activations(p, codes[:, start:start + step])
        beats = weight_beats(q[:, start:start + step], bits, p.K, p.groups, zero)
        result = run(make_tables(part, p), beats, psum)
        psum = result
        if isinstance(p.psum, FloatFormat) and isinstance(p.out, FloatFormat):
            psum = p.psum.convert(result, p.out)
    return result


def result_array(p: LutCoreParameters, codes: Array) -> Array:
    """Result codes as the array a user wants: int64, or float32."""
    if isinstance(p.out, IntFormat):
        return np.asarray(codes, np.int64)
    return p.out.to_float64(codes).astype(np.float32)
