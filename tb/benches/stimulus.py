"""Activations for benches and tests: random rows of several kinds, and directed corner rows.

What random numbers seldom meet is made on purpose: numbers by the place of their leading one
(:func:`placed`, in the order of :func:`places`), and to each number one that an adder finds
difficult beside it (:func:`partners`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import (
    ExponentFormat,
    FloatFormat,
    IntFormat,
    ScaleFormat,
    bit_length,
)
from lowbit.golden.requantize import MOST_SHIFT, MULTIPLIER_BITS, Requantizer

__all__ = ["activations", "KINDS", "difference", "partners", "placed", "places", "requantizer",
           "scale_codes", "swept_row"]

Array = NDArray[Any]

#: kinds of activation row
KINDS = ("gaussian", "outlier", "any", "zero", "largest", "alternating", "subnormal", "cancel",
         "wide", "residue", "nonfinite", "scaled", "echo", "few")
_WEIGHTS = np.array([4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3], float)


def activations(rng: np.random.Generator, fmt: IntFormat | FloatFormat, rows: int, k: int,
                kinds: tuple[str, ...] | None = None) -> Array:
    """Random codes (integers for integer formats), int64 (rows, k); each row is of one kind."""
    names = rng.choice(KINDS, rows, p=_WEIGHTS / _WEIGHTS.sum()) if kinds is None else \
        rng.choice(kinds, rows)
    return np.stack([_row(rng, fmt, k, str(name)) for name in names])


def requantizer(rng: np.random.Generator, largest: Array) -> Requantizer:
    """What makes int8 of the sums of columns whose largest are these: most bring results to some
    bits, some are extreme, and some make ties."""
    n, bits, most = len(largest), bit_length(largest), 1 << MULTIPLIER_BITS
    multiplier = rng.integers(most >> 1, most, n)
    shift = np.clip(MULTIPLIER_BITS + bits - rng.integers(4, 10, n), 0, MOST_SHIFT)
    kind = rng.random(n)
    multiplier = np.where(kind < 0.3, 1, np.where(kind < 0.4, most - 1, multiplier))
    shift = np.where(kind < 0.3, np.clip(bits - 7 + rng.integers(0, 3, n), 0, MOST_SHIFT), shift)
    shift = np.where((kind > 0.3) & (kind < 0.5), rng.choice([0, 1, MOST_SHIFT - 1, MOST_SHIFT], n),
                     shift)
    return Requantizer(multiplier, shift, rng.integers(-128, 128, n))


def scale_codes(rng: np.random.Generator, fmt: ScaleFormat, n: int) -> Array:
    """Codes of group scales: ordinary numbers, and now and then zeros, subnormals, the largest
    and what is not finite."""
    if isinstance(fmt, ExponentFormat):
        values = rng.integers(fmt.bias - 14, fmt.bias + 14, n)
        special = np.array([0, 1, 2, fmt.bias, fmt.nan - 1, fmt.nan])
    elif isinstance(fmt, IntFormat):
        values = rng.integers(fmt.low, fmt.high, n, endpoint=True)
        special = np.array([0, 1, fmt.high >> 1, fmt.high])
    else:
        values = fmt.from_float64(rng.standard_normal(n) * 10.0 ** rng.integers(-4, 4))
        special = np.array([0, 1, (1 << fmt.mbits) - 1, fmt.inf - 1, fmt.inf, fmt.nan])
    if rng.random() < 0.3:
        chosen = rng.choice(special, n)
        if isinstance(fmt, FloatFormat):
            chosen = chosen | rng.integers(0, 2, n) << (fmt.bits - 1)
        values = np.where(rng.random(n) < 0.5, chosen, values)
    return values


def _row(rng: np.random.Generator, fmt: IntFormat | FloatFormat, k: int, kind: str) -> Array:
    if isinstance(fmt, IntFormat):
        return _integer_row(rng, fmt, k, kind)
    top = (1 << (fmt.bits - 1)) - 1
    largest = (fmt.nan if fmt.fn else fmt.inf) - 1
    sign = rng.integers(0, 2, k) << (fmt.bits - 1)
    if kind == "gaussian":
        return fmt.from_float64(rng.standard_normal(k))
    if kind == "outlier":
        x = rng.standard_normal(k)
        return fmt.from_float64(np.where(rng.random(k) < 0.1, 40 * x, x))
    if kind == "zero":
        return sign
    if kind == "largest":
        return largest | sign
    if kind == "alternating":
        return largest | (np.arange(k) & 1) << (fmt.bits - 1)
    if kind == "subnormal":
        return rng.integers(0, 1 << fmt.mbits, k) | sign
    if kind == "cancel":
        codes = np.full(k, largest) ^ (np.arange(k) & 1) << (fmt.bits - 1)
        codes[rng.integers(k)] = 1
        return codes
    if kind == "residue":       # equal weights leave only the last ones: far below, if anything
        x = np.full(k, rng.uniform(1, 2)) * (1 - 2 * (np.arange(k) & 1))
        x[-1 - (k % 2 == 0):] = 2.0 ** -rng.uniform(1, 30) * rng.choice([-1, 1])
        return fmt.from_float64(x)
    if kind == "scaled":        # one magnitude, often at an end of the format
        fields = _exponent(rng, fmt) + rng.integers(-3, 1, k)
        return _codes(fmt, fields, rng.integers(0, 1 << fmt.mbits, k), sign)
    if kind == "echo":          # each like the one before: sums cancel, to any leading bit
        fields = _exponent(rng, fmt) + np.cumsum(rng.choice([0, 0, 0, 0, -1, 1], k))
        steps = np.array([0, 0, 0, 1, -1, int(rng.integers(1 << fmt.mbits))])
        near = np.cumsum(rng.choice(steps, k))
        return _codes(fmt, fields, rng.integers(1 << fmt.mbits) + near, sign)
    if kind == "few":           # bits far apart: what is left over decides a rounding
        fields = _exponent(rng, fmt) - rng.integers(0, 2 * fmt.mbits + 12, k)
        mantissas = rng.choice([0, 1, (1 << fmt.mbits) - 1, 1 << (fmt.mbits - 1)], k)
        codes = _codes(fmt, fields, mantissas, sign)
        return np.where(rng.random(k) < 3 / k, codes, 0)
    if kind == "wide":
        return np.minimum(rng.integers(0, largest + 1, k), largest) | sign
    codes = np.minimum(rng.integers(0, top + 1, k), largest) | sign
    if kind == "nonfinite":
        codes[rng.integers(k)] = rng.choice([fmt.nan, fmt.inf, top, fmt.inf | 1 << (fmt.bits - 1)])
    return codes


def _exponent(rng: np.random.Generator, fmt: FloatFormat) -> int:
    """An exponent field: any, or near one of the ends."""
    top = (fmt.nan if fmt.fn else fmt.inf) - 1 >> fmt.mbits
    near = int(rng.integers(0, fmt.mbits + 5))
    anywhere = int(rng.integers(0, top + 1))
    return int(rng.choice(np.array([anywhere, min(near, top), max(top - near, 0)])))


def _codes(fmt: FloatFormat, fields: Array, mantissas: Array, sign: Array) -> Array:
    """Finite codes; exponent fields beyond an end become that end."""
    largest = (fmt.nan if fmt.fn else fmt.inf) - 1
    mantissas = mantissas & (1 << fmt.mbits) - 1
    fields = np.clip(fields, 0, largest >> fmt.mbits)
    return np.minimum(fields << fmt.mbits | mantissas, largest) | sign


def placed(rng: np.random.Generator, fmt: FloatFormat, at: Array) -> Array:
    """Finite codes, of any sign, whose leading one stands at places ``at``: 0 is the smallest
    subnormal's; places beyond the format become its ends. Below it are few ones or many."""
    at = np.clip(at, 0, fmt.max_exponent_field - 1 + fmt.mbits)
    ones = (1 << fmt.mbits) - 1
    fraction = rng.choice(np.array([0, 0, 1, ones, 1 << (fmt.mbits - 1)]), at.shape)
    fraction = np.where(rng.random(at.shape) < 0.4, rng.integers(0, ones + 1, at.shape), fraction)
    subnormal = 1 << np.minimum(at, fmt.mbits)
    codes = np.where(at < fmt.mbits, subnormal | fraction & subnormal - 1,
                     (at - fmt.mbits + 1 << fmt.mbits) | fraction)
    return np.minimum(codes, _largest(fmt)) | rng.integers(0, 2, at.shape) << (fmt.bits - 1)


