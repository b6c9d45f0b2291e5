"""BitMoD's quantiser: a weight matrix to codes, special-value selectors and two-level scales.

Per group of ``group_size`` weights along the reduction axis: Algorithm 1 of the paper (scale,
nearest grid value, best special value). Second level (section III-C): per output channel
delta = max scale / 127, scale codes = round half to even of scale / delta, in 0 .. 127; a scale
code of 0 is legal and zeroes its group. Codes are not requantised after scales are rounded.
Contract: docs/numerics.md, section 5.

Where ``group_size`` does not divide the channel, the last group holds what remains: it has its
own scale and selector, and costs the same metadata as a full group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.error_report import ErrorReport
from lowbit.golden.group_scale import SCALE_KINDS, wide
from lowbit.golden.groups import second_level
from lowbit.golden.parameters import ParameterError

from .datatypes import DataType
from .group_quantizer import Scratch, quantize_groups

__all__ = ["QuantizedTensor", "check_options", "quantize"]

Array = NDArray[Any]

#: weights handled at once, so that temporaries stay in the cache
BLOCK = 1 << 16
SCALE_BITS = (8, 16)
#: longer than any channel, and still a number that a file can hold
MAX_GROUP_SIZE = (1 << 31) - 1


@dataclass(frozen=True)
class QuantizedTensor:
    """A quantised weight matrix of ``rows`` output channels and ``columns`` inputs (k)."""

    dtype: DataType
    group_size: int
    codes: Array                  #: uint8 (rows, k)
    selectors: Array              #: uint8 (rows, groups), index into the special values
    scale_codes: Array | None     #: uint8 (rows, groups) with 8-bit scales, else None
    channel_scale: Array | None   #: float32 (rows,), delta of the second level, else None
    scales: Array | None          #: float16 (rows, groups) with 16-bit scales, else None
    zero_points: Array | None     #: int32 (rows, groups) of asymmetric types, else None
    scale_kind: str = "int8"      #: what 8-bit scales are (lowbit.golden.group_scale.SCALE_KINDS)

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.codes.shape
        return rows, columns

    @property
    def groups(self) -> int:
        """Groups of one channel, a shorter last one included."""
        return -(-self.shape[1] // self.group_size)

    @property
    def scale_bits(self) -> int:
        return 16 if self.scale_codes is None else 8

    def group_scales(self, rows: slice = slice(None)) -> Array:
        """Scales as the hardware applies them, float64 (rows, groups)."""
        if self.scale_codes is None:
            assert self.scales is not None
            return self.scales[rows].astype(np.float64)
        assert self.channel_scale is not None
        scales = wide(SCALE_KINDS[self.scale_kind], self.scale_codes[rows]).astype(np.float64)
        return scales * self.channel_scale[rows, None]

    def special_values(self) -> Array:
        """Special value of each group, float64 (rows, groups); 0 where the type has none."""
        return np.array(self.dtype.special_values or (0.0,))[self.selectors]

    def integer_values2x(self, rows: slice = slice(None)) -> Array:
        """Unscaled weights in halves, zero points subtracted, int64 (rows, k)."""
        group = np.arange(self.shape[1]) // self.group_size
        values = self.dtype.table2x[self.selectors[rows][:, group], self.codes[rows]]
        if self.zero_points is not None:
            values = values - 2 * self.zero_points[rows][:, group].astype(np.int64)
        return values

    def dequantize(self) -> Array:
        """The weights that the codes stand for, float32 (rows, k); works block by block."""
        rows, columns = self.shape
        out = np.empty((rows, columns), np.float32)
        group = np.arange(columns) // self.group_size
        for part in _row_blocks(rows, columns):
            out[part] = self.integer_values2x(part) / 2 * self.group_scales(part)[:, group]
        return out

    @property
    def zero_point_bits(self) -> int:
        """Bits of a stored zero point: 0 without, 8 where all lie in -128 .. 127, else 16 or 32."""
        if self.zero_points is None:
            return 0
        top = max(int(self.zero_points.max(initial=0)), -1 - int(self.zero_points.min(initial=0)))
        return 8 if top < 1 << 7 else 16 if top < 1 << 15 else 32

    def metadata_bits(self) -> int:
        """Bits beside the codes: scales, selectors, zero points, 32-bit channel scales."""
        rows = self.shape[0]
        selector = max(len(self.dtype.special_values) - 1, 0).bit_length()
        per_group = self.scale_bits + selector + self.zero_point_bits
        return rows * (self.groups * per_group + (32 if self.scale_bits == 8 else 0))

    def bits_per_weight(self) -> float:
        """Stored bits a weight, metadata included."""
        return self.dtype.bits + self.metadata_bits() / max(self.codes.size, 1)


def check_options(group_size: int, scale_bits: int) -> None:
    """Refuse a group size or scale width that :func:`quantize` does not take."""
    if not 1 <= group_size <= MAX_GROUP_SIZE:
        raise ParameterError(f"--group-size must be 1..{MAX_GROUP_SIZE}; got {group_size}")
    if scale_bits not in SCALE_BITS:
        raise ParameterError(f"--scale-bits must be 8 or 16; got {scale_bits}")


def _row_blocks(rows: int, columns: int) -> list[slice]:
    step = max(1, BLOCK // max(columns, 1))
    return [slice(i, min(i + step, rows)) for i in range(0, rows, step)]


class Rows(Protocol):
    """A matrix that is read by rows: an array, or a tensor in a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Array: ...


