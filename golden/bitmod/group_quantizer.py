"""Quantisation of weight groups: nearest grid value and choice of the special value.

One call handles a block of groups of one size. Decisions are exact, and they are fast because
nothing is divided per weight:

- A weight w lies above a threshold t of the grid when w * max|grid| > t * max|w|. Both sides are
  exact in float64 for float32 weights, so each group's thresholds are turned once into the
  largest float32 that does not pass; after that one integer comparison per weight and threshold
  decides, ties to the lower value included.
- A special value changes only the weights around it. The grid's own error is summed once per
  scale; each candidate then corrects it for the few weights that move to its special value.

Contract: docs/numerics.md, section 5; paper Algorithm 1, equations 1 and 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.parameters import ParameterError

from .datatypes import DataType

__all__ = ["GroupResult", "Scratch", "quantize_groups"]

Array = NDArray[Any]

#: a later special value wins only if its error is lower by more than this fraction, so that
#: errors that are equal on paper (mirrored groups) tie on every machine
TIE = 2.0 ** -40


@dataclass(frozen=True)
class GroupResult:
    """A block of n quantised groups of G weights."""

    codes: Array          #: uint8 (n, G)
    selectors: Array      #: uint8 (n,), index into the type's special values
    scales: Array         #: float64 (n,), not rounded
    zero_points: Array    #: int64 (n,), zero but for asymmetric types
    errors: Array         #: float64 (candidates, n): mean square error of each special value


class Scratch:
    """Arrays that are used again from call to call: fresh large ones cost more than the
    arithmetic on them, because the system hands their pages out one by one."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array of any content; the one that was taken under ``name`` before is lost."""
        size = math.prod(shape)
        found = self._arrays.get(name)
        if found is None or found.size < size or found.dtype != dtype:
            found = self._arrays[name] = np.empty(size, dtype)
        return found[:size].reshape(shape)


def quantize_groups(weights: Array, dtype: DataType, scratch: Scratch | None = None) -> GroupResult:
    """Quantise ``weights`` float32 (n, G), each row a group with a scale of its own.

    :class:`ParameterError` if a weight is NaN or infinite.
    """
    weights = np.ascontiguousarray(weights, np.float32)
    kernel = {"float": _float_groups, "int": _int_groups, "int_asym": _asym_groups}[dtype.kind]
    result = kernel(weights, dtype, scratch or Scratch())
    if not np.isfinite(result.scales).all():
        raise ParameterError("weights must be finite in float32; the tensor has NaN, infinite "
                             "or larger values")
    return result


# -- FP3 and FP4 ----------------------------------------------------------------------------------
def _thresholds(largest: Array, quarters: Array, grid_max2x: int) -> tuple[Array, Array]:
    """Thresholds quarters/4 of a grid in units of the weights, as float32 rounded down.

    Returns the largest float32 <= quarters/4 * largest / (grid_max2x/2), per group and threshold
    (n, t), and whether it is less than that (the threshold itself is no float32).
    """
    right = quarters * largest[:, None]      # float64, exact: 24 + 6 bits
    factor = 2.0 * grid_max2x
    floor = (right / factor).astype(np.float32)
    product = floor.astype(np.float64) * factor          # exact as well
    over = product > right
    if over.any():
        floor = np.where(over, np.nextafter(floor, np.float32(-np.inf)), floor)
    return floor, product != right


def _basic_codes(ordered: Array, largest: Array, dtype: DataType, grid_max2x: int,
                 scratch: Scratch) -> tuple[Array, Array]:
    """Index and value (in halves) of the nearest basic magnitude, both uint8 (n, G).

    ``ordered`` holds the weights' bits with the sign rotated to the end: 2 * magnitude + sign.
    A tie goes to the lower value, that is to the larger magnitude for a negative weight only:
    the threshold is passed from 2 * floor + 1 on if it is a float32, else from 2 * floor + 2 on.
    """
    magnitudes = np.array(dtype.magnitudes2x)
    floor, inexact = _thresholds(largest, magnitudes[1:] + magnitudes[:-1], grid_max2x)
    limits = 2 * floor.view(np.uint32) + inexact.astype(np.uint32)
    index, value2x = np.zeros(ordered.shape, np.uint8), np.zeros(ordered.shape, np.uint8)
    passed = scratch.array("passed", ordered.shape, bool)
    step = scratch.array("step", ordered.shape, np.uint8)
    for number, height in enumerate(np.diff(magnitudes)):
        np.greater(ordered, limits[:, number, None], out=passed)
        index += passed.view(np.uint8)
        # summing the steps saves looking the values up afterwards
        value2x += np.multiply(passed.view(np.uint8), np.uint8(height), out=step)
    return index, value2x


