"""Integer quantisation of weights in groups: r = s(q - z) with unsigned b-bit codes q.

Two kinds, both with one float32 scale s for each group of a channel:

* *symmetric*: z = (2**b - 1) / 2, so that z' = 0 and r = s' q' with the odd levels
  q' = -(2**b - 1) .. 2**b - 1 of :func:`~.packing.reinterpret`, as many below zero as
  above; there is no zero-point term. s' = max|w| / (2**b - 1); with one bit (r = ±s') s' is the
  mean of |w|, which minimises the squared error. A weight half way goes to the higher level.
* *asymmetric*: integer z in 0..2**b - 1. s = (high - low) / (2**b - 1) where low..high is the range
  of the group and of 0; z = -low / s rounded; q = w / s rounded, plus z, clipped. Zero is exact.

Scales are rounded to float32 such that s' = s / 2 is exact, before codes are taken from them; codes
come from float64 quotients, rounded half to even. A group whose scale is 0 (all weights 0, or too
small for float32) has the code 2**(b-1) everywhere and, where asymmetric, z = 2**(b-1). A channel
that the group size does not divide ends in a shorter group, quantised over what it has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..grouped import GroupedWeights
from ..groups import Weights, group_count, group_spans, row_blocks
from ..parameters import ParameterError

__all__ = ["quantize"]

Array = NDArray[Any]


def _check(weights: Weights, bits: int, group_size: int | None) -> None:
    if not 1 <= bits <= 8:
        raise ParameterError(f"--w-bits must be 1..8; got {bits}")
    if group_size is not None and group_size < 1:
        raise ParameterError(f"--group-size must be at least 1; got {group_size}")
    if len(weights.shape) != 2 or 0 in weights.shape:
        raise ParameterError("weights must have shape (n, k), both at least 1; "
                             f"got {tuple(weights.shape)}")


def _symmetric(part: Array, bits: int) -> tuple[Array, Array, Array]:
    """(codes, scale, zero) of weights (rows, groups, size); the zero points are dummies."""
    middle = 1 << (bits - 1)
    magnitude = np.abs(part)
    half = magnitude.mean(axis=2) if bits == 1 else magnitude.max(axis=2) / (2 * middle - 1)
    scale = _scale(2 * half)
    codes = np.clip(np.floor(part / _divisor(scale)) + middle, 0, 2 * middle - 1)
    return codes, scale, np.full(scale.shape, middle)


def _asymmetric(part: Array, bits: int) -> tuple[Array, Array, Array]:
    """(codes, scale, zero) of weights (rows, groups, size)."""
    top = (1 << bits) - 1
    low, high = np.minimum(part.min(axis=2), 0), np.maximum(part.max(axis=2), 0)
    scale = _scale(high / top - low / top)
    zero = np.clip(np.rint(-low / _divisor(scale)[..., 0]), 0, top)
    codes = np.clip(np.rint(part / _divisor(scale)) + zero[..., None], 0, top)
    return codes, scale, zero


def _scale(exact: Array) -> Array:
    """Scales as float32 whose half is a float32 too."""
    with np.errstate(over="ignore"):
        scale = np.float32(2) * (exact / 2).astype(np.float32)
    if not np.isfinite(scale).all():
        raise ParameterError("a group's scale must fit float32; got "
                             f"{exact[~np.isfinite(scale)].max():.3g}")
    return scale


def _divisor(scale: Array) -> Array:
    """Scales as float64 divisors (rows, groups, 1), 1 in place of 0."""
    return np.where(scale == 0, 1, scale).astype(np.float64)[..., None]


def quantize(weights: Weights, bits: int, group_size: int | None = None, *,
             symmetric: bool = False, progress: Callable[[int, int], None] | None = None
             ) -> GroupedWeights:
    """Quantise weights (n, k) to codes of ``bits`` (1..8) in groups of ``group_size`` along k.

    ``progress`` is called with (channels done, channels in all). Weights are read a few rows at a
    time. Raises :class:`ParameterError` for parameters out of range and for weights that are NaN
    or infinite.
    """
    _check(weights, bits, group_size)
    n, k = weights.shape
    groups = group_count(k, group_size)
    codes = np.empty((n, k), np.uint8)
    scale = np.empty((n, groups), np.float32)
    zero = np.empty((n, groups), np.uint8)
    middle = 1 << (bits - 1)
    method = _symmetric if symmetric else _asymmetric
    bad, where = 0, (0, 0)
    for rows in row_blocks((n, k)):
        with np.errstate(invalid="ignore"):      # signalling NaN: refused below
            block = np.asarray(weights[rows]).astype(np.float64, copy=False)
        finite = np.isfinite(block)
        if not finite.all():
            if not bad:
                row, column = np.argwhere(~finite)[0]
                where = (rows.start + int(row), int(column))
            bad += int(np.count_nonzero(~finite))
        if not bad:      # once refused, the other rows are only counted
            for columns, span, size in group_spans(k, group_size):
                part = block[:, columns].reshape(len(block), -1, size)
                with np.errstate(over="ignore"):      # an infinite scale is refused
                    q, s, z = method(part, bits)
                flat = s == 0
                q[flat], z[flat] = middle, middle
                codes[rows, columns] = q.reshape(len(block), -1)
                scale[rows, span], zero[rows, span] = s, z
        if progress is not None:
            progress(rows.stop, n)
    if bad:
        raise ParameterError(f"weights must be finite; {bad} of {n * k} are NaN or infinite, "
                             f"the first at row {where[0]}, column {where[1]}")
    return GroupedWeights(codes, scale, None if symmetric else zero, bits, group_size)
