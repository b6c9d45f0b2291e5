"""Integer quantisation: optimal codes, scales, edge groups, and the reference vectors."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowbit.golden import groups
from lowbit.golden.grouped import GroupedWeights, error_report
from lowbit.golden.groups import group_spans
from lowbit.golden.lut.quantizer import quantize
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.vectors import VECTORS

DEQUANT = VECTORS / "lut_dequant.npz"
HEADLINE = VECTORS / "headline_mse.json"


def levels(q: GroupedWeights, row: int, group: int) -> list[Fraction]:
    """Values that a group's codes stand for, exactly."""
    z = Fraction(2**q.bits - 1, 2) if q.zero is None else Fraction(int(q.zero[row, group]))
    return [Fraction(float(q.scale[row, group])) * (code - z) for code in range(2**q.bits)]


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 8), st.booleans(), st.none() | st.integers(1, 20), st.integers(1, 4),
       st.integers(1, 30), st.integers(0, 1 << 32), st.sampled_from([1e-3, 1.0, 1e4]),
       st.sampled_from([np.float16, np.float32, np.float64]))
def test_codes_are_the_nearest_level(bits: int, symmetric: bool, size: int | None, n: int, k: int,
                                     seed: int, spread: float, dtype: Any) -> None:
    rng = np.random.default_rng(seed)
    w = (rng.standard_normal((n, k)) + rng.integers(-1, 2)).astype(dtype) * dtype(spread / 100)
    q = quantize(w, bits, size, symmetric=symmetric)
    assert q.codes.dtype == np.uint8 and q.scale.dtype == np.float32
    represented = q.dequantize()
    for row in range(n):
        for column in range(k):
            group = column // (size or k)
            values = levels(q, row, group)
            value = Fraction(float(w[row, column]))
            chosen = values[q.codes[row, column]]
            assert chosen == Fraction(float(represented[row, column]))
            best = min(abs(v - value) for v in values)
            # the quotient is rounded to float64 before it decides
            assert abs(chosen - value) <= best * (1 + Fraction(1, 2**45))


@pytest.mark.parametrize("bits", range(1, 9))
def test_symmetric_scale(bits: int) -> None:
    w = np.array([[0.5, -3.0, 1.0, 1.9]])      # no weight half way between levels
    q = quantize(w, bits, symmetric=True)
    half = 6.4 / 4 if bits == 1 else 3.0 / (2**bits - 1)
    assert q.zero is None and q.symmetric
    assert q.scale[0, 0] == 2 * np.float32(half)
    if bits == 1:
        assert q.codes.tolist() == [[1, 0, 1, 1]]
    else:
        assert q.codes[0, 1] == 0      # the largest weight is the lowest level
    flipped = quantize(-w, bits, symmetric=True)
    assert (flipped.dequantize() == -q.dequantize()).all()


@pytest.mark.parametrize("bits", range(1, 9))
def test_asymmetric_keeps_zero_and_range(bits: int) -> None:
    top = 2**bits - 1
    w = np.array([[0.0, 2.0, 4.0, 1.0], [0.0, -2.0, -4.0, -1.0], [5.0, 6.0, 7.0, 5.5]])
    q = quantize(w, bits)
    assert q.zero is not None
    assert q.zero[:, 0].tolist() == [0, top, 0]
    assert q.codes[0, 2] == top and q.codes[1, 2] == 0 and q.codes[2, 2] == top
    represented = q.dequantize()
    assert represented[0, 0] == 0 and represented[1, 0] == 0


def test_zero_groups() -> None:
    w = np.zeros((2, 8))
    w[0, 4:] = [1, -1, 0.5, 0]
    for symmetric in (True, False):
        q = quantize(w, 4, 4, symmetric=symmetric)
        assert q.scale[0, 0] == 0 and q.scale[0, 1] > 0
        assert (q.codes[0, :4] == 8).all()
        assert (q.dequantize()[:, :4] == 0).all() and (q.dequantize()[1] == 0).all()
        if q.zero is not None:
            assert q.zero[0, 0] == 8 and (q.zero[1] == 8).all()
    # too small for a float32 scale: as good as zero
    tiny = quantize(np.full((1, 4), 1e-60), 4)
    assert tiny.scale[0, 0] == 0 and (tiny.dequantize() == 0).all()
    assert error_report(np.zeros((2, 2)), quantize(np.zeros((2, 2)), 4)).normalized_mse == 0


