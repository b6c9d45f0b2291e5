"""Products with real minima on the LUT core: the golden model against sums of its own terms, and
a file's own codes on the way into it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lowbit.generators.weights.gguf_blocks import decode_rows
from lowbit.golden.formats import FP16
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.gemm import Gemm, Operands
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.parameters import ParameterError

from .test_gguf import blocks

F32 = np.float32


def exact(a, weights):
    """Activations times dequantised weights in fractions, as float64."""
    return np.array([[float(sum(Fraction(float(x)) * Fraction(float(r))
                                for x, r in zip(row, channel, strict=True)))
                      for channel in weights.dequantize()] for row in a])


def product(p, codes, weights):
    gemm = Gemm(p, Operands.of(codes, weights))
    return gemm.result(gemm.run())


def tame(name, rows, count):
    """Weights of a format whose scales lie near 1."""
    weights = decode_rows(name, blocks(name, rows * count).reshape(rows, -1))
    rng = np.random.default_rng(8)

    def some(x):
        return None if x is None else rng.uniform(0.01, 1, x.shape).astype(np.float16).astype(F32)
    return GroupedWeights(weights.codes, some(weights.scale), weights.zero, weights.bits,
                          weights.group_size, some(weights.minimum)).check()


@pytest.mark.parametrize("name", ["Q4_1", "Q5_1", "Q2_K", "Q4_K", "Q4_0", "Q6_K", "TQ2_0"])
@pytest.mark.parametrize("a_format", ["int8", "fp16"])
def test_close_to_the_dequantised_product(name, a_format):
    weights = tame(name, 3, 2)
    rng = np.random.default_rng(9)
    k = weights.codes.shape[1]
    if a_format == "int8":
        a = codes = rng.integers(-128, 128, (2, k))
    else:
        a = rng.standard_normal((2, k)).astype(np.float16)
        codes = FP16.from_array(a)
    p = LutCoreParameters(M=2, N=4, K=4, w_bits=weights.bits, a_format=a_format)
    y = product(p, codes, weights)
    bound = np.abs(a.astype(float)).sum() * (float(weights.scale.max()) * (1 << weights.bits) + 1)
    assert np.abs(y - exact(a, weights)).max() <= 2**-22 * bound


def test_each_step_rounds_once():
    """The result from the core's sums, written out: groups of 8, a shorter last one."""
    rng = np.random.default_rng(10)
    a, q = rng.integers(-128, 128, (2, 20)), rng.integers(0, 8, (3, 20), np.uint8)
    d, m = (rng.standard_normal((3, 3)).astype(F32) for _ in "dm")
    p = LutCoreParameters(M=2, N=2, K=4, w_bits=3, a_format="int8")
    y = product(p, a, GroupedWeights(q, d, None, 3, 8, m).check())
    for row in range(2):
        for column in range(3):
            total = None
            for g in range(3):
                span = slice(8 * g, 8 * g + 8)
                odd = 2 * q[column, span].astype(int) - 7
                r, ones = int(a[row, span] @ odd), 7 * int(a[row, span].sum())
                e = F32(float(d[column, g]) / 2 + float(m[column, g]) / 7)
                term = F32(F32(r) * (d[column, g] / F32(2))) + F32(F32(ones) * e)
                total = term if total is None else F32(total + term)
            assert y[row, column] == total


def test_zero_points_outside_the_codes_become_minima():
    """GPTQ's z = 16 of 4 bits."""
    rng = np.random.default_rng(11)
    a, q = rng.integers(-128, 128, (2, 16)), rng.integers(0, 16, (3, 16), np.uint8)
    d = np.full((3, 2), 0.5, F32)
    weights = GroupedWeights(q, d, np.full((3, 2), 16, np.int16), 4, 8).check()
    x = Operands.of(a, weights)
    assert x.zero is None
    assert np.all(x.minimum == -8)
    y = product(LutCoreParameters(M=2, N=2, K=4, a_format="int8"), a, weights)
    assert np.allclose(y, exact(a, weights), rtol=1e-5, atol=1e-3)


def test_order_of_inputs():
    rng = np.random.default_rng(12)
    a, q = rng.integers(-128, 128, (2, 16)), rng.integers(0, 16, (3, 16), np.uint8)
    weights = GroupedWeights(q, np.ones((3, 2), F32), np.full((3, 2), 8, np.uint8), 4, 8,
                             order=rng.permutation(16)).check()
    y = product(LutCoreParameters(M=2, N=2, K=4, a_format="int8"), a, weights)
    assert np.array_equal(y, exact(a, weights))


def test_refused():
    q, ones = np.zeros((2, 8), np.uint8), np.ones((2, 1), F32)
    p, a = LutCoreParameters(a_format="int8"), np.ones((1, 8), np.int64)
    with pytest.raises(ParameterError, match="minima need scales"):
        Gemm(p, Operands(a, q, 4, None, None, None, ones))
    with pytest.raises(ParameterError, match="minima must be float32 of shape"):
        Gemm(p, Operands(a, q, 4, None, ones, None, ones[:1]))
    quarters = GroupedWeights(q, ones, None, 4, None, levels=np.full(16, 0.25, F32)).check()
    with pytest.raises(ParameterError, match="floating type must be multiples of a half"):
        Operands.of(a, quarters)
    with pytest.raises(ParameterError, match="factors must be finite float32"):
        replace(quarters, factor=np.ones(3, F32)).check()
