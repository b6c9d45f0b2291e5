"""The FP16 baselines: golden models against exact integers, hardware against golden models."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from lowbit.golden.baselines.models import dot_sum, pe_step, product
from lowbit.golden.baselines.parameters import (
    Fp16DotParameters,
    Fp16PeParameters,
    Fp16TileParameters,
    WeightCodes,
)
from lowbit.golden.formats import FP16, FP32, FloatFormat
from lowbit.golden.parameters import ParameterError
from lowbit.hdl.baselines.accumulate import PRODUCT, ExactProduct, Fp32Accumulate
from lowbit.tb.benches.stimulus import activations
from lowbit.tb.support.combinational import Evaluator
from lowbit.tb.support.lut_run import run_bench


def _exact(code: int, fmt: FloatFormat) -> tuple[int, int]:
    """A finite code as (signed integer, exponent of its unit)."""
    sign, field, significand = (int(x[0]) for x in fmt.decode(np.array([code])))
    return (-significand if sign else significand), field - 1 + fmt.emin


def _add(terms: list[tuple[int, int]], fmt: FloatFormat) -> int:
    """Codes of the exact sum of integers times powers of two, rounded once."""
    unit = min(exponent for _, exponent in terms)
    total = sum(value << (exponent - unit) for value, exponent in terms)
    return int(fmt.round(np.array([total < 0]), np.array([abs(total)], object),
                         np.array([unit]))[0])


def _product(a: int, b: int) -> tuple[int, int]:
    (x, ex), (y, ey) = _exact(a, FP16), _exact(b, FP16)
    return x * y, ex + ey


def _finite(rng: np.random.Generator, count: int) -> np.ndarray:
    kinds = ("gaussian", "outlier", "any", "subnormal", "wide", "largest")
    return activations(rng, FP16, count // 8, 8, kinds).reshape(-1)


def test_pe_golden_is_one_exact_rounding_per_step():
    rng = np.random.default_rng(1)
    a, b = _finite(rng, 2000), _finite(rng, 2000)
    fused, rounded = Fp16PeParameters(), Fp16PeParameters(acc="fp16")
    yes, no = np.array([True]), np.array([False])
    acc32, acc16 = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for i in range(len(a)):
        exact = _product(int(a[i]), int(b[i]))
        expected = _add([_exact(int(acc32[0]), FP32), exact], FP32)
        acc32 = pe_step(fused, acc32, a[i:i + 1], b[i:i + 1], no, yes)
        assert acc32[0] == expected
        term = _add([exact], FP16)
        start = acc16 if np.isfinite(FP16.to_float64(acc16))[0] and i % 8 else 0 * acc16
        got = pe_step(rounded, start, a[i:i + 1], b[i:i + 1], no, yes)
        if FP16.is_finite(np.array([term]))[0]:
            assert got[0] == _add([_exact(int(start[0]), FP16), _exact(term, FP16)], FP16)
        else:
            assert got[0] == term
        acc16 = got


@pytest.mark.parametrize("operands", ["finite", "normal"])
def test_operands_without_special_values(operands):
    """Exact integers: every exponent is one like any other, and normal drops subnormals."""
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 1 << 16, 3000), rng.integers(0, 1 << 16, 3000)
    a[::5] &= 0x83FF
    b[::7] &= 0x83FF
    got = product(Fp16PeParameters(operands=operands), a, b)

    def plain(code):
        sign, field, fraction = code >> 15, code >> 10 & 31, code & 0x3FF
        if not field and operands == "normal":
            return 0
        value = (fraction | (1024 if field else 0)) << max(field, 1)
        return -value if sign else value

    for x, y, code in zip(a.tolist(), b.tolist(), got.tolist(), strict=True):
        exact = plain(x) * plain(y)
        assert FP32.to_float64(np.array([code]))[0] == np.ldexp(float(exact), -50)
    ieee = product(Fp16PeParameters(), a, b)
    whole = [FP16.is_finite(x) & (operands == "finite" or x & 0x7C00 != 0) for x in (a, b)]
    assert (got == ieee)[whole[0] & whole[1]].all() and not (got == ieee).all()


def test_operands_need_fp32_sums():
    with pytest.raises(ParameterError, match="--operands must be ieee with --acc fp16"):
        Fp16TileParameters(operands="finite", acc="fp16")


@pytest.mark.parametrize("p", [
    Fp16PeParameters(operands="finite"), Fp16PeParameters(operands="normal", style="fast"),
    Fp16TileParameters(operands="normal", pipeline=1, rows=2, columns=2),
    Fp16DotParameters(K=3, pipeline=1, input_registers=True),
    Fp16DotParameters(K=3, w_format="int3"),
    Fp16DotParameters(K=4, pipeline=1, tree="fp32", style="fast")], ids=lambda p: p.flags())
def test_variants_equal_golden(p):
    """Baselines that others are measured against: without special values, and pipelined."""
    outcome = run_bench(p, seed=3)
    assert outcome.passed, outcome.message
    assert outcome.stats["words"] >= 200


@pytest.mark.parametrize("tree", ["fp16", "fp32"])
@pytest.mark.parametrize("k", [1, 3, 4, 7])
def test_dot_golden_rounds_at_every_node(tree, k):
    rng = np.random.default_rng(k)
    p = Fp16DotParameters(K=k, tree=tree, acc=tree)
    fmt = FP16 if tree == "fp16" else FP32
    a, b = (rng.standard_normal((100, k)).astype(np.float16).view(np.uint16).astype(np.int64)
            for _ in range(2))
    for x, y, got in zip(a, b, dot_sum(p, a, b), strict=True):
        level = [_add([_product(int(i), int(j))], fmt) for i, j in zip(x, y, strict=True)]
        while len(level) > 1:
            pairs = [_add([_exact(level[i], fmt), _exact(level[i + 1], fmt)], fmt)
                     for i in range(0, len(level) - 1, 2)]
            level = pairs + level[len(level) & ~1:]
        assert got == level[0]


def test_product_is_exact():
    """Every activation with the corner values of the other operand, and random pairs."""
    rng = np.random.default_rng(2)
    corners = np.array([1, 0x3FF, 0x7BFF, 0xFC00])
    codes = np.arange(1 << 16)
    a = np.concatenate([np.tile(codes, len(corners)), rng.integers(0, 1 << 16, 100_000)])
    b = np.concatenate([np.repeat(corners, 1 << 16), rng.integers(0, 1 << 16, 100_000)])
    b[:1000], b[1000:2000], b[2000:3000] = 0x7C01, 0, 0x400
    word = Evaluator(ExactProduct())({"a": a, "b": b, "en": 1})["product"]
    parts, at = {}, 0
    for name, width in (("fraction", 21), ("field", 8), ("sign", 1), ("nan", 1)):
        parts[name] = word >> at & ((1 << width) - 1)
        at += width
    assert at == PRODUCT.size
    x, y = (FP16.to_array(c).astype(np.float32) for c in (a, b))
    with np.errstate(invalid="ignore"):
        expected = FP32.from_array(x * y)
    special, nan = ~FP32.is_finite(expected), FP32.is_nan(expected)
    zero = expected & 0x7FFFFFFF == 0
    assert (parts["nan"] == nan).all()
    assert ((parts["field"] >> 6 == 3) == special).all()
    assert (parts["field"][zero] == 0).all()
    value = parts["sign"] << 31 | parts["field"] << 23 | parts["fraction"] << 2
    finite = ~special & ~zero
    assert (value[finite] == expected[finite]).all()
    assert (parts["sign"][~nan] == expected[~nan] >> 31).all()
    assert (Evaluator(ExactProduct())({"a": a[:99], "b": b[:99], "en": 0})["product"]
            >> 21 & 0x2FF == 0).all()


@pytest.mark.parametrize("style", ["small", "fast"])
def test_fp32_accumulate(style):
    """Against NumPy: accumulators that are sums of products, products near them and far away."""
    rng = np.random.default_rng(3)
    count = 150_000
    x = rng.integers(0, 1 << 22, count).astype(np.float64)
    near = np.ldexp(x, rng.integers(-48, 11, count)).astype(np.float32)
    near *= np.where(rng.random(count) < 0.5, -1, 1).astype(np.float32)
    product = np.where(rng.random(count) < 0.03, np.float32(0), near)
    acc = np.roll(near, 1)
    kind = rng.integers(0, 6, count)
    # nearly cancelling, equal, half-way cases, large old sums, infinities and NaN
    ulp = np.spacing(np.abs(product))
    with np.errstate(over="ignore"):
        acc = np.select(
            [kind == 1, kind == 2, kind == 3, kind == 4],
            [-product + ulp * rng.integers(-3, 4, count).astype(np.float32), -product,
             (product * np.float32(2.0) ** rng.integers(20, 27, count)).astype(np.float32),
             np.where(rng.random(count) < .5, np.float32(np.inf), np.float32(0))], acc)
    multiple = np.ldexp(np.rint(np.ldexp(acc.astype(np.float64), 48)), -48)
    acc = np.where(np.isfinite(acc), multiple, acc).astype(np.float32)
    acc = np.where(np.abs(acc) < 2.0 ** 57, acc, np.where(np.isinf(acc), acc, 1))
    acc = acc.astype(np.float32)
    acc[:50] = np.nan
    product[50:200:3], product[51:200:3] = np.inf, -np.inf
    codes = FP32.canonical(FP32.from_array(product))
    field = codes >> 23 & 255
    special = field == 255
    fraction = np.where(field == 0, rng.integers(0, 1 << 21, count), codes >> 2 & 0x1FFFFF)
    word = fraction | np.where(special, 0xC0, field) << 21 | codes >> 31 << 29
    old = FP32.canonical(FP32.from_array(acc))
    clear = rng.random(count) < 0.1
    got = Evaluator(Fp32Accumulate(style))({"acc": old, "clear": clear.astype(int),
                                            "product": word})["sum"]
    with np.errstate(invalid="ignore"):
        total = np.where(clear, np.float32(0), FP32.to_array(old)) + FP32.to_array(codes)
    expected = FP32.canonical(FP32.from_array(total))
    assert (got == expected).all(), np.flatnonzero(got != expected)[:5]


def test_defaults_are_the_papers():
    p = Fp16TileParameters()
    assert p.rows * p.columns == 48
    assert p.pe == Fp16PeParameters()
    assert Fp16PeParameters(pipeline=1).latency == 2 and p.latency == 2


def test_bad_parameters():
    with pytest.raises(ParameterError, match="--tree must be one of"):
        Fp16DotParameters(tree="bf16")
    with pytest.raises(ParameterError, match=r"--pipeline must be 0\.\.1"):
        Fp16PeParameters(pipeline=2)


def test_weights_of_codes_are_exact() -> None:
    """What the codes of ``--w-format`` stand for, by other means."""
    for bits in (2, 3, 4):
        values = np.arange(1 << bits)
        values = np.where(values >> bits - 1, values - (1 << bits), values)
        np.testing.assert_array_equal(FP16.to_array(WeightCodes(f"int{bits}").fp16), values)
    four = np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float64)
    np.testing.assert_array_equal(FP16.to_array(WeightCodes("e2m1").fp16), four)
    assert FP16.to_array(WeightCodes("ternary").fp16).tolist() == [0, 0, 1, -1]
    assert FP16.to_array(WeightCodes("shift4").fp16).tolist() == [
        sign * 2.0**e for sign in (1, -1) for e in range(8)]