def test_half_of_a_scale_is_exact() -> None:
    w = np.random.default_rng(1).standard_normal((40, 8)) * 2.0 ** np.arange(-149, -109)[:, None]
    for symmetric in (True, False):
        scale = quantize(w, 3, symmetric=symmetric).scale
        assert ((scale / np.float32(2)) * np.float32(2) == scale).all()
        assert (scale > 0).any()


def test_ragged_tail_stands_alone() -> None:
    w = np.random.default_rng(2).standard_normal((5, 22)).astype(np.float32)
    for symmetric in (True, False):
        q = quantize(w, 3, 8, symmetric=symmetric)
        assert q.scale.shape == (5, 3)
        for group, part in enumerate((slice(0, 8), slice(8, 16), slice(16, 22))):
            alone = quantize(w[:, part], 3, symmetric=symmetric)
            assert (q.codes[:, part] == alone.codes).all()
            assert (q.scale[:, group] == alone.scale[:, 0]).all()
    assert group_spans(22, 8) == [(slice(0, 16), slice(0, 2), 8), (slice(16, 22), slice(2, 3), 6)]
    whole = quantize(w, 3, 100)
    assert (whole.codes == quantize(w, 3).codes).all() and whole.scale.shape == (5, 1)


def test_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    w = np.random.default_rng(3).standard_normal((50, 10))
    whole = quantize(w, 4, 5)
    report = error_report(w, whole)
    monkeypatch.setattr(groups, "BLOCK", 70)
    done: list[tuple[int, int]] = []
    parts = quantize(w, 4, 5, progress=lambda *part: done.append(part))
    assert {total for _, total in done} == {50}
    assert [rows for rows, _ in done] == [7, 14, 21, 28, 35, 42, 49, 50]
    assert (parts.codes == whole.codes).all() and (parts.scale == whole.scale).all()
    error = whole.dequantize() - w
    for got in (report, error_report(w, parts)):
        assert got.mse == pytest.approx((error**2).mean(), rel=1e-12)
        assert got.normalized_mse == pytest.approx((error**2).sum() / (w**2).sum(), rel=1e-12)
        assert got.max_error == np.abs(error).max()
    bad = w.copy()
    bad[9, 3], bad[40, 0], bad[40, 1] = np.nan, np.inf, -np.inf
    with pytest.raises(ParameterError, match=r"3 of 500 .* at row 9, column 3"):
        quantize(bad, 4, 5)


@pytest.mark.parametrize(("weights", "bits", "size", "message"), [
    (np.ones((2, 2)), 0, None, "--w-bits must be 1..8; got 0"),
    (np.ones((2, 2)), 9, None, "--w-bits must be 1..8; got 9"),
    (np.ones((2, 2)), 4, 0, "--group-size must be at least 1; got 0"),
    (np.ones(4), 4, None, "shape"),
    (np.ones((2, 0)), 4, None, "shape"),
    (np.full((1, 2), 1e300), 4, None, "scale must fit float32"),
    (np.array([[1.7e308, -1.7e308]]), 1, None, "scale must fit float32"),
])
def test_refused(weights: Any, bits: int, size: int | None, message: str) -> None:
    for symmetric in (False, True):
        with pytest.raises(ParameterError, match=message):
            quantize(weights, bits, size, symmetric=symmetric)


def test_storage() -> None:
    w = np.ones((4, 256), np.float32)
    assert quantize(w, 4, 128).bits_per_weight == 4 + (32 + 4) / 128
    assert quantize(w, 2, 128, symmetric=True).bits_per_weight == 2.25


@pytest.mark.parametrize("case", ["w1g128", "w2g128", "w4g64", "w8g128"])
def test_dequantised_reference(case: str) -> None:
    with np.load(DEQUANT) as data:
        a, q, z, s, y = (data[f"dequant|{case}|{f}"] for f in ("a", "q", "z", "s", "y_exact"))
    bits, size = (int(x) for x in case[1:].split("g"))
    represented = GroupedWeights(q, s.astype(np.float32), z, bits, size).dequantize()
    exact = [[sum(Fraction(float(x)) * Fraction(float(r)) for x, r in zip(row, column, strict=True))
              for column in represented] for row in a]
    assert [[float(v) for v in row] for row in exact] == y.tolist()


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("bits", [3, 4, 8])
def test_error_on_gaussian_weights(bits: int, size: int) -> None:
    """The published error of asymmetric integers, from other random numbers."""
    reference = json.loads(HEADLINE.read_text())[f"gauss|g{size}"][f"int{bits}_asym"]
    w = np.random.default_rng(4).standard_normal((256, 4096)).astype(np.float32)
    report = error_report(w, quantize(w, bits, size))
    assert report.normalized_mse == pytest.approx(reference, rel=0.02)