def quantize(weights: Rows, dtype: DataType, group_size: int = 128, scale_bits: int = 8,
             progress: Callable[[int, int], None] | None = None
             ) -> tuple[QuantizedTensor, ErrorReport]:
    """Quantise ``weights`` (rows = output channels, k = inputs), block by block of rows.

    Weights of any floating type; they are taken as float32 (float64 is rounded to it). Memory
    beside the tensor: one byte a weight and a few blocks. ``progress`` is called with (weights
    done, weights in all). :class:`ParameterError` for NaN or infinite weights, a shape that is
    not two-dimensional, and scales that the chosen width cannot hold.
    """
    if len(weights.shape) != 2 or 0 in weights.shape:
        raise ParameterError("weights must be a matrix (output channels, inputs), not empty; "
                             f"got shape {tuple(weights.shape)}")
    check_options(group_size, scale_bits)
    rows, columns = weights.shape
    groups = -(-columns // group_size)
    asym = dtype.kind == "int_asym"
    tensor = QuantizedTensor(
        dtype, group_size, np.empty((rows, columns), np.uint8),
        np.empty((rows, groups), np.uint8),
        np.empty((rows, groups), np.uint8) if scale_bits == 8 else None,
        np.empty(rows, np.float32) if scale_bits == 8 else None,
        np.empty((rows, groups), np.float16) if scale_bits == 16 else None,
        np.empty((rows, groups), np.int32) if asym else None)
    report = ErrorReport(weights=rows * columns, groups=rows * groups, unrounded=0.0)
    scratch = Scratch()
    for part in _row_blocks(rows, columns):
        with np.errstate(over="ignore"):     # float64 beyond float32: infinite, refused below
            block = np.ascontiguousarray(weights[part], np.float32)
        scales = _quantize_rows(block, tensor, part, report, scratch)
        _store_scales(scales, tensor, part)
        _add_errors(block, scales, tensor, part, report, scratch)
        if progress is not None:
            progress(part.stop * columns, rows * columns)
    counts = np.bincount(tensor.selectors.ravel(), minlength=len(dtype.special_values))
    report.histogram = {f"{v:+g}": int(n) for v, n in zip(dtype.special_values, counts,
                                                              strict=False)}
    report.stored_bits = tensor.codes.size * dtype.bits + tensor.metadata_bits()
    return tensor, report


def _spans(columns: int, size: int) -> list[tuple[slice, slice, int]]:
    """(columns, groups, group size) of the full groups and of the shorter last one."""
    full = columns // size
    spans = [(slice(0, full * size), slice(0, full), size)] if full else []
    if columns % size:
        spans.append((slice(full * size, columns), slice(full, full + 1), columns % size))
    return spans


def _quantize_rows(block: Array, tensor: QuantizedTensor, part: slice,
                   report: ErrorReport, scratch: Scratch) -> Array:
    """Fill codes, selectors and zero points of the rows ``part``; returns the scales."""
    count, columns = block.shape
    scales = np.empty((count, tensor.groups))
    for inputs, groups, size in _spans(columns, tensor.group_size):
        result = quantize_groups(block[:, inputs].reshape(-1, size), tensor.dtype,
                                 scratch)
        tensor.codes[part, inputs] = result.codes.reshape(count, -1)
        tensor.selectors[part, groups] = result.selectors.reshape(count, -1)
        scales[:, groups] = result.scales.reshape(count, -1)
        chosen = result.errors[result.selectors, np.arange(len(result.selectors))]
        assert report.unrounded is not None
        report.unrounded += float(chosen.sum()) * size
        if tensor.zero_points is not None:
            largest = int(np.abs(result.zero_points).max())
            if largest > np.iinfo(np.int32).max:
                raise ParameterError("zero points of an asymmetric type must fit 32 bits; a group "
                                     f"far from zero needs {largest}; use a symmetric type")
            tensor.zero_points[part, groups] = result.zero_points.reshape(count, -1)
    return scales


def _store_scales(scales: Array, tensor: QuantizedTensor, part: slice) -> None:
    if tensor.scale_codes is not None and tensor.channel_scale is not None:
        tensor.scale_codes[part], tensor.channel_scale[part] = second_level(scales)
        return
    assert tensor.scales is not None
    largest = float(scales.max())
    if largest >= 65520:                     # rounds to infinity in FP16
        raise ParameterError("--scale-bits 16 holds scales up to 65504; a group needs "
                             f"{largest:g}; use --scale-bits 8")
    tensor.scales[part] = scales


def _add_errors(block: Array, scales: Array, tensor: QuantizedTensor, part: slice,
                report: ErrorReport, scratch: Scratch) -> None:
    """Add the energy of the weights and the error of what is stored."""
    effective = tensor.group_scales(part)
    report.zeroed_groups += int(((effective == 0) & (scales > 0)).sum())
    count, columns = block.shape
    for inputs, groups, size in _spans(columns, tensor.group_size):
        codes = tensor.codes[part, inputs].reshape(count, -1, size)
        if len(tensor.dtype.table2x) > 1:
            # selector and code make one index (types with special values have short codes)
            index = codes + (tensor.selectors[part, groups, None] << tensor.dtype.bits)
        else:
            index = codes
        # clip: every index is in range, and the checked form is slower
        values = scratch.array("values", index.shape, np.float64)
        np.take(tensor.dtype.table2x.ravel() / 2, index, mode="clip", out=values)
        if tensor.zero_points is not None:
            values -= tensor.zero_points[part, groups, None]
        values *= effective[:, groups, None]
        weights = block[:, inputs].reshape(count, -1, size)
        report.energy += float(np.einsum("ijk,ijk->", weights, weights, dtype=np.float64))
        values -= weights
        report.error += float(np.einsum("ijk,ijk->", values, values))
        report.max_error = max(report.max_error, float(values.max()), -float(values.min()))
