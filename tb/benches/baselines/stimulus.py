"""Operands of the baselines: random blocks, and sums made to be difficult for their adder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FP16, FloatFormat
from lowbit.tb.benches.enabled import controls
from lowbit.tb.benches.stimulus import activations, difference, placed

__all__ = ["operands"]

Array = NDArray[Any]

#: cycles of operands of one kind, so that like meets like
BLOCK = 6
#: products of a directed sum
TERMS = 3
#: the highest place of an FP16 number's leading one; the lowest is 0, the smallest subnormal's
_TOP = FP16.max_exponent_field - 1 + FP16.mbits


def operands(rng: np.random.Generator, cycles: int, rows: int, columns: int, fmt: FloatFormat
             ) -> tuple[Array, Array, Array, Array]:
    """FP16 codes ``a`` (cycles, rows) and ``b`` (cycles, columns), ``first`` and ``en`` (cycles,).

    Every other block of cycles holds directed sums of products; ``fmt`` is that of the sum.
    """
    blocks = -(-cycles // BLOCK)
    a, b = (activations(rng, FP16, blocks * n, BLOCK).reshape(-1, n, BLOCK)
            .transpose(0, 2, 1).reshape(-1, n) for n in (rows, columns))
    first, en = controls(rng, blocks * BLOCK)
    number = blocks // 2 * (BLOCK // TERMS)
    # every place that a product can stand at and the ends once more, in a random order
    everywhere = np.arange(2 * _TOP + 1)
    order: list[int] = []
    while len(order) < number:
        order += [*rng.permutation(everywhere),
                  *rng.permutation([*everywhere[:8], *everywhere[-8:]])]
    for i, place in enumerate(order[:number]):
        start = i // 2 * 2 * BLOCK + BLOCK + i % 2 * TERMS
        here = slice(start, start + TERMS)
        a[here], b[here] = _sum(rng, int(place), rows, columns, fmt)
        first[here] = np.arange(TERMS) == 0
        en[here] |= rng.random(TERMS) < 0.9
    return a[:cycles], b[:cycles], first[:cycles], en[:cycles]


def _sum(rng: np.random.Generator, place: int, rows: int, columns: int,
         fmt: FloatFormat) -> tuple[Array, Array]:
    """Three products, the first at ``place`` in row and column 0 (0: the smallest).

    The second is nearly the opposite of the first, as far from it as the sum's significand
    reaches, or half a unit in its last place; the third takes the first away, or is nearly the
    opposite of the second, so that what the sums before left is seen.
    """
    def factors(place: int) -> tuple[Array, Array]:
        place = min(max(place, 0), 2 * _TOP)
        left = int(rng.integers(max(0, place - _TOP), min(place, _TOP) + 1))
        # the other rows and columns stand near, and so do not repeat this sum
        a, b = (placed(rng, FP16, at + rng.integers(-2, 3, n) * (np.arange(n) > 0))
                for at, n in ((left, rows), (place - left, columns)))
        return a, b

    def opposite(a: Array, b: Array) -> tuple[Array, Array]:
        """Of one operand or both the last bits differ."""
        kind = int(rng.integers(3))
        return (difference(rng, FP16, a) if kind < 2 else a ^ 0x8000,
                difference(rng, FP16, b) ^ 0x8000 if kind else b)

    a, b = factors(place)
    if rng.random() < 0.05:
        a = rng.choice(np.array([FP16.inf, FP16.inf | 0x8000, FP16.nan]), rows)
    kind = int(rng.integers(4))
    if kind == 0:
        second = opposite(a, b)
    elif kind == 1:
        second = factors(place - fmt.precision)
    else:
        second = factors(place + int(rng.integers(-fmt.precision - 3, fmt.precision + 4)))
    third = opposite(*second) if rng.random() < 0.3 else (a ^ 0x8000, b)
    return np.array([a, second[0], third[0]]), np.array([b, second[1], third[1]])
