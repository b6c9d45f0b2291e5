"""The direct core: its golden model against exact sums, its RTL against that, and its commands."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lowbit.generators.flow.product import simulate_product
from lowbit.golden.block_formats import quantize
from lowbit.golden.coded_integers import E2M1, CodedInt
from lowbit.golden.digits import FORMATS
from lowbit.golden.formats import E8M0, FP8_E4M3, FP32, ExponentFormat, FloatFormat
from lowbit.golden.group_scale import Codes, wide
from lowbit.golden.lut.core import Group, operation, scaled_operation
from lowbit.golden.lut.direct import direct_beats
from lowbit.golden.lut.direct_gemm import DirectOperands, DirectWorkload, fitting_format
from lowbit.golden.lut.direct_parameters import CODED, PRESETS, DotCoreParameters
from lowbit.golden.lut.table import make_tables
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.lut_run import run_bench

Array = Any

#: codes of 1
FORMATS_ONE = {"e8m0": 127, "fp8_e4m3": 0x38}


def draw(rng: np.random.Generator, p: DotCoreParameters, k: int) -> tuple[Array, Array]:
    """Activations (M, k) as the golden model takes them, weights (N, k); extremes among them."""
    form, fmt = FORMATS[p.w_format], p.frame.activation
    held = form.values[list(form.codes)]
    weights = rng.choice(held, (p.N, k))
    weights[0], weights[1 % p.N, ::2] = held.min(), held.max()
    if isinstance(fmt, FloatFormat):
        return fmt.from_float64(rng.standard_normal((p.M, k))), weights
    a = rng.integers(fmt.low, fmt.high, (p.M, k), endpoint=True)
    a[0] = fmt.low
    return fmt.nearest(a) if isinstance(fmt, CodedInt) else a, weights


def values(p: DotCoreParameters, codes: Array) -> list[list[Fraction]]:
    """Activations as exact numbers."""
    fmt = p.frame.activation
    if isinstance(fmt, FloatFormat):
        return [[Fraction(float(x)) for x in row] for row in fmt.to_float64(codes)]
    unit = fmt.unit if isinstance(fmt, CodedInt) else 0
    return [[Fraction(int(x)) * Fraction(2) ** unit for x in row] for row in codes]


@pytest.mark.parametrize("w_format", FORMATS)
@pytest.mark.parametrize("a_format", ["int8", *CODED])
def test_integers_are_exact(w_format: str, a_format: str) -> None:
    """Sums of the longest operation, in the unit that the manifest states; INT_MIN is legal."""
    p = DotCoreParameters(M=2, N=3, K=3, w_format=w_format, a_format=a_format, max_k=48,
                          recode="packer")
    codes, weights = draw(np.random.default_rng(1), p, 48)
    beats = direct_beats(weights, p.frame)
    got = operation(p.frame, make_tables(codes, p.frame), beats)
    np.testing.assert_array_equal(got, codes @ weights.T)
    unit = Fraction(2) ** p.derived()["sum_unit"]
    exact = values(p, codes)
    weight_unit = Fraction(2) ** FORMATS[w_format].unit
    for m, row in enumerate(exact):
        for n in range(p.N):
            assert int(got[m, n]) * unit == sum(
                (a * int(w) * weight_unit for a, w in zip(row, weights[n], strict=True)),
                Fraction(0))
    # the port has codes of the format's bits, and they mean the weights
    words = [int.from_bytes(word.tobytes(), "little") for word in beats.words()]
    bits, form = FORMATS[w_format].port_bits, FORMATS[w_format]
    sent = [[form.values[words[t] >> (n * 3 + j) * bits & (1 << bits) - 1]
             for t in range(16) for j in range(3)] for n in range(3)]
    np.testing.assert_array_equal(sent, weights)


@pytest.mark.parametrize("bits", range(2, 9))
def test_recoded_in_the_core(bits: int) -> None:
    """By default the port takes two's complement, of all weights, and fewer bits."""
    p = DotCoreParameters(M=1, N=2, K=2, w_format=f"int{bits}", a_format="int8")
    weights = np.arange(-1 << bits - 1, 1 << bits - 1).reshape(2, -1)
    words = [int.from_bytes(word.tobytes(), "little")
             for word in direct_beats(weights, p.frame).words()]
    assert p.derived()["weight_bits"] == bits
    sent = [[words[i // 2] >> (n * 2 + i % 2) * bits & (1 << bits) - 1
             for i in range(weights.shape[1])] for n in range(2)]
    np.testing.assert_array_equal(sent, weights & (1 << bits) - 1)


@pytest.mark.parametrize("a_format", ["fp16", "bf16", "fp8_e4m3"])
def test_row_scaled_sums(a_format: str) -> None:
    """Each activation is off by half a unit of its row at most, and the sum is rounded once."""
    p = DotCoreParameters(M=4, N=3, K=4, a_format=a_format, max_k=64)
    codes, weights = draw(np.random.default_rng(2), p, 64)
    tables = make_tables(codes, p.frame)
    assert isinstance(p.frame.out, FloatFormat)
    got = p.frame.out.to_float64(operation(p.frame, tables, direct_beats(weights, p.frame)))
    for m, row in enumerate(values(p, codes)):
        unit = Fraction(2) ** int(tables.exponent[m] + p.frame.exponent_offset)
        for n in range(p.N):
            exact = sum((a * int(w) for a, w in zip(row, weights[n], strict=True)), Fraction(0))
            bound = unit / 2 * int(np.abs(weights[n]).sum())
            half_ulp = abs(exact) / 2**23
            assert abs(Fraction(float(got[m, n])) - exact) <= bound + half_ulp
    assert (tables.entries != 0).any() and (np.abs(tables.entries) <= p.frame.entry_limit).all()


def test_group_scales_against_fractions() -> None:
    """y = y + (d Q + m A), Q and A exact and rounded once to FP32, every step rounded once."""
    p = DotCoreParameters(M=2, N=8, K=4, w_format="e2m1", a_format="e2m1", max_k=32,
                          group_scale="fp32", offset="real", lanes=1)
    rng = np.random.default_rng(3)
    groups, y = [], np.zeros((2, 8), np.float32)
    for _ in range(3):
        codes, weights = draw(rng, p, 32)
        scale, minimum = rng.standard_normal((2, 8)).astype(np.float32)
        groups.append(Group(make_tables(codes, p.frame), direct_beats(weights, p.frame), Codes.ODD,
                            FP32.from_array(scale), FP32.from_array(minimum)))
        sums = (codes @ weights.T / 4).astype(np.float32)       # exact: halves times halves
        row = (codes.sum(axis=1) / 2).astype(np.float32)
        y = y + (scale * sums + minimum * row[:, None])
    got = FP32.to_array(scaled_operation(p.frame, groups))
    np.testing.assert_array_equal(got, y)


@pytest.mark.parametrize(("preset", "kind"), [("mxfp4", E8M0), ("mxint8", E8M0),
                                              ("nvfp4", FP8_E4M3)])
def test_block_scales_of_both_sides(preset: str, kind: ExponentFormat | FloatFormat) -> None:
    """Several rows, tiles and a tail: each block's product of scales is exact, and so is its share;
    only the sums of blocks round."""
    p, rng = DotCoreParameters(preset=preset, M=2, N=8, K=4, lanes=1), np.random.default_rng(6)
    size, rows, columns, k = p.max_k, 3, 9, 2 * p.max_k + 5
    codes, weights = (np.concatenate([x] * 5)[:n] for x, n in zip(draw(rng, p, k), (rows, columns),
                                                                  strict=True))
    low, high = (117, 137) if kind == E8M0 else (1, 0x70)
    a_codes, w_codes = rng.integers(low, high, (rows, 3)), rng.integers(low, high, (columns, 3))
    a_scale, w_scale = wide(kind, a_codes), wide(kind, w_codes)
    workload = DirectWorkload(p, DirectOperands(codes, weights, w_scale, size, row_scale=a_scale))
    got = workload.golden()
    unit = Fraction(2) ** p.frame.sum_unit
    for m in range(rows):
        for n in range(columns):
            y = np.float32(0)
            for g in range(3):
                part = slice(size * g, size * g + size)
                block = int(codes[m, part] @ weights[n, part]) * unit
                share = block * Fraction(float(a_scale[m, g])) * Fraction(float(w_scale[n, g]))
                assert Fraction(float(np.float32(float(share)))) == share, "exact in FP32"
                y = y + np.float32(float(share))
            assert got[m, n] == y
    # a NaN scale of a block: its row, and no other; the scales of 1 by themselves change nothing
    frame, tables = p.frame, make_tables(codes[:2, :size], p.frame)
    beats = direct_beats(weights[:8, :size], frame)
    one = FORMATS_ONE[kind.name]
    scale, nan = np.full(8, one), np.array([one, kind.nan])
    plain = FP32.to_array(scaled_operation(frame, [
        Group(tables, beats, Codes.ODD, scale, None, np.full(2, one))]))
    np.testing.assert_array_equal(plain, (codes[:2, :size] @ weights[:8, :size].T) * float(unit))
    spoilt = FP32.to_array(scaled_operation(frame, [
        Group(tables, beats, Codes.ODD, scale, None, rows) for rows in (nan, np.full(2, one))]))
    np.testing.assert_array_equal(spoilt[0], 2 * plain[0])
    assert np.isnan(spoilt[1]).all()


def test_zeros_need_no_scale() -> None:
    """E8M0 has no zero: a group of zero weights may have any scale."""
    p = DotCoreParameters(preset="mxint8", M=1, N=8, lanes=1)
    weights = np.ones((2, 64), int)
    weights[1, :32] = 0
    scale = np.array([[1, 1], [0, 2]], np.float32)
    got = DirectWorkload(p, DirectOperands(np.full((1, 64), 64), weights, scale, 32)).golden()
    assert got.tolist() == [[64, 64]]
    with pytest.raises(ParameterError, match="scales must be e8m0 numbers for this design; got 0"):
        DirectWorkload(p, DirectOperands(np.full((1, 64), 64), weights,
                                         np.zeros((2, 2), np.float32), 32))


def test_second_scales_of_columns() -> None:
    """NVFP4's scale of a tensor multiplies the results, once."""
    rng = np.random.default_rng(7)
    p = DotCoreParameters(preset="nvfp4", N=8, lanes=1)
    tensor = quantize(rng.standard_normal((5, 32)), "nvfp4")
    codes = E2M1.nearest(rng.integers(-12, 12, (2, 32)))
    got = DirectWorkload(p, DirectOperands.of(codes, tensor, "e2m1")).golden()
    exact = codes / 2 @ tensor.dequantize().T
    np.testing.assert_allclose(got, exact, rtol=1e-6, atol=1e-6 * np.abs(exact).max())


def test_whole_product() -> None:
    """Groups, tails and tiles; every weight format of gen quantize finds its format of digits."""
    rng = np.random.default_rng(4)
    p = DotCoreParameters(M=2, N=3, K=4, a_format="int8", w_format="int5", max_k=16)
    a, w = rng.integers(-128, 128, (5, 37)), rng.integers(-16, 16, (7, 37))
    scale = rng.standard_normal((7, 4)).astype(np.float32)
    exact = DirectWorkload(p, DirectOperands(a, w)).golden()
    np.testing.assert_array_equal(exact, a @ w.T)
    y = np.zeros((5, 7), np.float32)
    for g in range(4):
        part = slice(10 * g, 10 * g + 10)
        y = y + (a[:, part] @ w[:, part].T).astype(np.float32) * scale[:, g]
    got = DirectWorkload(p, DirectOperands(a, w, scale, 10)).golden()
    np.testing.assert_array_equal(got, y)
    for held, name in (([-2, 2], "int2"), ([-30, 30], "int5"), ([-14, 14], "int4"),
                       ([1, 12], "e2m1"), ([10, 16], "bitmod4"), ([0, 2, -2], "int2"),
                       ([-256, 254], "int8"), ([256], "shift4")):
        assert fitting_format(np.array(held)) == name, held


@pytest.mark.parametrize(("options", "message"), [
    (dict(preset="mxfp4", a_format="int8"), "--a-format must be e2m1 with --preset mxfp4"),
    (dict(preset="nvfp4", max_k=32), "--max-k must be 16 with --preset nvfp4"),
    (dict(K=4, max_k=3), "--max-k must be at least K = 4; got 3"),
    (dict(a_format="int8", exponent="given"), "--exponent belongs to floating activations"),
    (dict(a_format="e2m1", entry_width=8), "--entry-width belongs to floating activations"),
    (dict(a_format="int16", w_format="int8", max_k=1 << 20, acc_width=8, M=3, lanes=2), "--lanes"),
    (dict(w_format="ternary", recode="edge"), "--recode edge is for integer weights"),
    (dict(a_scale="e8m0"), "--group-scale must be e8m0 or e4m3 with --a-scale"),
    (dict(preset="nvfp4", offset="integer"), "--offset must be none with --a-scale"),
    (dict(w_format="int9"), "--w-format must be one of int2, int3")])
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(message)):
        DotCoreParameters(**options)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name: str) -> None:
    """A preset is its options: giving them too changes nothing, and the flags name the preset."""
    p = DotCoreParameters(preset=name)
    assert DotCoreParameters(preset=name, **PRESETS[name]) == p
    assert p.flags() == f"--preset {name}"
    assert DotCoreParameters(**PRESETS[name]).frame == p.frame


