"""What follows the group sums of the golden BitMoD PE, in rationals and floats: whole layers."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.pe import dequantize_groups, group_sums, group_terms, layer, tensor_layer
from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters
from lowbit.golden.bitmod.quantizer import quantize
from lowbit.golden.formats import FP16, FP32
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.bitmod_accuracy import CONFIGURATIONS


@pytest.mark.parametrize("align", ["row", "cycle"])
def test_layer_steps(align):
    """Dequantisation, group addition, channel scale and FP16 output, in rationals and floats."""
    rng = np.random.default_rng(12)
    dtype, group = get_data_type("bitmod4"), 16
    a = (rng.standard_normal((3, 40)) * 30).astype(np.float16)
    codes = rng.integers(0, 16, (5, 40)).astype(np.uint8)
    special = rng.choice([5.0, -5.0, 8.0, -8.0], (5, 3))
    scales = rng.integers(0, 256, (5, 3))
    scales[0], scales[1] = 0, 255
    channel = rng.random(5).astype(np.float32) * 1e-3
    parameters = BitmodPeParameters(align=align)
    sums = group_sums(FP16.from_array(a), group_terms(codes, special, dtype, group), group,
                      parameters)
    scaled = dequantize_groups(sums, scales)
    expected = np.zeros((3, 5), np.float32)
    for g in range(3):
        for r, c in np.ndindex(3, 5):
            exact = Fraction(int(sums.integer[r, c, g])) * int(scales[c, g]) \
                * Fraction(2) ** int(sums.exponents[r, c, g])
            one = np.float32(exact.numerator / exact.denominator)      # 40 bits: float64 is exact
            assert FP32.to_array(scaled[r, c, g]) == one
            expected[r, c] = expected[r, c] + one
    result = partial(layer, a, codes, dtype, scales, group, special_values=special,
                     parameters=parameters)
    raw = result()
    assert raw.dtype == np.float32 and np.array_equal(raw, expected)
    assert not raw[:, 0].any() and not np.signbit(raw[:, 0]).any()
    scaled_out = result(channel_scale=channel)
    assert np.array_equal(scaled_out, expected * channel)
    expected = (expected * channel).astype(np.float16)
    half = result(channel_scale=channel, out_fp16=True)
    assert half.dtype == np.float16 and np.array_equal(half, expected)


def test_a_zero_result_is_positive():
    a, codes = np.full((1, 4), -1, np.float16), np.full((2, 4), 3, np.uint8)
    y = layer(a, codes, get_data_type("int4"), np.ones((2, 1), int), 4,
              channel_scale=np.array([0, 2], np.float32))
    assert y.view(np.uint32).tolist() == [[0, np.float32(-24).view(np.uint32)]]


def test_each_step_of_an_underflow():
    """A step that rounds to zero keeps the sign; the next one has a zero like any other."""
    a, codes = np.full((1, 4), -2.0**-10, np.float16), np.full((2, 4), 3, np.uint8)
    run = partial(layer, a, codes, get_data_type("int4"), np.ones((2, 1), int), 4,
                  channel_scale=np.array([2.0**-44, 2.0**-149], np.float32))
    y = run()
    assert y[0].tolist() == [-12 * 2.0**-54, 0] and np.signbit(y).all()
    assert run(out_fp16=True).view(np.uint16).tolist() == [[0x8000, 0]]


def test_default_pe_is_close_to_the_matrix_product():
    rng = np.random.default_rng(13)
    a = rng.standard_normal((4, 256)).astype(np.float16)
    codes = rng.integers(0, 64, (6, 256)).astype(np.uint8)
    dtype = get_data_type("int6")
    weights = dtype.values2x()[codes] / 2
    y = layer(a, codes, dtype, np.full((6, 2), 3), 128)
    bound = 3 * np.abs(a.astype(np.float64)) @ np.abs(weights).T
    assert (np.abs(y - 3 * a.astype(np.float64) @ weights.T) <= 1.2e-4 * bound).all()


@pytest.mark.parametrize("name", ["bitmod4", "bitmod3", "fp4", "int6", "int8", "int4_asym"])
def test_quantized_tensor_through_the_pe(name):
    """The layer's output is the product with the dequantised weights, up to the PE's error."""
    rng = np.random.default_rng(14)
    weights = rng.standard_normal((7, 200)).astype(np.float32) * 0.02
    tensor, _ = quantize(weights, get_data_type(name), 64)
    a = rng.standard_normal((3, 200)).astype(np.float16)
    exact = a.astype(np.float64) @ tensor.dequantize().astype(np.float64).T
    bound = np.abs(a.astype(np.float64)) @ np.abs(tensor.dequantize().astype(np.float64)).T
    for parameters, limit in ((CONFIGURATIONS["row"], 1e-5), (CONFIGURATIONS["cycle"], 1.2e-4),
                              (CONFIGURATIONS["exact"], 1e-6)):
        y = tensor_layer(a, tensor, parameters=parameters)
        assert y.dtype == np.float32 and (np.abs(y - exact) <= limit * bound).all()
    assert tensor_layer(a, tensor, out_fp16=True).dtype == np.float16


def test_tensors_that_the_pe_cannot_take():
    weights, a = np.eye(8, dtype=np.float32), np.ones((1, 8), np.float16)
    for name, bits, k, words in (("int4_asym", 16, 8, "--scale-bits 8"),
                                 ("fp4", 16, 8, "--scale-bits 8"), ("fp4", 8, 4, "shape")):
        tensor, _ = quantize(weights, get_data_type(name), 8, bits)
        with pytest.raises(ParameterError, match=words):
            tensor_layer(a[:, :k], tensor)


@pytest.mark.parametrize("bad", [0x7C00, 0xFC00, 0x7C01, 0x7E00, 0xFFFF])
def test_activations_that_are_not_finite(bad):
    a = np.full((3, 12), 0x3C00, np.uint16)
    a[1, 7] = bad
    codes = np.zeros((2, 12), np.uint8)          # even where all weights are zero
    y = layer(a.view(np.float16), codes, get_data_type("fp4"), np.ones((2, 3), int), 4,
              special_values=np.zeros((2, 3)))
    assert y[1].view(np.uint32).tolist() == [0x7FC00000] * 2
    assert not y[0].any() and not y[2].any()
    half = layer(a.view(np.float16), codes, get_data_type("int4"), np.ones((2, 3), int), 4,
                 out_fp16=True)
    assert half[1].view(np.uint16).tolist() == [0x7E00] * 2


def test_overflow_of_the_output():
    a = np.full((1, 4), 65504, np.float16)
    codes = np.full((1, 4), 127, np.uint8)
    arguments = (a, codes, get_data_type("int8"), np.full((1, 1), 255), 4)
    assert np.isposinf(layer(*arguments, channel_scale=np.array([1e38], np.float32))).all()
    assert np.isposinf(layer(*arguments, out_fp16=True)).all()


def test_channel_scale_is_an_ieee_multiplication():
    """Zero times infinity is NaN, of whatever sign canonical; exact zeros are +0; what rounds to
    zero keeps its sign."""
    a = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [-1, 0, 0, 0]], np.float16)
    scales = np.array([np.inf, -np.inf, np.nan, 0, -0.0, 1e-45, 3e38], np.float32)
    codes = np.full((len(scales), 4), 1, np.uint8)
    result = layer(a, codes, get_data_type("fp4"), np.full((len(scales), 1), 1), 4,
                   channel_scale=scales)       # weights of one half
    nan, inf = FP32.nan, FP32.inf
    large = int(FP32.from_array(np.array([3e38], np.float32) / 2)[0])
    negative = 1 << 31
    assert FP32.from_array(result).tolist() == [
        [nan, nan, nan, 0, 0, 0, 0], [inf, inf | negative, nan, 0, 0, 0, large],
        [inf | negative, inf, nan, 0, 0, negative, large | negative]]
