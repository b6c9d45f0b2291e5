"""What LMMA computes: rows of activations times the weights of a column block, many at once.

The numbers are those of the core (:func:`lowbit.golden.lut.core.scaled_operation`), group by group;
here all row blocks, groups and planes of an instruction go through NumPy together.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FP32, wrap_signed
from ..group_scale import Codes, added, wide
from ..lut.row_scaled import step
from ..lut.table import make_tables
from .parameters import AccelParameters

__all__ = ["Expanded", "expand", "multiply", "rounded"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Expanded:
    """The tables of rows of activations (rows, groups, steps, tables of a step)."""

    values: Array       #: int64 (rows, groups, tables, 2**K): by what a weight field holds
    row_sum: Array      #: int64 (rows, groups): sum of the activations
    exponent: Array     #: int64 (rows, groups): an integer t means t * 2**(exponent + offset)
    invalid: Array      #: bool (rows,): an activation that is not finite
    live: Array         #: bool (rows,): some entry is not 0
    _by_plane: dict[int, Array] = field(default_factory=dict)

    def by_plane(self, p: AccelParameters, planes: int) -> Array:
        """What a field reads in each beat: (live rows, groups * steps * planes * tables of a step *
        2**K), modulo the accumulator's width."""
        if planes not in self._by_plane:
            values = self.values[self.live]
            rows, groups, tables, size = values.shape
            kind = np.int32 if p.core.acc_bits <= 32 else np.int64
            out = np.empty((rows, groups, tables // p.groups, planes, p.groups, size), kind)
            values = values.reshape(out[:, :, :, 0].shape)
            for plane in range(planes):
                out[:, :, :, plane] = step(values, planes - 1 - plane) if p.core.is_aligned \
                    else values << plane
            self._by_plane[planes] = out.reshape(rows, -1)
        return self._by_plane[planes]


def expand(p: AccelParameters, codes: Array, exponent: Array) -> Expanded:
    """Tables of activations (rows, groups, k), raw codes or integers; exponents (rows, groups)."""
    rows, groups, k = codes.shape
    tables = make_tables(codes.reshape(-1, k), p.core, exponent.reshape(-1))
    entries = tables.entries.reshape(rows, groups, k // p.K, -1)
    unit = exponent + p.core.exponent_offset if p.core.is_aligned else np.zeros_like(exponent)
    return Expanded(np.concatenate([entries, -entries], axis=3), entries[..., -1].sum(axis=2),
                    unit, np.asarray(tables.invalid.reshape(rows, -1).any(axis=1)),
                    np.asarray(entries.any(axis=(1, 2, 3))))


def multiply(p: AccelParameters, x: Expanded, fields: Array, planes: int, codes: Codes,
             scale: Array, offset: Array | None, y: Array) -> Array:
    """FP32 codes (rows, N) of ``y`` plus the scaled products.

    ``fields``: uint8 (groups, beats, N * tables of a step) K-bit weight fields, the beats those of
    steps and, within them, planes; ``scale``, ``offset`` codes (groups, N); ``y`` (rows, N) FP32
    codes.
    """
    core, live = p.core, x.live
    of_scale = wide(core.scale_format, scale)
    of_offset = None if offset is None else wide(core.offset_format or FP32, offset)
    result = FP32.canonical(y)
    if not (np.isfinite(of_scale).all() and (of_offset is None or np.isfinite(of_offset).all())):
        live = np.ones_like(live)       # 0 times infinity is a result too
        x = replace(x, live=live, _by_plane={})
    if live.any():
        row_sum = wrap_signed(x.row_sum[live], core.acc_bits)
        unit = x.exponent[live]
        twice = _sums(p, x.by_plane(p, planes), fields, planes) \
            + codes.of_sum(planes) * row_sum[..., None]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            shares = rounded(twice, unit - 1, core.acc_bits + 9)
            shares *= of_scale
            if of_offset is not None:
                shares += rounded(row_sum[..., None], unit, core.acc_bits) * of_offset
        # a zero's sign is lost in the sum, which is never -0
        result[live] = added(shares.swapaxes(0, 1), y[live])
    return np.where(x.invalid[:, None], FP32.nan, result)


def _sums(p: AccelParameters, values: Array, fields: Array, planes: int) -> Array:
    """Accumulators (rows, groups, N) in units of the entries; ``values`` by beat."""
    groups, beats, _ = fields.shape
    size, rows = 1 << p.K, len(values)
    place = np.arange(groups * beats)[:, None] * p.groups + np.tile(np.arange(p.groups), p.N)
    at = fields.reshape(groups * beats, -1) + place * size
    read = np.take(values, at, axis=1).reshape(rows, groups, beats, p.N, p.groups)
    if p.groups > 1:
        read = read.sum(axis=4, dtype=read.dtype)
    sums = read.reshape(rows, groups, beats, p.N).sum(axis=2, dtype=read.dtype)
    sums = wrap_signed(sums, p.core.acc_bits)
    return sums << planes - 1 if p.core.is_aligned else sums


def rounded(integers: Array, exponent: Array, bits: int) -> Array:
    """Integers (rows, groups, ...) below 2**bits times 2**exponent (rows, groups), as float32.

    Rounded once, as :meth:`FloatFormat.round`: a double holds 53 bits, and all exponents of
    activations.
    """
    if bits <= 53 and np.abs(exponent).max() < 900:
        exact = integers * np.ldexp(1.0, exponent)[..., None]
        return np.asarray(exact.astype(np.float32))
    code = FP32.round((integers < 0).astype(np.int64), np.abs(integers), exponent[..., None])
    return FP32.to_array(code)
