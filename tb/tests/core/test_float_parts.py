"""Floating-point parts against NumPy (fp16, fp32) and exact integers rounded once (the rest)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lowbit.golden.formats import BF16, FP8_E4M3, FP8_E5M2, FP16, FP32, FloatFormat
from lowbit.hdl.common.fp_add import FpAdd
from lowbit.hdl.common.fp_convert import FpConvert
from lowbit.hdl.common.fp_mul import FpMul
from lowbit.hdl.common.fp_scale import FpScale
from lowbit.hdl.common.fp_sum import FpSum
from lowbit.hdl.common.normalize import FixedToFloat, MagnitudeToFloat
from lowbit.tb.support.float_parts import (
    FORMATS,
    SEED,
    check,
    corners,
    exact,
    expected_sum,
    pairs,
    rounded,
    run,
)

Array = np.ndarray[Any, Any]


# -- addition ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def sums() -> Any:
    parts, inputs = {}, {}
    for fmt in FORMATS:
        a, b = pairs(fmt, 12_000)
        for style in ("small", "fast"):
            for stages in (0, 1, 2):
                name = f"{fmt.name}_{style}_{stages}"
                parts[name] = FpAdd(fmt, stages, style)
                inputs[name] = {"a": a, "b": b} | ({"en": 1} if stages else {})
    return inputs, run(parts, inputs, cycles=2)


@pytest.mark.parametrize("stages", [0, 1, 2])
@pytest.mark.parametrize("style", ["small", "fast"])
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_add(sums: Any, fmt: FloatFormat, style: str, stages: int) -> None:
    inputs, results = sums
    name = f"{fmt.name}_{style}_{stages}"
    a, b = inputs[name]["a"], inputs[name]["b"]
    check(results[f"{name}__sum"], expected_sum(fmt, a, b), a=a, b=b)


# -- fixed point to floating point ------------------------------------------------------------
CONVERSIONS = [  # format, width, exponent range, stages, method
    (FP32, 36, (-60, 20), 0, "count"), (FP32, 36, (-60, 20), 2, "search"),
    (FP32, 24, (-126, -126), 0, "count"), (FP32, 24, (-127, -127), 0, "count"),
    (FP32, 24, (-48, -48), 1, "count"), (FP32, 64, (-200, 100), 0, "count"),
    (FP32, 12, (-149, 0), 0, "search"), (FP32, 30, (-170, 127), 1, "count"),
    (FP16, 20, (-24, 12), 0, "search"), (FP16, 33, (-60, 5), 0, "count"),
    (FP16, 8, (0, 3), 0, "count"), (FP16, 1, (-3, 3), 0, "count"),
    (FP16, 64, (-64, 0), 0, "search"), (BF16, 40, (-180, 120), 0, "count"),
    (FP8_E4M3, 10, (-16, 8), 0, "count"), (FP8_E4M3, 6, (-40, 40), 0, "search"),
    (FP8_E5M2, 9, (-30, 20), 2, "count"), (FP8_E5M2, 5, (3, 3), 0, "count"),
]


def fixed_values(width: int, count: int, rng: np.random.Generator) -> Array:
    """Signed values of all lengths, extremes, powers of two and their neighbours."""
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    special = [0, low, high, low + 1] + [s * (1 << k) + d for k in range(width - 1)
                                         for s in (1, -1) for d in (-1, 0, 1)]
    special = [v for v in special if low <= v <= high]
    shift = rng.integers(0, width, count)
    sign = rng.integers(0, 2, count)
    length = [int(v) >> int(s) for v, s in
              zip(rng.integers(0, 1 << 63, count, dtype=np.uint64) >> np.uint64(64 - width),
                  shift, strict=True)] if width > 1 else [0] * count
    values = special + [-v if s else v for v, s in zip(length, sign, strict=True)]
    return np.array(values, object)


@pytest.fixture(scope="module")
def conversions() -> Any:
    rng = np.random.default_rng(SEED)
    parts, inputs = {}, {}
    for i, (fmt, width, (low, high), stages, method) in enumerate(CONVERSIONS):
        values = fixed_values(width, 4_000, rng)
        exponents = rng.integers(low, high + 1, len(values))
        exponents[:20], exponents[-20:] = low, high
        part: dict[str, Any] = {"value": values}
        if low != high:
            part["exponent"] = exponents
        if stages:
            part["en"] = 1
        parts[f"c{i}"] = FixedToFloat(fmt, width, (low, high), stages=stages, method=method)
        inputs[f"c{i}"] = part
    return inputs, run(parts, inputs, cycles=2)


@pytest.mark.parametrize("i", range(len(CONVERSIONS)))
def test_fixed_to_float(conversions: Any, i: int) -> None:
    inputs, results = conversions
    fmt, _, (low, _), _, _ = CONVERSIONS[i]
    value = inputs[f"c{i}"]["value"]
    exponent = np.asarray(inputs[f"c{i}"].get("exponent", np.full(len(value), low)))
    expected = rounded(fmt, value, exponent)
    check(results[f"c{i}__code"], expected, value=value, exponent=exponent)


MAGNITUDES = [(FP32, 30, (98, 98)), (FP32, 28, (-160, -100)), (FP16, 14, (2, 2)),
              (FP16, 13, (-40, 10)), (FP8_E4M3, 6, (3, 3)), (FP8_E5M2, 5, (-20, 12))]


def test_magnitude_to_float() -> None:
    """Sign and magnitude, with a sticky input below the word and forced specials."""
    rng = np.random.default_rng(SEED)
    parts, inputs, wanted = {}, {}, {}
    for i, (fmt, width, (low, high)) in enumerate(MAGNITUDES):
        count = 10_000
        # long enough that the sticky place is below the guard place, unless subnormal
        magnitude = rng.integers(1 << (fmt.precision + 1), 1 << width, count)
        magnitude[:50] = (1 << width) - 1 - np.arange(50) // 2
        ones = (1 << width) - (1 << rng.integers(0, width - fmt.precision - 1, count))
        magnitude = np.where(np.arange(count) % 3 == 1, ones, magnitude)
        sign, sticky = rng.integers(0, 2, count), rng.integers(0, 2, count)
        exponent = rng.integers(low, high + 1, count)
        special = rng.integers(0, 16, count)
        infinite, nan = special == 1, special == 2
        expected = fmt.round(sign, 2 * magnitude + sticky, exponent - 1)
        expected = np.where(infinite, fmt.inf | sign << (fmt.bits - 1), expected)
        wanted[f"n{i}"] = np.where(nan, fmt.nan, expected)
        inputs[f"n{i}"] = {"sign": sign, "magnitude": magnitude, "sticky": sticky,
                           "infinite": infinite, "nan": nan} | (
                               {"exponent": exponent} if low != high else {})
        parts[f"n{i}"] = MagnitudeToFloat(fmt, width, (low, high), sticky=True, specials=True)
    results = run(parts, inputs)
    for name, expected in wanted.items():
        check(results[f"{name}__code"], expected, **inputs[name])


# -- multiplication ---------------------------------------------------------------------------
PRODUCTS = [(FP32, FP32, FP32), (FP16, FP16, FP16), (FP16, FP16, FP32), (BF16, BF16, BF16),
            (BF16, FP16, FP32), (FP8_E4M3, FP8_E4M3, FP8_E4M3), (FP8_E5M2, FP8_E5M2, FP8_E5M2),
            (FP8_E4M3, FP8_E5M2, FP16), (FP32, FP16, BF16)]


def expected_product(fmt_a: FloatFormat, fmt_b: FloatFormat, out: FloatFormat, a: Array,
                     b: Array) -> Array:
    if fmt_a == fmt_b == out and out.name in ("fp16", "fp32"):
        with np.errstate(all="ignore"):
            code = out.from_array(out.to_array(a) * out.to_array(b))
        zero = (a << 1 & (1 << out.bits) - 1 == 0) | (b << 1 & (1 << out.bits) - 1 == 0)
        return np.where(zero & ~out.is_nan(code), 0,
                        np.where(out.is_nan(code), out.nan, code))
    (sa, ea, ma), (sb, eb, mb) = fmt_a.decode(a), fmt_b.decode(b)
    sign = sa ^ sb
    result = out.round(sign, ma * mb, ea + eb - 2 + fmt_a.emin + fmt_b.emin)
    inf_a = ~fmt_a.is_finite(a) & ~fmt_a.is_nan(a)
    inf_b = ~fmt_b.is_finite(b) & ~fmt_b.is_nan(b)
    result = np.where(inf_a | inf_b, out.inf | sign << (out.bits - 1), result)
    invalid = (inf_a & fmt_b.is_finite(b) & (mb == 0)) | (inf_b & fmt_a.is_finite(a) & (ma == 0))
    return np.where(fmt_a.is_nan(a) | fmt_b.is_nan(b) | invalid, out.nan, result)


def operand_pairs(fmt_a: FloatFormat, fmt_b: FloatFormat, count: int) -> tuple[Array, Array]:
    """All pairs of 8-bit formats; else corner pairs, uniform ones, results near subnormals."""
    if fmt_a.bits == fmt_b.bits == 8:
        return pairs(fmt_a, 0)
    rng = np.random.default_rng(SEED)
    a, b = (x.ravel() for x in np.meshgrid(corners(fmt_a), corners(fmt_b)))
    x, y = (rng.integers(0, 1 << fmt.bits, 2 * count) for fmt in (fmt_a, fmt_b))
    # exponents whose sum lands about the smallest results of the first format
    ex = x >> fmt_a.mbits & ((1 << fmt_a.ebits) - 1)
    ey = np.clip(fmt_b.bias + rng.integers(-fmt_a.precision - 3, 4, 2 * count) - ex + 1,
                 0, (1 << fmt_b.ebits) - 1)
    low = y & ~(((1 << fmt_b.ebits) - 1) << fmt_b.mbits) | ey << fmt_b.mbits
    half = np.arange(2 * count) % 2 == 0
    return np.concatenate([a, x]), np.concatenate([b, np.where(half, y, low)])


@pytest.fixture(scope="module")
def products() -> Any:
    parts, inputs = {}, {}
    for i, (fmt_a, fmt_b, out) in enumerate(PRODUCTS):
        a, b = operand_pairs(fmt_a, fmt_b, 12_000)
        parts[f"m{i}"] = FpMul(fmt_a, fmt_b, out, stages=i % 2)
        inputs[f"m{i}"] = {"a": a, "b": b} | ({"en": 1} if i % 2 else {})
    return inputs, run(parts, inputs, cycles=2)


@pytest.mark.parametrize("i", range(len(PRODUCTS)),
                         ids=lambda i: "-".join(f.name for f in PRODUCTS[i]))
def test_mul(products: Any, i: int) -> None:
    inputs, results = products
    a, b = inputs[f"m{i}"]["a"], inputs[f"m{i}"]["b"]
    check(results[f"m{i}__product"], expected_product(*PRODUCTS[i], a, b), a=a, b=b)


# -- scaling by powers of two -----------------------------------------------------------------
SCALES = [(fmt, shift) for fmt in FORMATS for shift in (1, 3, 7)] + [(FP16, 40), (FP8_E5M2, 0)]


def codes_of(fmt: FloatFormat, count: int) -> Array:
    """All codes up to 16 bits, else corners and uniform ones."""
    if fmt.bits <= 16:
        return np.arange(1 << fmt.bits)
    rng = np.random.default_rng(SEED)
    x = rng.integers(0, 1 << fmt.bits, count)
    subnormal = x[: count // 4] & ((1 << fmt.mbits) - 1 | 1 << (fmt.bits - 1))
    return np.concatenate([corners(fmt), x, subnormal >> rng.integers(0, 20, count // 4)])


@pytest.fixture(scope="module")
def scales() -> Any:
    rng = np.random.default_rng(SEED)
    parts, inputs = {}, {}
    for i, (fmt, max_shift) in enumerate(SCALES):
        code = codes_of(fmt, 16_000)
        parts[f"s{i}"] = FpScale(fmt, max_shift)
        inputs[f"s{i}"] = {"code": code} | (
            {"shift": rng.integers(0, max_shift + 1, len(code))} if max_shift else {})
    return inputs, run(parts, inputs)


@pytest.mark.parametrize("i", range(len(SCALES)))
def test_scale(scales: Any, i: int) -> None:
    inputs, results = scales
    fmt, _ = SCALES[i]
    code = inputs[f"s{i}"]["code"]
    shift = np.broadcast_to(inputs[f"s{i}"].get("shift", 0), code.shape)
    sign, exponent, magnitude = fmt.decode(code)
    expected = fmt.round(sign, magnitude, exponent - 1 + fmt.emin + shift)
    unchanged = ~fmt.is_finite(code) | (magnitude == 0)
    check(results[f"s{i}__scaled"], np.where(unchanged, code, expected), code=code, shift=shift)


# -- conversion -------------------------------------------------------------------------------
FORMAT_PAIRS = [(src, dst) for src in FORMATS for dst in FORMATS]


@pytest.fixture(scope="module")
def format_conversions() -> Any:
    parts, inputs = {}, {}
    for src, dst in FORMAT_PAIRS:
        code = codes_of(src, 20_000)
        if src is FP32:
            # values about the halfway points of the narrower formats, over their exponent range
            rng = np.random.default_rng(SEED)
            exponent = rng.integers(FP32.bias - 30, FP32.bias + 18, 16_000) << FP32.mbits
            fraction = rng.integers(0, 1 << 11, 16_000) << 12 | rng.choice([0, 0, 1, 4095], 16_000)
            code = np.concatenate([code, exponent | fraction,
                                   exponent | fraction | 1 << 31])
        parts[f"{src.name}_{dst.name}"] = FpConvert(src, dst)
        inputs[f"{src.name}_{dst.name}"] = {"code": code}
    return inputs, run(parts, inputs)


@pytest.mark.parametrize(("src", "dst"), FORMAT_PAIRS, ids=lambda f: f.name)
def test_convert(format_conversions: Any, src: FloatFormat, dst: FloatFormat) -> None:
    inputs, results = format_conversions
    name = f"{src.name}_{dst.name}"
    code = inputs[name]["code"]
    sign, exponent, magnitude = src.decode(code)
    expected = dst.round(sign, magnitude, exponent - 1 + src.emin)
    infinite = ~src.is_finite(code) & ~src.is_nan(code)
    expected = np.where(infinite, dst.inf | sign << (dst.bits - 1), expected)
    expected = np.where(src.is_nan(code), dst.nan, expected)
    check(results[f"{name}__result"], expected, code=code)


# -- exact sums -------------------------------------------------------------------------------
SUMS = [(FP16, 4, FP32, None, None), (FP16, 3, FP16, None, None), (FP16, 7, FP32, -24, 4),
        (FP8_E4M3, 4, FP16, None, None), (FP8_E5M2, 5, FP32, None, None),
        (BF16, 3, BF16, None, None), (FP16, 1, FP32, None, None),
        (FP16, 4, FP16, -10, 3)]


def sum_operands(fmt: FloatFormat, n: int, lsb: int | None, msb: int | None,
                 count: int) -> Array:
    """Rows of n codes: corners, uniform, and cancelling ones; inside the window if one is given."""
    rng = np.random.default_rng(SEED + n)
    if lsb is None or msb is None:
        rows = rng.integers(0, 1 << fmt.bits, (count, n))
        rows[: count // 3] = rng.choice(corners(fmt), (count // 3, n))
        # finite and near each other
        near = rng.integers(0, 1 << fmt.bits, (count // 3, 1)) \
            + rng.integers(-9, 10, (count // 3, n))
        rows[-(count // 3):] = (near ^ rng.integers(0, 2, near.shape) << (fmt.bits - 1)) \
            & (1 << fmt.bits) - 1
        return rows
    codes = np.arange(1 << fmt.bits)
    codes = codes[fmt.is_finite(codes)]
    value = exact(fmt, codes)
    unit = 1 << (lsb - fmt.emin)
    fits = np.array([v % unit == 0 and abs(v) < 1 << (msb + 1 - fmt.emin) for v in value])
    return rng.choice(codes[fits], (count, n))


@pytest.fixture(scope="module")
def exact_sums() -> Any:
    parts, inputs, rows = {}, {}, {}
    for i, (fmt, n, out, lsb, msb) in enumerate(SUMS):
        rows[i] = sum_operands(fmt, n, lsb, msb, 8_000)
        packed = sum(rows[i][:, k].astype(object) << (k * fmt.bits) for k in range(n))
        parts[f"t{i}"] = FpSum(fmt, n, out, lsb=lsb, msb=msb)
        inputs[f"t{i}"] = {"operands": packed}
    return rows, run(parts, inputs)


@pytest.mark.parametrize("i", range(len(SUMS)))
def test_sum(exact_sums: Any, i: int) -> None:
    rows, results = exact_sums
    fmt, _, out, _, _ = SUMS[i]
    codes = rows[i]
    finite = fmt.is_finite(codes)
    total = np.where(finite, exact(fmt, codes), 0).sum(axis=1)
    expected = rounded(out, total, fmt.emin)
    nan = fmt.is_nan(codes).any(axis=1)
    sign = codes >> (fmt.bits - 1) == 1
    infinite = ~finite & ~fmt.is_nan(codes)
    plus, minus = (infinite & ~sign).any(axis=1), (infinite & sign).any(axis=1)
    expected = np.where(plus, out.inf, np.where(minus, out.inf | 1 << (out.bits - 1), expected))
    expected = np.where(nan | (plus & minus), out.nan, expected)
    check(results[f"t{i}__sum"], expected, **{f"x{k}": codes[:, k] for k in range(codes.shape[1])})