def _float_groups(weights: Array, dtype: DataType, scratch: Scratch) -> GroupResult:
    groups, size = weights.shape
    magnitude = np.abs(weights, out=scratch.array("magnitude", weights.shape, np.float32))
    largest = magnitude.max(1).astype(np.float64)
    if not np.isfinite(largest).all():
        return _refused(groups)
    bits = weights.view(np.uint32)
    ordered = np.left_shift(bits, 1, out=scratch.array("ordered", weights.shape, np.uint32))
    ordered |= bits >> 31
    candidates2x = [round(2 * v) for v in dtype.special_values]
    maxima = [max(dtype.magnitudes2x[-1], abs(v)) for v in candidates2x] or [
        dtype.magnitudes2x[-1]]

    index, scale, residual, error = {}, {}, {}, {}
    for top in dict.fromkeys(maxima):
        scale[top] = largest / (top / 2)
        index[top], value2x = _basic_codes(ordered, largest, dtype, top, scratch)
        residual[top] = scratch.array(f"residual{top}", weights.shape, np.float64)
        np.multiply(value2x, (scale[top] / 2)[:, None], out=residual[top])
        residual[top] -= magnitude
        error[top] = np.einsum("ij,ij->i", residual[top], residual[top])

    errors = np.empty((len(maxima), groups))
    moved = []
    for number, top in enumerate(maxima):
        errors[number] = error[top]
        if candidates2x:
            where = _nearest_to(weights, largest, dtype, candidates2x[number], top)
            group = where // size
            value = candidates2x[number] / 2 * scale[top][group]
            gain = residual[top].ravel()[where] ** 2 - (weights.ravel()[where] - value) ** 2
            errors[number] -= np.bincount(group, gain, groups)
            moved.append((where, group))
    errors /= size

    selectors = _first_lowest(errors)
    codes = index[maxima[0]]
    for top in list(index)[1:]:
        chosen = np.array(maxima)[selectors] == top
        np.copyto(codes, index[top], where=chosen[:, None])
    sign = np.signbit(weights).view(np.uint8) << (dtype.bits - 1)
    codes |= sign * (codes > 0)
    for number, (where, group) in enumerate(moved):
        codes.ravel()[where[selectors[group] == number]] = dtype.sv_code
    codes[largest == 0] = 0
    scales = largest / (np.array(maxima)[selectors] / 2)
    return GroupResult(codes, selectors, scales, np.zeros(groups, np.int64), errors)


def _nearest_to(weights: Array, largest: Array, dtype: DataType, value2x: int, top: int) -> Array:
    """Flat indices of the weights to which the special value is nearer than any basic value."""
    basic2x = sorted({s * m for m in dtype.magnitudes2x for s in (1, -1)})
    below = [g for g in basic2x if g < value2x]
    above = [g for g in basic2x if g > value2x]
    middles = np.array([g + value2x for g in (*below[-1:], *above[:1])])
    floor, _ = _thresholds(largest, middles, top)
    inside = weights > floor[:, 0, None] if below else weights <= floor[:, 0, None]
    if below and above:
        inside &= weights <= floor[:, 1, None]
    inside[largest == 0] = False
    return np.flatnonzero(inside)


def _first_lowest(errors: Array) -> Array:
    """Index of the lowest error along axis 0; the first wins ties. uint8."""
    best, selectors = errors[0].copy(), np.zeros(errors.shape[1], np.uint8)
    for number in range(1, len(errors)):
        lower = errors[number] < best * (1 - TIE)
        selectors[lower] = number
        best[lower] = errors[number][lower]
    return selectors


def _refused(groups: int) -> GroupResult:
    """The answer for a block with a weight that is not finite; only its scales are looked at."""
    empty = np.zeros(0, np.uint8)
    return GroupResult(empty, empty, np.full(groups, np.nan), empty, empty)


# -- integers -------------------------------------------------------------------------------------
def _int_groups(weights: Array, dtype: DataType, scratch: Scratch) -> GroupResult:
    """Symmetric integers (equation 1) with ties to the lower value, as for the other grids.

    w * max|grid| is exact in float64 and the quotient correctly rounded: a tie comes out as one,
    and the nearest quotient that is none stays 2**-34 away, so the comparison is exact.
    """
    groups, size = weights.shape
    largest = np.abs(weights).max(1).astype(np.float64)
    if not np.isfinite(largest).all():
        return _refused(groups)
    scales = largest / dtype.max_value
    quotient = scratch.array("quotient", weights.shape, np.float64)
    np.multiply(weights, float(dtype.max_value), out=quotient, dtype=np.float64)
    quotient /= np.where(largest == 0, 1.0, largest)[:, None]
    quotient -= 0.5
    quotient = np.ceil(quotient, out=quotient)
    codes = quotient.astype(np.int8).view(np.uint8) & np.uint8((1 << dtype.bits) - 1)
    quotient *= scales[:, None]
    quotient -= weights
    errors = np.einsum("ij,ij->i", quotient, quotient)[None] / size
    zeros = np.zeros(groups, np.int64)
    return GroupResult(codes, zeros.astype(np.uint8), scales, zeros, errors)


def _asym_groups(weights: Array, dtype: DataType, scratch: Scratch) -> GroupResult:
    """Asymmetric integers (equation 2): the zero point is not clamped, both roundings are half
    to even, codes are clamped to 0 .. 2**b - 1 (two ties can add up to one step more).

    A group of one repeated value c has no range; it takes the scale |c|, which is exact.
    """
    groups, size = weights.shape
    weights = weights.astype(np.float64)
    low, high = weights.min(1), weights.max(1)
    if not (np.isfinite(low) & np.isfinite(high)).all():
        return _refused(groups)
    scales = np.where(high > low, (high - low) / dtype.max_value, np.abs(high))
    step = np.where(scales == 0, 1.0, scales)
    zero_points = np.rint(-low / step)
    quotient = weights / step[:, None]
    quotient = np.rint(quotient, out=quotient)
    quotient += zero_points[:, None]
    quotient = np.clip(quotient, 0, dtype.max_value, out=quotient)
    codes = quotient.astype(np.uint8)
    quotient -= zero_points[:, None]
    quotient *= scales[:, None]
    quotient -= weights
    errors = np.einsum("ij,ij->i", quotient, quotient)[None] / size
    return GroupResult(codes, np.zeros(groups, np.uint8), scales,
                       zero_points.astype(np.int64), errors)