def test_wrong_weights_are_refused() -> None:
    p = DotCoreParameters(w_format="shift4", a_format="int8")
    with pytest.raises(ParameterError, match="of --w-format shift4, in units of"):
        DirectWorkload(p, DirectOperands(np.ones((1, 4), int), np.full((1, 4), 3)))
    assert E2M1.nearest(np.array([-40, 5, 7, 9])).tolist() == [-12, 4, 6, 8]


RTL = [
    DotCoreParameters(M=2, N=3, K=3, w_format="int4", a_format="int4", max_k=60),
    DotCoreParameters(M=1, N=2, K=5, w_format="int7", a_format="int8", max_k=60, segment=9,
                      buffer="double", reset="async_low", out_format="int8"),
    DotCoreParameters(M=3, N=2, K=4, w_format="e2m1", a_format="e2m1", max_k=64, pipeline=2),
    DotCoreParameters(M=2, N=2, K=2, w_format="shift4", a_format="int16", max_k=40, preload=False,
                      target="fpga"),
    DotCoreParameters(M=2, N=2, K=2, w_format="int3", a_format="fp16", acc="fp16", max_k=64,
                      exponent="given", recode="packer"),
    DotCoreParameters(M=1, N=2, K=4, w_format="bitmod4", a_format="bf16", max_k=64),
    DotCoreParameters(M=2, N=8, K=2, w_format="flint4", a_format="mxint8", max_k=32, lanes=1,
                      group_scale="fp16", offset="real"),
    DotCoreParameters(preset="mxfp4", M=2, N=8, K=4, lanes=1),
    DotCoreParameters(preset="nvfp4", M=4, N=6, K=2, lanes=2, chains=2, buffer="double"),
    DotCoreParameters(M=1, N=6, K=1, w_format="int3", a_format="fp8_e4m3", max_k=32,
                      group_scale="e4m3", a_scale="e8m0", preload=False, exponent="given"),
    DotCoreParameters(M=1, N=9, K=1, w_format="ternary", a_format="fp8_e5m2", max_k=32,
                      group_scale="fp32", multiples=False)]


