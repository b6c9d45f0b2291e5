"""The model of row-scaled entries against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lowbit.golden.formats import BF16, FP8_E4M3, FP8_E5M2, FP16, FloatFormat
from lowbit.golden.lut.row_scaled import RowScale, step
from lowbit.golden.lut.table import pattern_signs
from lowbit.tb.benches.stimulus import KINDS, activations


def scale_of(fmt: FloatFormat, entry: int, acc: int, bits: int, zero: bool, k: int,
             groups: int = 1) -> RowScale:
    return RowScale(fmt=fmt, K=4, entry_bits=entry, acc_bits=acc, w_bits=bits, zero_point=zero,
                    max_k=k, groups=groups)


FORMATS = [FP16, BF16, FP8_E4M3, FP8_E5M2]
#: entry bits, accumulator bits, weight bits, zero points, longest operation
WIDTHS = [(26, 34, 4, True, 512), (13, 21, 2, True, 512), (13, 20, 1, False, 4096),
          (12, 18, 8, True, 48), (20, 23, 3, False, 96)]


def rows_of(rng: np.random.Generator, fmt: FloatFormat, k: int) -> Any:
    """Every kind of row, raw codes, zeros and the largest numbers."""
    rows = [activations(rng, fmt, 1, k, (kind,))[0] for kind in KINDS]
    largest = next(code for code in range((1 << (fmt.bits - 1)) - 1, 0, -1)
                   if fmt.is_finite(np.array([code]))[0])
    return np.array([*rows, *rng.integers(0, 1 << fmt.bits, (6, k)), np.zeros(k, np.int64),
                     np.full(k, largest)]).astype(np.int64)


def value(fmt: FloatFormat, code: int) -> Fraction:
    """The number of a code, 0 for what is none."""
    if not fmt.is_finite(np.array([code]))[0]:
        return Fraction(0)
    sign, field, significand = (int(x[0]) for x in fmt.decode(np.array([code])))
    return Fraction(-significand if sign else significand) * Fraction(2) ** (field - 1 + fmt.emin)


def reference(scale: RowScale, row: Any, exponent: int) -> list[list[int]]:
    """Entries of the whole table, every rounding in fractions (Python rounds half to even)."""
    unit = Fraction(2) ** (exponent + scale.emin)
    fine = unit / (1 << scale.guard_bits)
    tables = []
    for start in range(0, len(row), scale.K):
        terms = [round(value(scale.fmt, int(code)) / fine) for code in row[start:start + scale.K]]
        tables.append([round(Fraction(sum(t if pattern >> i & 1 else -t
                                          for i, t in enumerate(terms)), 1 << scale.guard_bits))
                       for pattern in range(1 << scale.K)])
    return tables


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("entry", "acc", "bits", "zero", "k"), WIDTHS)
def test_rows_fit(fmt: FloatFormat, entry: int, acc: int, bits: int, zero: bool, k: int,
                  groups: int) -> None:
    """At the scanned exponent no entry and no sum of any weights is beyond its width, at the least
    one neither, and at one less the model says so; entries are those of exact fractions."""
    scale = scale_of(fmt, entry, acc, bits, zero, k, groups)
    codes = rows_of(np.random.default_rng([fmt.bits, entry]), fmt, min(k, 48))
    scanned, least = scale.scanned_exponent(codes), scale.least_exponent(codes)
    assert (least <= scanned).all() and (scanned - least <= 1).all() and (least >= 0).all()
    assert scanned.max() <= scale.max_exponent
    below = np.maximum(least - 1, 0)
    assert (~scale.fits(codes, below) | (least == 0)).all()
    for exponents in (scanned, least):
        terms, clipped = scale.terms(codes, exponents)
        entries, too_large = scale.entries(terms, pattern_signs(4, "full").astype(np.int64))
        assert not clipped.any() and not too_large.any()
        # weights that make every beat count most: the planes, and the zero point's planes
        most = np.abs(entries).max(axis=2)
        worst = np.sum([step(most, plane).sum(axis=1) for plane in range(bits)], axis=0)
        assert worst.max() * (2 if zero else 1) <= scale.acc_limit
        for row, exponent, got in zip(codes[::3], exponents[::3], entries[::3], strict=True):
            assert got.tolist() == reference(scale, row, int(exponent))


def test_the_exponent_is_not_wasted() -> None:
    """Without a floor at the smallest exponent, a row uses the upper half of one of its widths."""
    scale = scale_of(FP16, 13, 21, 2, True, 512)
    codes = activations(np.random.default_rng(3), FP16, 64, 512, ("gaussian", "outlier"))
    codes = codes.astype(np.int64)
    exponent = scale.least_exponent(codes)
    terms, _ = scale.terms(codes, exponent)
    entries, _ = scale.entries(terms, pattern_signs(4, "full").astype(np.int64))
    tables = np.abs(entries).max(axis=2)
    reach = np.array([scale.reach(int(total)) for total in tables.sum(axis=1)])
    assert ((tables.max(axis=1) > scale.entry_limit / 2.1) | (reach > scale.acc_limit / 2.1)
            | (exponent == 0)).all()


def test_step_rounds_to_odd() -> None:
    """All entries of 11 bits: exact where nothing is lost, else the odd neighbour; negation
    commutes."""
    entries = np.arange(-1024, 1024)
    for plane in range(8):
        stepped = step(entries, plane)
        exact = [Fraction(int(t), 1 << plane) for t in entries]
        for got, wanted in zip(stepped.tolist(), exact, strict=True):
            assert got == wanted or (got % 2 and abs(got - wanted) < 1)
        assert (step(-entries, plane) == -stepped).all()


def test_results_are_close_to_exact_products() -> None:
    """R = 2**(b-1) * S stands for the sum of a * q': within half a unit an entry and a unit a
    shifted read, times their weight."""
    rng = np.random.default_rng(5)
    for bits in (1, 2, 4, 8):
        scale = scale_of(FP16, 13, 22, bits, True, 64)
        codes = activations(rng, FP16, 8, 64, ("gaussian", "outlier")).astype(np.int64)
        exponent = scale.scanned_exponent(codes)
        entries, _ = scale.entries(scale.terms(codes, exponent)[0],
                                   pattern_signs(4, "full").astype(np.int64))
        q = rng.integers(0, 1 << bits, 64)
        total = np.zeros(8, np.int64)
        for plane in range(bits):
            pattern = (q >> (bits - 1 - plane) & 1).reshape(-1, 4) @ (1 << np.arange(4))
            total += step(entries, plane)[:, np.arange(16), pattern].sum(axis=1)
        for row in range(8):
            exact = sum(value(FP16, int(a)) * int(2 * w - (1 << bits) + 1)
                        for a, w in zip(codes[row], q, strict=True))
            unit = Fraction(2) ** (int(exponent[row]) + scale.emin)
            error = abs(Fraction(int(total[row])) * (1 << (bits - 1)) * unit - exact)
            assert error <= unit * (16 * ((1 << bits) - 1) + 16 * (bits - 1) * (1 << (bits - 1)))


def test_an_exponent_that_is_too_small_saturates() -> None:
    scale = scale_of(FP16, 13, 21, 2, True, 512)
    codes = FP16.from_array(np.array([[1000, 1, 1, 1], [1, 1, 1, 1]], np.float16)).astype(np.int64)
    exponent = scale.least_exponent(codes)
    signs = pattern_signs(4, "half").astype(np.int64)
    for less, flags in ((0, [False, False]), (9, [True, True])):
        terms, clipped = scale.terms(codes, exponent - less)
        entries, too_large = scale.entries(terms, signs)
        assert np.abs(entries).max() <= scale.entry_limit
        assert (clipped.any(axis=1) | too_large.any(axis=1)).tolist() == flags


def test_widths_without_room() -> None:
    assert scale_of(FP16, 13, 12, 4, True, 4096).acc_room < 1
    assert scale_of(FP16, 13, 22, 4, True, 4096).acc_room > 1
