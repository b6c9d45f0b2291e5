"""Kinds of group scales: formats, golden products against exact fractions, and the unit's RTL."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lowbit.golden.formats import (
    E8M0,
    FP8_E4M3,
    FP16,
    FP32,
    ExponentFormat,
    FloatFormat,
    IntFormat,
    ProductFormat,
)
from lowbit.golden.group_scale import SCALE_KINDS, exact_codes, scaled, wide
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.parameters import ParameterError
from lowbit.hdl.common.group_scale import GroupScale
from lowbit.tb.support.float_parts import SEED, check, corners, run
from lowbit.tb.support.lut_run import run_bench

Array = np.ndarray[Any, Any]
BYTES = np.arange(256)
NARROW = ["e8m0", "e4m3", "int8"]
#: of a scale of weights and one of activations
PRODUCTS = {f"{a}_{b}": ProductFormat(SCALE_KINDS[a], SCALE_KINDS[b])    # type: ignore[arg-type]
            for a, b in (("e8m0", "e8m0"), ("e4m3", "e4m3"), ("e8m0", "e4m3"))}


def test_e8m0_is_that_of_ml_dtypes() -> None:
    """All codes; and rounding, which ml_dtypes does as well but for subnormals and overflow."""
    theirs = BYTES.astype(np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float64)
    np.testing.assert_array_equal(E8M0.to_float64(BYTES), theirs)
    np.testing.assert_array_equal(E8M0.is_nan(BYTES), np.isnan(theirs))
    np.testing.assert_array_equal(E8M0.is_finite(BYTES), np.isfinite(theirs))
    assert wide(E8M0, np.array(0)) == np.float32(2.0**-127) > 0
    rng = np.random.default_rng(SEED)
    values = np.concatenate([rng.lognormal(0, 20, 20_000), 1.5 * 2.0 ** np.arange(-126, 127)])
    values = values[(values > 2.0**-126) & (values < 1.4 * 2.0**127)].astype(np.float32)
    theirs = values.astype(ml_dtypes.float8_e8m0fnu).view(np.uint8)
    np.testing.assert_array_equal(E8M0.from_float64(values), theirs)
    assert E8M0.from_float64(np.array([0, -1, np.nan, np.inf, 1e-60, 1e60])).tolist() == [
        255, 255, 255, 255, 0, 254]


@pytest.mark.parametrize("kind", SCALE_KINDS)
def test_codes_of_scales(kind: str) -> None:
    """Each value has its code back; what a format has not is said to be so."""
    fmt = SCALE_KINDS[kind]
    codes = BYTES
    if isinstance(fmt, FloatFormat) and fmt.bits > 8:
        codes = corners(fmt)
    values = wide(fmt, codes)
    finite = np.isfinite(values)
    got, bad = exact_codes(fmt, values)
    assert not bad[finite].any() and bad[np.isnan(values)].all()
    np.testing.assert_array_equal(wide(fmt, got)[finite], values[finite])
    if kind == "e4m3":
        np.testing.assert_array_equal(values, codes.astype(np.uint8).view(
            ml_dtypes.float8_e4m3fn).astype(np.float32))
    refused = {"e8m0": [0, -1, 3], "e4m3": [464, 1.0625], "int8": [-1, 256, 0.5],
               "fp16": [65536, 0.1], "fp32": []}[kind]
    assert exact_codes(fmt, np.array(refused, np.float32))[1].all()


def fraction(x: Any) -> Fraction:
    return Fraction(float(x))


def nearest(exact: Fraction) -> float:
    """FP32 number nearest to a fraction, ties to even, infinite beyond the format."""
    exponent = -126
    while abs(exact) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    unit = Fraction(2) ** (exponent - 23)
    rounded = round(exact / unit) * unit
    return float(rounded) if abs(rounded) < Fraction(2) ** 128 else \
        float("inf" if exact > 0 else "-inf")


def totals(count: int) -> Array:
    """FP32 corners, ordinary numbers, and those that a small scale brings to subnormals."""
    rng = np.random.default_rng(SEED)
    field = np.concatenate([rng.integers(90, 160, count), rng.integers(0, 60, count),
                            rng.integers(200, 255, count)])
    ordinary = rng.integers(0, 2, len(field)) << 31 | field << 23 | \
        rng.integers(0, 1 << 23, len(field))
    return np.concatenate([corners(FP32), ordinary])


@pytest.mark.parametrize("kind", NARROW)
def test_product_rounds_once(kind: str) -> None:
    fmt = SCALE_KINDS[kind]
    rng = np.random.default_rng(SEED)
    total = rng.permutation(totals(300))[:500]
    codes = rng.integers(0, 256, len(total))
    codes[:60] = rng.choice([0, 1, 2, 127, 128, 254, 255], 60)
    zero = np.zeros((1, len(total)), np.int64)
    got = FP32.to_array(scaled(total[None], codes, zero, fmt=fmt))[0]
    p, s = FP32.to_array(total), wide(fmt, codes)
    for i in range(len(total)):
        if np.isnan(p[i]) or np.isnan(s[i]) or (np.isinf(p[i]) and s[i] == 0):
            assert np.isnan(got[i])
        elif np.isinf(p[i]):
            assert np.isinf(got[i]) and (got[i] > 0) == ((p[i] > 0) == (s[i] > 0))
        else:
            assert got[i] == nearest(fraction(p[i]) * fraction(s[i])), (p[i], s[i])


@pytest.mark.parametrize("kind", PRODUCTS)
def test_products_of_scales_round_once(kind: str) -> None:
    """Exact fractions of both scales, far beyond what FP32 holds of their product alone."""
    fmt, rng = PRODUCTS[kind], np.random.default_rng(SEED)
    total = rng.permutation(totals(300))[:400]
    a, b = rng.integers(0, 256, (2, len(total)))
    if kind == "e8m0_e8m0":     # mostly such that the result is there
        field = total >> 23 & 255
        b = np.where(rng.random(len(a)) < 0.8, np.clip(127 * 3 - a - field + rng.integers(
            -150, 100, len(a)), 0, 255), b)
    zero = np.zeros((1, len(total)), np.int64)
    got = FP32.to_array(scaled(total[None], fmt.codes(a, b), zero, fmt=fmt))[0]
    p, s, t = FP32.to_array(total), wide(fmt.a, a), wide(fmt.b, b)
    finite = np.isfinite(p) & np.isfinite(s) & np.isfinite(t)
    for i in np.flatnonzero(finite):
        assert got[i] == nearest(fraction(p[i]) * fraction(s[i]) * fraction(t[i]))
    assert np.isnan(got[np.isnan(s) | np.isnan(t)]).all() and finite.sum() > 200
    normal = np.isfinite(got) & (np.abs(got) > 0)
    assert normal.sum() > 100


def test_nan_stays_until_the_next_operation() -> None:
    """Code 255 of E8M0, 0x7F and 0xFF of E4M3."""
    one = np.full((1, 1), 0x3F800000)
    for fmt, codes in ((E8M0, [255]), (FP8_E4M3, [0x7F, 0xFF])):
        for code in codes:
            y = scaled(one, np.array([code]), one, fmt=fmt)
            y = scaled(one, np.array([E8M0.bias if fmt == E8M0 else 0x38]), y, fmt=fmt)
            assert y.tolist() == [[FP32.nan]]


# -- hardware -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def units() -> Any:
    rng = np.random.default_rng(SEED)
    # every code meets every third corner; then ordinary numbers, with sums
    a, code = (x.ravel() for x in np.meshgrid(corners(FP32)[::3], BYTES))
    b = np.repeat(totals(3000), 2)
    total = np.concatenate([a, b])
    beside = np.where(rng.random(len(b)) < 0.7, 0, rng.permutation(b))
    y = np.concatenate([np.zeros_like(a), beside])
    code = np.concatenate([code, rng.integers(0, 256, len(b))])
    second = np.where(rng.random(len(code)) < 0.5, np.clip(254 - code, 0, 255),
                      rng.integers(0, 256, len(code)))
    formats = {kind: SCALE_KINDS[kind] for kind in NARROW} | PRODUCTS
    inputs = {kind: dict(total=total, y=y, en=1, en_y=1, scale=fmt.codes(code, second)
                         if isinstance(fmt, ProductFormat) else code)
              for kind, fmt in formats.items()}
    return formats, inputs, run({kind: GroupScale(fmt) for kind, fmt in formats.items()}, inputs,
                                cycles=4)


@pytest.mark.parametrize("kind", [*NARROW, *PRODUCTS])
def test_unit_equals_golden(units: Any, kind: str) -> None:
    formats, inputs, results = units
    x = inputs[kind]
    expected = scaled(x["total"][None], x["scale"], x["y"][None], fmt=formats[kind])
    check(results[f"{kind}__result"], expected[0], total=x["total"], scale=x["scale"], y=x["y"])


def test_no_offset_adds_nothing() -> None:
    """An offset of 0 where the row sum overflows; one that is not follows IEEE."""
    one, inf = 0x3F800000, FP32.inf
    x = dict(total=np.full(4, one), scale=np.full(4, 0x3C00), y=np.zeros(4, np.int64),
             offset=np.array([0, 0x8000, 0x3C00, 0xBC00]), row_sum=np.full(4, inf))
    expected = scaled(x["total"][None], x["scale"], x["y"][None], x["offset"], x["row_sum"][:1],
                      FP16, FP16)
    assert expected.tolist() == [[one, one, inf, inf | 1 << 31]]
    got = run({"unit": GroupScale(FP16, FP16)}, {"unit": x | dict(en=1, en_y=1)}, cycles=7)
    check(got["unit__result"], expected[0], offset=x["offset"])


@pytest.mark.parametrize("options", [
    dict(group_scale="e8m0", w_bits=5, max_k=64),
    dict(group_scale="e4m3", a_format="int8", offset="integer", w_bits=2, max_k=32, preload=True),
    dict(group_scale="int8", K=2, w_bits=4, max_k=32, table_source="internal")],
    ids=lambda options: str(options["group_scale"]))
def test_core_equals_golden(options: dict[str, Any]) -> None:
    p = LutCoreParameters(**(dict(M=2, N=12, preload=False) | options))
    outcome = run_bench(p, seed=5)
    assert outcome.passed, outcome.message
    assert outcome.stats["mismatches"] == 0


def test_real_minima_need_a_wide_format() -> None:
    for kind in NARROW:
        with pytest.raises(ParameterError, match="--offset must be none or integer with "
                                                 f"--group-scale {kind}"):
            LutCoreParameters(N=32, preload=False, group_scale=kind, offset="real")
    kinds = [LutCoreParameters(N=32, preload=False, group_scale=kind).scale_format
             for kind in ("e8m0", "int8", "fp16")]
    assert isinstance(kinds[0], ExponentFormat) and isinstance(kinds[1], IntFormat)
    assert kinds[2] == FP16
