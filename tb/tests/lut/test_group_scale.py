"""Group scales inside the core: the golden model against exact fractions, and its refusals."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lowbit.golden.formats import FP16, FP32
from lowbit.golden.group_scale import Codes, code_sum, scaled
from lowbit.golden.lut.gemm import Gemm, Operands
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.parameters import ParameterError

Array = np.ndarray[Any, Any]


def fp32(exact: Fraction) -> Fraction | str:
    """The FP32 number nearest to a fraction, ties to even; "inf" beyond the format."""
    if exact == 0:
        return Fraction(0)
    exponent = -126
    while abs(exact) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    unit = Fraction(2) ** (exponent - 23)
    rounded = round(exact / unit) * unit
    return rounded if abs(rounded) < Fraction(2) ** 128 else "inf"


def value(code: Any) -> Fraction:
    return Fraction(float(np.uint32(code).view(np.float32)))


@pytest.mark.parametrize("codes", list(Codes))
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_sum_of_codes(codes: Codes, bits: int) -> None:
    """Q from sums over odd codes and of activations, against the sum over the codes themselves."""
    rng = np.random.default_rng([bits, codes])
    a = rng.integers(-2**25, 2**25, (3, 40))
    q = rng.integers(0, 1 << bits, (5, 40))
    meant = {Codes.ODD: [[Fraction(2 * int(x) - (1 << bits) + 1, 2) for x in row] for row in q],
             Codes.SIGNED: [[Fraction(int(x) - (1 << bits - 1)) for x in row] for row in q],
             Codes.UNSIGNED: [[Fraction(int(x)) for x in row] for row in q]}[codes]
    unit = np.array([-30, 0, -140])
    got = code_sum(a @ (2 * q - (1 << bits) + 1).T, a.sum(axis=1), bits, codes, unit)
    for row in range(3):
        for column in range(5):
            exact = sum((int(x) * w for x, w in zip(a[row], meant[column], strict=True)),
                        Fraction(0))
            assert value(got[row, column]) == fp32(exact * Fraction(2) ** int(unit[row]))


def test_every_operation_rounds_once() -> None:
    """d Q, m A, their sum and the sum with y: four roundings, each of exact operands."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        small = rng.random() < 0.3          # down to subnormal products
        total, row_sum, y = (FP32.from_array((rng.standard_normal(shape) * 10.0 ** rng.integers(
            -36 if small else -3, -30 if small else 4)).astype(np.float32))
            for shape in ((2, 6), (2,), (2, 6)))
        d, m = (FP16.from_array(rng.standard_normal(6).astype(np.float16)) for _ in range(2))
        got = scaled(total, d, y, m, row_sum, FP16, FP16)
        for i, j in np.ndindex(2, 6):
            first = fp32(value(total[i, j]) * Fraction(float(np.uint16(d[j]).view(np.float16))))
            second = fp32(value(row_sum[i]) * Fraction(float(np.uint16(m[j]).view(np.float16))))
            assert isinstance(first, Fraction) and isinstance(second, Fraction)
            both = fp32(first + second)
            assert isinstance(both, Fraction)
            assert value(got[i, j]) == fp32(value(y[i, j]) + both)


def test_specials() -> None:
    """Overflow to infinity, infinity times zero, and zeros without a sign."""
    one, inf, nan, largest = 0x3F800000, FP32.inf, FP32.nan, FP32.inf - 1
    cases = [(largest, 0x4000, 0, inf), (0, FP16.inf, one, nan), (one, FP16.nan, one, nan),
             (one, 0x8000, 0, 0), (one, 0xBC00, one, 0), (inf, 0x3C00, inf | 1 << 31, nan)]
    for total, d, y, expected in cases:
        got = scaled(np.array([[total]]), np.array([d]), np.array([[y]]), fmt=FP16)
        assert got.tolist() == [[expected]], (total, d, y)


DESIGN: dict[str, Any] = dict(M=2, N=16, w_bits=4, max_k=64, preload=False, group_scale="fp32",
                              offset="integer")


def operands(rng: np.random.Generator, **options: Any) -> Operands:
    codes = FP16.from_array(rng.standard_normal((3, 96)).astype(np.float16))
    return Operands(codes, rng.integers(0, 16, (20, 96), dtype=np.uint8), 4,
                    group_size=32, **options)


@pytest.mark.parametrize("kind", ["odd", "signed", "zero", "minimum"])
@pytest.mark.parametrize("a_format", ["fp16", "int8"])
def test_product_is_that_of_the_dequantised_weights(kind: str, a_format: str) -> None:
    rng = np.random.default_rng(7)
    scale = rng.uniform(0.01, 0.1, (20, 3)).astype(np.float16).astype(np.float32)
    zero = minimum = None
    if kind == "signed":
        zero = np.full((20, 3), 8)
    elif kind == "zero":
        zero = rng.integers(0, 16, (20, 3))
    elif kind == "minimum":
        minimum = rng.standard_normal((20, 3)).astype(np.float32)
    x = operands(rng, zero=zero, scale=scale, minimum=minimum)
    a = FP16.to_float64(x.codes)
    if a_format == "int8":
        x = replace(x, codes=rng.integers(-128, 128, (3, 96)))
        a = x.codes.astype(np.float64)
    q = x.q.astype(np.float64).reshape(20, 3, 32)
    centre = {"odd": np.full((20, 3), 7.5), "signed": zero, "zero": zero,
              "minimum": np.zeros((20, 3))}[kind]
    weights = scale[..., None] * (q - np.asarray(centre)[..., None])
    if minimum is not None:
        weights = weights + minimum[..., None]
    exact = a @ weights.reshape(20, 96).T
    gemm = Gemm(LutCoreParameters(a_format=a_format, **DESIGN), x)
    assert len(gemm.blocks) == 3 and gemm.streamed == 20
    error = np.abs(gemm.result(gemm.run()) - exact)
    assert (error <= 2.0**-20 * (np.abs(a) @ np.abs(weights.reshape(20, 96)).T)).all()


@pytest.mark.parametrize(("design", "options", "message"), [
    (dict(offset="none"), dict(zero=np.full((20, 3), 3)), "with --offset integer or real"),
    (dict(group_scale="fp16"), dict(scale=np.full((20, 3), 0.1, np.float32)),
     "scales must be fp16 numbers for this design; got 0.1"),
    ({}, dict(scale=np.full((20, 3), np.inf, np.float32)), "scales must be finite"),
    ({}, dict(scale=np.ones((20, 3), np.float32),
              minimum=np.full((20, 3), np.nan, np.float32)), "offsets must be finite"),
    (dict(group_scale="fp16", offset="real"),
     dict(scale=np.ones((20, 3), np.float32), minimum=np.full((20, 3), 0.1, np.float32)),
     "offsets must be fp16 numbers")])
def test_refused(design: dict[str, Any], options: dict[str, Any], message: str) -> None:
    x = operands(np.random.default_rng(1), **options)
    with pytest.raises(ParameterError, match=message):
        Gemm(LutCoreParameters(**{**DESIGN, **design}), x)


@pytest.mark.parametrize(("options", "message"), [
    (dict(datapath="float"), "--group-scale needs integer entries"),
    (dict(acc="fp16"), "--acc must be fp32 with --group-scale"),
    (dict(out_format="int32"), "--out-format must be fp32 or fp16"),
    (dict(chains=4), "--chains must leave more than 8 output beats"),
    (dict(chains=3), "--chains must divide N = 16"),
    (dict(group_scale="none"), "--offset needs --group-scale")])
def test_refused_designs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        LutCoreParameters(**{**DESIGN, **options})
