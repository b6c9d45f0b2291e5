"""Golden models of the baselines: IEEE arithmetic, one rounding to nearest even per step.

NumPy's own float16 and float32 operations are those steps exactly: an FP16 product has 22
significand bits and is exact in float32, and an FP16 operation carried out in float32 and rounded
again is the correctly rounded one (24 >= 2 * 11 + 2 bits). The tests check them against exact
integers. NaNs are canonical and a zero is +0 wherever a code leaves a unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FP16, FP32, FloatFormat
from .l_mul import l_mul
from .parameters import BaselineParameters, Fp16DotParameters, PeOptions

__all__ = ["accumulate", "dot_sum", "dot_step", "pe_step", "product"]

Array = NDArray[Any]


def _multiply(p: BaselineParameters, a: Array, b: Array, fmt: FloatFormat) -> Array:
    """FP16 codes to codes of their product in ``fmt``: exact in FP32, rounded once in FP16; or
    that of L-Mul, in either."""
    if p.multiply == "lmul":
        return fmt.convert(l_mul(FP16, a, b), FP16)
    x, y = FP16.to_array(a), FP16.to_array(b)
    kind = np.float16 if fmt == FP16 else np.float32
    with np.errstate(all="ignore"):
        return fmt.from_array(x.astype(kind) * y.astype(kind))


def _add(a: Array, b: Array, fmt: FloatFormat) -> Array:
    """Codes of ``fmt`` to the canonical code of their sum."""
    with np.errstate(all="ignore"):
        return fmt.canonical(fmt.from_array(fmt.to_array(a) + fmt.to_array(b)))


def accumulate(p: BaselineParameters, acc: Array, term: Array, first: Array, en: Array) -> Array:
    """Next accumulators: ``term`` added where ``en``, to zero instead of ``acc`` where ``first``
    as well. All are codes of the accumulator's format or booleans, of one shape."""
    return np.where(en, _add(np.where(first, 0, acc), term, p.acc_format), acc)


def product(p: PeOptions, a: Array, b: Array) -> Array:
    """What a processing element adds: FP16 codes to codes of the accumulator's format."""
    if p.operands == "ieee":
        return _multiply(p, a, b, p.acc_format)
    return FP32.from_array((_plain(p, a) * _plain(p, b)).astype(np.float32))


def _plain(p: PeOptions, codes: Array) -> Array:
    """FP16 codes as numbers (float64) where every exponent is one like any other."""
    sign, field, significand = FP16.decode(np.asarray(codes))
    if p.operands == "normal":
        significand = np.where(significand >> FP16.mbits, significand, 0)
    value = np.ldexp(significand.astype(np.float64), field - 1 + FP16.emin)
    return np.where(sign == 1, -value, value)


def pe_step(p: PeOptions, acc: Array, a: Array, b: Array, first: Array,
            en: Array) -> Array:
    """One cycle of :class:`~lowbit.hdl.baselines.pe.Fp16Pe`: ``acc = RNE(acc + a*b)``.

    FP32 accumulate: the product is exact, so this is a fused multiply-add. FP16 accumulate: the
    product is rounded to FP16 before the addition.
    """
    return accumulate(p, acc, product(p, a, b), first, en)


def dot_sum(p: Fp16DotParameters, a: Array, b: Array) -> Array:
    """Sum of products over the last axis (K FP16 codes, ``b`` of ``p.codes`` where there are),
    code of the accumulator's format.

    Products are rounded to the tree's format; then neighbours are added pair by pair, level by
    level (an odd last one passes to the next level), each sum rounded; the root is converted.
    """
    weights = b if p.codes is None else p.codes.fp16[b]
    level = list(np.moveaxis(_multiply(p, a, weights, p.tree_format), -1, 0))
    while len(level) > 1:
        pairs = [_add(level[i], level[i + 1], p.tree_format) for i in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return p.acc_format.convert(level[0], p.tree_format)


def dot_step(p: Fp16DotParameters, acc: Array, a: Array, b: Array, first: Array,
             en: Array) -> Array:
    """One cycle of :class:`~lowbit.hdl.baselines.dot.Fp16Dot`; a, b (..., K) FP16 codes."""
    return accumulate(p, acc, dot_sum(p, a, b), first, en)
