"""L-Mul: golden against the formula in fractions, hardware against golden, errors as stated."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lowbit.golden.baselines.l_mul import l_mul, offset_bits
from lowbit.golden.baselines.models import product
from lowbit.golden.baselines.parameters import Fp16DotParameters, Fp16PeParameters
from lowbit.golden.formats import BF16, FP8_E4M3, FP16, FP32, FloatFormat
from lowbit.golden.parameters import ParameterError
from lowbit.hdl.baselines.l_mul import LMul
from lowbit.tb.support.float_parts import check, pairs, run
from lowbit.tb.support.lut_run import run_bench

Array = np.ndarray[Any, Any]
FORMATS = {"fp16": FP16, "bf16": BF16, "fp8_e4m3": FP8_E4M3}
TYPES = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16, "fp8_e4m3": ml_dtypes.float8_e4m3fn}


def values(name: str, codes: Array) -> Array:
    kind = np.uint8 if FORMATS[name].bits == 8 else np.uint16
    with np.errstate(invalid="ignore"):     # signalling NaN
        return codes.astype(kind).view(TYPES[name]).astype(np.float64)


def formula(fmt: FloatFormat, a: float, b: float) -> Fraction | str:
    """The product of two normal numbers or zeros by the paper's formula: 1 + x + y + 2**-l where
    that is below 2, else the same fraction one binade up."""
    smallest = Fraction(2) ** (1 - fmt.bias)
    x, y = abs(Fraction(a)), abs(Fraction(b))
    if x < smallest or y < smallest:
        return Fraction(0)
    ex, ey = (int(np.frexp(v)[1]) - 1 for v in (a, b))
    x, y = x / Fraction(2) ** ex - 1, y / Fraction(2) ** ey - 1
    fraction = x + y + Fraction(1, 1 << offset_bits(fmt))
    carry, fraction = divmod(fraction, 1)
    result = (1 + fraction) * Fraction(2) ** (ex + ey + int(carry))
    if result < smallest:
        return Fraction(0)
    top = (fmt.nan if fmt.fn else fmt.inf) - 1
    if result > Fraction(float(fmt.to_float64(np.array(top)))):
        return "beyond"
    return -result if (a < 0) != (b < 0) else result


@pytest.mark.parametrize("name", FORMATS)
def test_golden_is_the_formula(name: str) -> None:
    """All pairs of E4M3; corners and random pairs of the others."""
    fmt = FORMATS[name]
    a, b = pairs(fmt, 500)
    if fmt.bits > 8:
        chosen = np.random.default_rng(1).choice(len(a), 5000, replace=False)
        a, b = a[chosen], b[chosen]
    got = l_mul(fmt, a, b)
    for x, y, code, z in zip(values(name, a), values(name, b), got, values(name, got), strict=True):
        if not (np.isfinite(x) and np.isfinite(y)):
            assert code == fmt.nan
            continue
        exact = formula(fmt, float(x), float(y))
        if exact == "beyond":
            assert code == (fmt.nan if fmt.fn else fmt.inf | (0x8000 if (x < 0) != (y < 0) else 0))
        else:
            assert Fraction(float(z)) == exact and (z != 0 or code == 0)


def test_offsets() -> None:
    assert [offset_bits(f) for f in (FP8_E4M3, BF16, FP16, FloatFormat("m4", 4, 4))] == [3, 4, 4, 3]


@pytest.fixture(scope="module")
def products() -> Any:
    inputs = {}
    for name, fmt in FORMATS.items():
        a, b = pairs(fmt, 8000)
        inputs[name] = {"a": a, "b": b}
    return inputs, run({name: LMul(fmt) for name, fmt in FORMATS.items()}, inputs)


@pytest.mark.parametrize("name", FORMATS)
def test_hardware_equals_golden(products: Any, name: str) -> None:
    inputs, results = products
    a, b = inputs[name]["a"], inputs[name]["b"]
    check(results[f"{name}__product"], l_mul(FORMATS[name], a, b), a=a, b=b)


@pytest.mark.parametrize("p", [
    Fp16PeParameters(multiply="lmul"), Fp16DotParameters(multiply="lmul", K=3, tree="fp32")],
    ids=lambda p: str(p.generator))
def test_designs(p: Any) -> None:
    outcome = run_bench(p, seed=1, vectors=2000)
    assert outcome.passed and outcome.stats["mismatches"] == 0, outcome.message


def test_product_of_the_pe_is_that_of_l_mul() -> None:
    a, b = pairs(FP16, 100)
    p = Fp16PeParameters(multiply="lmul")
    np.testing.assert_array_equal(product(p, a, b), FP32.convert(l_mul(FP16, a, b), FP16))
    with pytest.raises(ParameterError, match="--operands must be ieee with --multiply lmul"):
        Fp16PeParameters(multiply="lmul", operands="finite")