@pytest.mark.parametrize("p", RTL, ids=lambda p: p.flags().replace("--", "").replace(" ", "_"))
def test_equals_golden(p: DotCoreParameters) -> None:
    outcome = run_bench(p, seed=5)
    assert outcome.passed, f"gen verify dot_core {p.flags()} --seed 5: {outcome.message}"
    assert outcome.stats["words"] >= 200 and outcome.stats["mismatches"] == 0


TIMED = [
    (DotCoreParameters(M=2, N=4, K=2, acc="fp16", max_k=40, buffer="double"), {}),
    (DotCoreParameters(preset="nvfp4", M=2, N=4, K=4, lanes=1), {"group_size": 16}),
    (DotCoreParameters(M=4, N=4, K=2, a_format="int8", max_k=40, lanes=2,
                       out_format="int8", chains=2),
     {"multiplier": np.arange(1, 8) << 28, "shift": np.full(7, 36), "out_zero": np.arange(7)})]


@pytest.mark.parametrize(("p", "more"), TIMED, ids=["scanned", "scaled", "int8"])
def test_whole_product_in_rtl(p: DotCoreParameters, more: dict[str, Any]) -> None:
    """A product of several tiles through the RTL: its results, and cycles as the model counts."""
    rng = np.random.default_rng(8)
    codes, weights = draw(rng, replace(p, M=5, N=7, chains=1, lanes=None), 37)
    if p.preset:
        more = more | {"row_scale": 2.0 ** rng.integers(-3, 3, (5, 3)).astype(np.float32),
                       "scale": 2.0 ** rng.integers(-3, 3, (7, 3)).astype(np.float32)}
    workload = DirectWorkload(p, DirectOperands(codes, weights, **more))
    result, outcome = simulate_product(workload)
    np.testing.assert_array_equal(result, workload.golden())
    assert outcome.cycles == workload.cycles