def places(rng: np.random.Generator, fmt: FloatFormat, low: int, high: int) -> Iterator[int]:
    """Places of leading ones without end: the ``low`` lowest, the ``high`` highest, and half as
    many from anywhere, each once in a random order, then again."""
    top = fmt.max_exponent_field - 1 + fmt.mbits
    ends = sorted({*range(min(low, top + 1)), *range(max(top + 1 - high, 0), top + 1)})
    while True:
        yield from map(int, rng.permutation(
            [*ends, *rng.integers(0, top + 1, len(ends) // 2)]))


def difference(rng: np.random.Generator, fmt: FloatFormat, codes: Array) -> Array:
    """The opposites of codes, or what differs from them in some of the lowest bits or by a few
    units in one of these: sums have their leading one at any place."""
    bit = np.int64(1) << rng.integers(0, fmt.mbits + 1, codes.shape)
    change = rng.choice(np.array([0, 1, 1, 2, 2]), codes.shape)
    step = np.where(change == 1, bit, rng.integers(0, bit)) * (change > 0)
    sign = codes >> (fmt.bits - 1) & 1
    magnitude = codes & (1 << (fmt.bits - 1)) - 1
    near = np.clip(magnitude + step * rng.choice([-1, 1], codes.shape), 0, _largest(fmt))
    # what is not finite stays: infinities of both signs meet
    magnitude = np.where(magnitude > _largest(fmt), magnitude, near)
    return magnitude | (1 - sign) << (fmt.bits - 1)


def partners(rng: np.random.Generator, fmt: FloatFormat, codes: Array,
             cancel: float = 0.4) -> Array:
    """To each code one for an adder of the format: with probability ``cancel`` its
    :func:`difference`; a number as far above
    or below it as the significands reach; half a unit in its last place, or a little more or
    less than that, so that the last bit of the smaller one decides."""
    shape = codes.shape
    _, field, significand = fmt.decode(codes)
    at = field - 2 + bit_length(significand)        # the place of its leading one
    apart = placed(rng, fmt, at + rng.integers(-fmt.mbits - 4, fmt.mbits + 5, shape))
    half = np.clip(at - fmt.precision, 0, None)
    tie = np.where(half < fmt.mbits, 1 << np.minimum(half, fmt.mbits),
                   half - fmt.mbits + 1 << fmt.mbits)
    tie = np.maximum(tie + rng.integers(-1, 2, shape), 0)
    tie = np.minimum(tie, _largest(fmt)) | rng.integers(0, 2, shape) << (fmt.bits - 1)
    choice = rng.choice(3, shape, p=[cancel, (1 - cancel) * 2 / 3, (1 - cancel) / 3])
    return np.choose(choice, [difference(rng, fmt, codes), apart, tie])


def swept_row(rng: np.random.Generator, fmt: FloatFormat, k: int, at: int, reach: int,
              beat: int = 1) -> Array:
    """A row of ``k`` codes whose largest stands at place ``at``, with few others: its
    :func:`difference`, and what lies up to ``reach`` places below. Or the last ``beat`` of the row
    are the opposites of the first ones, and few lie between. Equal weights leave only what is left
    of them."""
    def some(most: int) -> Array:
        return placed(rng, fmt, at - rng.integers(0, reach + 1, int(rng.integers(1, most + 1))))

    codes = np.zeros(k, np.int64)
    large = placed(rng, fmt, np.array([at]))
    if k > 2 * beat and rng.random() < 0.5:
        first = np.concatenate([large, some(3) if rng.random() < 0.7 else large[:0]])[:beat]
        codes[rng.permutation(beat)[:len(first)]] = first
        between = some(2)[:k - 2 * beat]
        codes[beat + rng.permutation(k - 2 * beat)[:len(between)]] = between
        codes[-beat:] = codes[:beat] ^ 1 << (fmt.bits - 1)
        return codes
    # alone; two; two and a rest; one and a rest
    kind = int(rng.choice(4, p=[0.2, 0.3, 0.3, 0.2]))
    row = np.concatenate([large, difference(rng, fmt, large)[:kind in (1, 2)],
                          some(2) if kind > 1 else large[:0]])[:k]
    codes[rng.permutation(k)[:len(row)]] = row
    return codes


def _largest(fmt: FloatFormat) -> int:
    """The largest finite code."""
    return (fmt.nan if fmt.fn else fmt.inf) - 1


def _integer_row(rng: np.random.Generator, fmt: IntFormat, k: int, kind: str) -> Array:
    if kind in ("gaussian", "outlier"):
        return np.clip(np.rint(rng.standard_normal(k) * fmt.high / 4), fmt.low,
                       fmt.high).astype(np.int64)
    if kind == "zero":
        return np.zeros(k, np.int64)
    if kind in ("largest", "nonfinite"):
        return np.full(k, fmt.low if rng.integers(2) else fmt.high, np.int64)
    if kind in ("alternating", "cancel"):
        return np.where(np.arange(k) & 1, fmt.low, fmt.high).astype(np.int64)
    return rng.integers(fmt.low, fmt.high + 1, k)
