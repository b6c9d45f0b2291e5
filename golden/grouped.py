"""Weights in groups, whatever made them: unsigned codes with a scale, and what zero is.

The one form that the quantiser, the importers of quantised models and the matrix products share.
A group of ``group_size`` weights along k has a scale d and one of four meanings of its codes q
(b bits, 0 .. 2**b - 1); docs/numerics.md, section 2:

=========== ============================== ====================================================
given       weight r                       where from
=========== ============================== ====================================================
``zero``    d (q - z), any integer z       asymmetric; two's complement has z = 2**(b-1)
``minimum`` d q + m, any real m            GGUF's Q4_1, Q5_1, Q2_K, Q4_K, Q5_K
neither     d (q - (2**b - 1) / 2)         odd levels, symmetric about 0
``levels``  d v_q, values v of a table     codes of a floating type (E2M1 of MXFP4 and NVFP4)
=========== ============================== ====================================================

With levels a channel may have a second scale, its ``factor`` f: f d v_q (NVFP4's scale of the
tensor).

Codes are those of the file: nothing is quantised again, and :meth:`GroupedWeights.dequantize` is
exact. ``order`` is for groups that are not neighbours (GPTQ's act-order): column j of everything
here belongs to input ``order[j]``, so that groups are runs again and a product takes its
activations in that order.

*Planes* with scales of their own are groups as well (:func:`of_planes`): every input then occurs
once a plane, and its weight is the sum of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .error_report import ErrorReport
from .groups import Weights, group_count, group_spans, row_blocks
from .parameters import ParameterError

__all__ = ["GroupedWeights", "check_codes", "error_report", "of_planes"]

Array = NDArray[Any]


def check_codes(codes: Array, bits: int) -> Array:
    """Codes as uint8 (cols, k); :class:`ParameterError` for another shape or a code too large."""
    codes = np.asarray(codes)
    if not 1 <= bits <= 8:
        raise ParameterError(f"--w-bits must be 1..8; got {bits}")
    if codes.dtype.kind not in "iu" or codes.ndim != 2 or codes.size == 0:
        raise ParameterError("weight codes must be integers of shape (cols, k), both at least 1; "
                             f"got {codes.dtype} of shape {codes.shape}")
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or high >= 1 << bits:
        raise ParameterError(f"weight codes must be 0..{(1 << bits) - 1} for {bits} bits; "
                             f"got {low if low < 0 else high}")
    return codes.astype(np.uint8, copy=False)


@dataclass(frozen=True)
class GroupedWeights:
    """Weights of n channels of k inputs in codes; see the module for their meaning.

    :meth:`check` refuses contents that do not fit each other.
    """

    codes: Array                    #: uint8 (n, k): q
    scale: Array                    #: float32 (n, groups): d
    zero: Array | None              #: integers (n, groups): z
    bits: int                       #: bits b of a code, 1 .. 8
    group_size: int | None          #: inputs that share d, z, m; None: one group a channel
    minimum: Array | None = None    #: float32 (n, groups): m
    order: Array | None = None      #: int64 (k,): the input that column j belongs to; None: j
    levels: Array | None = None     #: float32 (2**b,): values v of codes that are not integers
    factor: Array | None = None     #: float32 (n,): f, with levels

    @property
    def symmetric(self) -> bool:
        """Odd levels, symmetric about 0: neither a zero point nor a minimum."""
        return self.zero is None and self.minimum is None and self.levels is None

    @property
    def ternary(self) -> bool:
        """Trits: codes 0, 1, 2 stand for -1, 0, +1 times the scale."""
        return self.bits == 2 and self.zero is not None and bool((self.zero == 1).all()) \
            and bool(self.codes.max() <= 2)

    @property
    def planes(self) -> int:
        """How often each input occurs."""
        return 1 if self.order is None else len(self.order) // (int(self.order.max()) + 1)

    @property
    def inputs(self) -> int:
        return self.codes.shape[1] // self.planes

    @property
    def stored_bits(self) -> int:
        """Bits of codes, 32-bit scales and minima and b-bit zero points."""
        per_group = 32 + (0 if self.zero is None else self.bits) + \
            (0 if self.minimum is None else 32)
        return self.bits * self.codes.size + per_group * self.scale.size

    @property
    def bits_per_weight(self) -> float:
        return self.stored_bits * self.planes / self.codes.size

    def check(self) -> GroupedWeights:
        """Itself; :class:`ParameterError` for shapes that do not fit, and what is not finite."""
        codes = check_codes(self.codes, self.bits)
        n, k = codes.shape
        shape = n, group_count(k, self.group_size)
        meanings = [name for name in ("zero", "minimum", "levels")
                    if getattr(self, name) is not None]
        if len(meanings) > 1:
            raise ParameterError(f"weights must have one meaning; got {' and '.join(meanings)}")
        for what, array in (("scales", self.scale), ("minima", self.minimum)):
            if array is None:
                continue
            if array.dtype != np.float32 or array.shape != shape:
                raise ParameterError(f"{what} must be float32 of shape {shape}; got {array.dtype} "
                                     f"of shape {array.shape}")
            bad = ~np.isfinite(array)
            if bad.any():
                raise ParameterError(f"{what} must be finite; got {array[bad][0]} at channel and "
                                     f"group {np.argwhere(bad)[0].tolist()}")
        if self.zero is not None and (self.zero.dtype.kind not in "iu" or self.zero.shape != shape):
            raise ParameterError(f"zero points must be integers of shape {shape}; got "
                                 f"{self.zero.dtype} of shape {self.zero.shape}")
        if self.order is not None and (
                self.order.shape != (k,) or k != self.inputs * self.planes or
                (np.sort(self.order) != np.repeat(np.arange(self.inputs), self.planes)).any()):
            raise ParameterError(f"the order of inputs must be a permutation of 0..{k - 1}, or "
                                 "have every input once a plane")
        if self.factor is not None and (
                self.levels is None or self.factor.dtype != np.float32
                or self.factor.shape != (n,) or not np.isfinite(self.factor).all()):
            raise ParameterError(f"factors must be finite float32 of shape ({n},), of codes with "
                                 "levels")
        if self.levels is not None and self.levels.shape != (1 << self.bits,):
            raise ParameterError(f"codes of {self.bits} bits must have {1 << self.bits} values; "
                                 f"got {self.levels.shape}")
        return self

    def group_scales(self) -> Array:
        """Scales, float32 (n, groups)."""
        return self.scale

    def integer_values2x(self) -> Array:
        """Weights less their minimum in units of half a scale, int64 (n, k), columns in the order
        of the codes; :class:`ParameterError` for levels that are not multiples of a half."""
        codes = self.codes.astype(np.int64)
        if self.levels is not None:
            twice = 2 * self.levels.astype(np.float64)
            if (twice != np.rint(twice)).any():
                raise ParameterError("levels must be multiples of a half; got "
                                     f"{self.levels[twice != np.rint(twice)][0]}")
            return np.asarray(twice.astype(np.int64)[codes])
        if self.symmetric:
            return 2 * codes - ((1 << self.bits) - 1)
        if self.zero is None:
            return 2 * codes
        group = np.arange(codes.shape[1]) // (self.group_size or codes.shape[1])
        return 2 * (codes - self.zero.astype(np.int64)[:, group])

    def dequantize(self, rows: slice = slice(None)) -> Array:
        """The weights of some channels in the inputs' own order, float64 (n, k).

        Exact for scales, zero points and minima of up to 24 significant bits whose exponents
        differ by less than 2**20 or so: all that files hold. Else rounded once.
        """
        codes, scale = self.codes[rows], self.scale[rows].astype(np.float64)
        out = np.empty(codes.shape)
        for columns, groups, size in group_spans(codes.shape[1], self.group_size):
            q = codes[:, columns].reshape(len(codes), -1, size)
            if self.levels is not None:
                part = self.levels.astype(np.float64)[q]
            elif self.zero is not None:
                part = q - self.zero[rows, groups, None].astype(np.float64)
            else:
                part = q.astype(np.float64)
                if self.minimum is None:
                    part -= ((1 << self.bits) - 1) / 2
            part *= scale[:, groups, None]
            if self.factor is not None:
                part *= self.factor[rows, None, None]
            if self.minimum is not None:
                part += self.minimum[rows, groups, None]
            out[:, columns] = part.reshape(len(codes), -1)
        if self.order is None:
            return out
        straight = np.zeros((len(out), self.inputs))
        places = np.argsort(self.order, kind="stable").reshape(self.inputs, self.planes)
        for plane in range(self.planes):
            straight += out[:, places[:, plane]]
        return straight

    def with_integers(self) -> GroupedWeights:
        """The same weights with integer codes in place of levels that are multiples of a half
        within 8 bits: d v = (d / 2)(q - z), z = 2**(b-1). E2M1 takes 5 bits."""
        if self.levels is None:
            return self
        if self.factor is not None:
            raise ParameterError("integer codes have one scale a group, and these weights have a "
                                 "second one for each channel: take a core that multiplies by it")
        doubled = 2 * self.levels.astype(np.float64)
        largest = int(np.abs(doubled).max())
        half = self.scale / np.float32(2)
        if (doubled != np.rint(doubled)).any() or largest > 127 or (2 * half != self.scale).any():
            raise ParameterError("codes of a floating type must be multiples of a half up to 63.5, "
                                 "of scales that float32 can halve, to be taken as integers")
        bits = largest.bit_length() + 1
        table = (doubled + (1 << (bits - 1))).astype(np.uint8)
        zero = np.full(self.scale.shape, 1 << (bits - 1), np.uint8)
        return replace(self, codes=table[self.codes], scale=half, zero=zero, bits=bits,
                       levels=None).check()

    def with_minimum(self) -> GroupedWeights:
        """The same codes with a minimum in place of a zero point: m = -d z, rounded once to FP32.

        A symmetric form has m = -d (2**b - 1) / 2.
        """
        if self.minimum is not None:
            return self
        if self.levels is not None:
            raise ParameterError("codes of a floating type have no minimum")
        zero = ((1 << self.bits) - 1) / 2 if self.zero is None else self.zero.astype(np.float64)
        with np.errstate(over="ignore"):
            minimum = (0 - self.scale.astype(np.float64) * zero).astype(np.float32)
        return replace(self, zero=None, minimum=minimum).check()


class Dequantizable(Protocol):
    """Quantised weights (n, k) of any form."""

    @property
    def codes(self) -> Array: ...

    @property
    def scale(self) -> Array: ...

    @property
    def stored_bits(self) -> int: ...

    def dequantize(self, rows: slice = ..., /) -> Array: ...


def error_report(weights: Weights, quantized: Dequantizable) -> ErrorReport:
    """Error of the represented weights against the original ones, in float64."""
    report = ErrorReport(weights=weights.shape[0] * weights.shape[1],
                         groups=quantized.scale.size, stored_bits=quantized.stored_bits)
    for rows in row_blocks(quantized.codes.shape):
        block = np.asarray(weights[rows]).astype(np.float64, copy=False)
        error = quantized.dequantize(rows) - block
        report.error += float(np.einsum("ij,ij", error, error))
        report.energy += float(np.einsum("ij,ij", block, block))
        report.max_error = max(report.max_error, float(np.abs(error).max()))
    return report


def of_planes(planes: Sequence[GroupedWeights]) -> GroupedWeights:
    """Weights that are sums of planes, each with scales of its own, as one matrix: group by group,
    in each the planes in their order. A product adds them so.

    The planes have one shape, codes of one meaning with zero points, and whole groups.
    """
    first = planes[0]
    n, k = first.codes.shape
    size = first.group_size or k
    if k % size or any(w.codes.shape != (n, k) or (w.group_size or k) != size or w.zero is None
                       or w.bits != first.bits or w.order is not None for w in planes):
        raise ParameterError("planes must have one shape, codes of one meaning with zero points, "
                             "and groups that divide k; got "
                             f"{[(w.codes.shape, w.group_size, w.bits) for w in planes]}")

    def merged(arrays: list[Array | None], each: int) -> Array:
        return np.stack([np.asarray(x).reshape(n, -1, each) for x in arrays], axis=2).reshape(n, -1)

    order = np.broadcast_to(np.arange(k).reshape(-1, 1, size), (k // size, len(planes), size))
    return GroupedWeights(merged([w.codes for w in planes], size), merged(
        [w.scale for w in planes], 1), merged([w.zero for w in planes], 1), first.bits, size,
        order=order.reshape(-1).astype(np.int64)).check()
