"""Integer quantisation of weights in groups: r = s(q - z) with unsigned b-bit codes q.

Five kinds, all with one float32 scale s for each group of a channel:

* *symmetric*: z = (2**b - 1) / 2, so that z' = 0 and r = s' q' with the odd levels
  q' = -(2**b - 1) .. 2**b - 1 of :func:`~.packing.reinterpret`, as many below zero as
  above; there is no zero-point term. s' = max|w| / (2**b - 1); with one bit (r = ±s') s' is the
  mean of |w|, which minimises the squared error. A weight half way goes to the higher level.
* *asymmetric*: integer z in 0..2**b - 1. s = (high - low) / (2**b - 1) where low..high is the range
  of the group and of 0; z = -low / s rounded; q = w / s rounded, plus z, clipped. Zero is exact.
* *ternary*: r = s t with trits t = -1, 0, +1, whose codes are q = t + 1 with z = 1. s is the mean
  of |w|, t is w / s rounded and clipped (absmean quantisation of BitNet b1.58, section 2).
* *planes of trits*: the sum of a few ternary matrices, each with scales of its own; a plane is what
  the ones before leave over, made ternary.
* *sparse ternary*: of each four neighbouring weights the one of least magnitude (the first of equal
  ones) is 0, the others keep their signs, 0 has a plus; s is the mean of |w| of those (3:4 sparsity
  of Sherry).

Scales are rounded to float32 such that s' = s / 2 is exact, before codes are taken from them; codes
come from float64 quotients, rounded half to even. A group whose scale is 0 (all weights 0, or too
small for float32) has the code 2**(b-1) everywhere and, where asymmetric, z = 2**(b-1); a ternary
one has zeros, and where sparse what its weights make of it. A channel that the group size does not
divide ends in a shorter group, quantised over what it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..grouped import GroupedWeights, of_planes
from ..groups import Weights, group_count, group_spans, row_blocks
from ..parameters import ParameterError

__all__ = ["quantize", "quantize_planes", "quantize_ternary"]

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


def _ternary(part: Array, bits: int) -> tuple[Array, Array, Array]:
    """(codes, scale, zero) of weights (rows, groups, size)."""
    scale = _scale(np.abs(part).mean(axis=2))
    codes = np.clip(np.rint(part / _divisor(scale)), -1, 1) + 1
    codes[scale == 0] = 1
    return codes, scale, np.ones(scale.shape)


def _sparse_ternary(part: Array, bits: int) -> tuple[Array, Array, Array]:
    """(codes, scale, zero) of weights (rows, groups, size), size a multiple of 4."""
    fours = part.reshape(*part.shape[:2], -1, 4)
    least = np.abs(fours).argmin(axis=-1)[..., None]
    trits = np.where(np.arange(4) == least, 0, np.where(fours < 0, -1, 1)).reshape(part.shape)
    scale = _scale(np.abs(np.where(trits, part, 0)).sum(axis=2) / (part.shape[2] * 3 // 4))
    return trits + 1, scale, np.ones(scale.shape)


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
    method = _symmetric if symmetric else _asymmetric

    def flattened(part: Array, bits: int) -> tuple[Array, Array, Array]:
        q, s, z = method(part, bits)
        flat = s == 0
        q[flat], z[flat] = 1 << (bits - 1), 1 << (bits - 1)
        return q, s, z

    found = _quantize(weights, bits, group_size, flattened, progress)
    return replace(found, zero=None) if symmetric else found


def quantize_ternary(weights: Weights, group_size: int | None = None, *, sparse: bool = False,
                     progress: Callable[[int, int], None] | None = None) -> GroupedWeights:
    """As :func:`quantize`, to trits: codes 0, 1, 2 of two bits with zero points 1. ``sparse``:
    exactly one of each four is 0, k and group size are multiples of 4."""
    if sparse and len(weights.shape) == 2 and (weights.shape[1] % 4 or (group_size or 4) % 4):
        raise ParameterError("sparse ternary weights need multiples of 4 as inputs and "
                             f"--group-size; got {weights.shape[1]} and {group_size}")
    return _quantize(weights, 2, group_size, _sparse_ternary if sparse else _ternary, progress)


def quantize_planes(weights: Weights, planes: int, group_size: int | None = None, *,
                    progress: Callable[[int, int], None] | None = None) -> GroupedWeights:
    """As :func:`quantize_ternary`, a sum of ``planes`` (:func:`~..grouped.of_planes`); groups
    divide k."""
    n, k = weights.shape
    if k % (group_size or k):
        raise ParameterError("planes of trits need a --group-size that divides the inputs; got "
                             f"{group_size} and {k}")
    rest, found = np.asarray(weights[slice(0, n)]).astype(np.float64), []
    for plane in range(planes):
        def share(done: int, of: int, plane: int = plane) -> None:
            if progress is not None:
                progress(plane * of + done, planes * of)
        found.append(quantize_ternary(rest, group_size, progress=share))
        rest = rest - found[-1].dequantize()
    return of_planes(found)


def _quantize(weights: Weights, bits: int, group_size: int | None,
              method: Callable[[Array, int], tuple[Array, Array, Array]],
              progress: Callable[[int, int], None] | None) -> GroupedWeights:
    """Codes, scales and zero points by ``method``, a few rows at a time."""
    _check(weights, bits, group_size)
    n, k = weights.shape
    groups = group_count(k, group_size)
    codes = np.empty((n, k), np.uint8)
    scale = np.empty((n, groups), np.float32)
    zero = np.empty((n, groups), np.uint8)
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
                codes[rows, columns] = q.reshape(len(block), -1)
                scale[rows, span], zero[rows, span] = s, z
        if progress is not None:
            progress(rows.stop, n)
    if bad:
        raise ParameterError(f"weights must be finite; {bad} of {n * k} are NaN or infinite, "
                             f"the first at row {where[0]}, column {where[1]}")
    return GroupedWeights(codes, scale, zero, bits, group_size)
