"""Activations and special values that find the corners of the BitMoD PE, and how a design gets
its special values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray

from lowbit.golden.bitmod.ports import special_value_word
from lowbit.golden.formats import FP16, FP32, FloatFormat
from lowbit.tb.benches.stimulus import difference, placed

__all__ = ["GROUP_KINDS", "SPECIAL_VALUES", "channel_places", "few_groups", "group_activations",
           "program_special_values", "scan_corners"]

Array = NDArray[Any]

GROUP_KINDS = ("gauss", "bits", "cancel", "extreme", "small", "steps", "powers",
               "single", "opposed", "vanishing")
#: the highest place of an FP16 number's leading one; the lowest is 0, the smallest subnormal's
_TOP = FP16.max_exponent_field - 1 + FP16.mbits
#: values that two signed terms express, the types' own among them
SPECIAL_VALUES = (0.5, 3.0, -3.0, 6.0, -6.0, 5.0, -5.0, 8.0, -8.0, 3.5, -7.0, 7.5, -9.0, 12.0)


def group_activations(rng: np.random.Generator, kind: str, groups: int, size: int) -> Array:
    """Finite FP16 codes (groups, size)."""
    shape = (groups, size)
    if kind == "single":        # one number a group, each at the next place
        codes = np.zeros(shape, np.int64)
        at = (int(rng.integers(_TOP + 1)) + np.arange(groups)) % (_TOP + 1)
        codes[np.arange(groups), rng.integers(0, size, groups)] = placed(rng, FP16, at)
        return codes
    if kind == "opposed":       # each number is nearly the opposite of the one before
        codes = placed(rng, FP16, rng.integers(0, _TOP + 1, shape))
        for i in range(1, size):
            again = rng.random(groups) < 0.7
            codes[:, i] = np.where(again, difference(rng, FP16, codes[:, i - 1]), codes[:, i])
        return codes
    if kind == "vanishing":     # small ones, then growing pairs of which nothing is left
        codes = placed(rng, FP16, np.sort(rng.integers(0, _TOP + 1, shape), axis=1))
        end = 2 + max(0, (size - 3) // 2 * 2)
        codes[:, 3:end:2] = codes[:, 2:end:2] ^ 0x8000
        codes[:, end:] = 0      # a group that is cut by one loses no partner
        return codes
    if kind == "bits":
        code = rng.integers(0, 1 << 16, shape)
        return np.where(FP16.is_finite(code), code, code & 0x83FF)      # subnormals instead
    if kind == "steps":
        # magnitudes grow or shrink along the group, so that sums enter far above or below
        fields = np.sort(rng.integers(0, 31, shape), axis=1)
        fields[::2] = fields[::2, ::-1]
        return (rng.integers(0, 2, shape) << 15) | (fields << 10) | rng.integers(0, 1024, shape)
    if kind == "powers":
        # few ones: sums cancel to single bits, far apart
        fields = rng.integers(0, 31, shape)
        repeated = rng.random(shape) < 0.5
        repeated[:, 0] = False
        for i in range(1, size):
            fields[:, i] = np.where(repeated[:, i], fields[:, i - 1], fields[:, i])
        fraction = rng.choice([0, 0, 1, 1023, 512], shape)
        return (rng.integers(0, 2, shape) << 15) | (fields << 10) | fraction
    if kind == "cancel":
        x = rng.standard_normal(shape) * 1000
        x[:, 1::2] = -x[:, :size // 2 * 2:2]
        x[:, -1] += 6e-8
    elif kind == "extreme":
        x = rng.choice([65504.0, -65504.0, 6e-8, -6e-8, 0.0, -0.0, 6.1e-5], shape)
    elif kind == "small":
        x = rng.standard_normal(shape) * 1e-6
    else:
        x = rng.standard_normal(shape)
        x[rng.random(shape) < 0.05] *= 100
    return FP16.from_array(x.astype(np.float16)).astype(np.int64)


def few_groups(rng: np.random.Generator, start: int, rows: int, groups: int, size: int,
               opposed: bool) -> Array:
    """FP16 codes (rows, groups * size): few numbers a group. In the first group of row 0 the
    largest stands at place ``start``, and one place higher in each following row.

    The other groups' are as far from it as a sum's significand reaches. Or, ``opposed``, the last
    group's are the opposites of the first's, one of them changed now and then, and those of a
    group between stand below: sums of groups cancel to any place.
    """
    codes = np.zeros((rows, groups, size), np.int64)
    first = (start + np.arange(rows)) % (_TOP + 1)
    members = rng.permutation(size)[:3]
    reach = FP32.precision + 3
    codes[:, 0, members[0]] = placed(rng, FP16, first)
    for group in range(1, groups):
        far = rng.integers(-reach, 1 if opposed else reach + 1, rows)
        codes[:, group, members[0]] = placed(rng, FP16, first + far)
    if opposed and groups > 1:
        for member in members[1:]:
            below = placed(rng, FP16, first - rng.integers(0, reach + 1, rows))
            codes[:, 0, member] = np.where(rng.random(rows) < 0.7, below, 0)
        codes[:, -1] = codes[:, 0] ^ 0x8000
        member = members[-1]
        changed = difference(rng, FP16, codes[:, 0, member])
        codes[:, -1, member] = np.where(rng.random(rows) < 0.5, changed, codes[:, -1, member])
    return codes.reshape(rows, groups * size)


def scan_corners(rng: np.random.Generator, rows: Array, group_size: int) -> Array:
    """FP16 codes (m, k), some of whose groups have become such as a scan may get wrong.

    The largest activation is the first or the last of its group, and up to all places above the
    others; all are subnormals, or zeros; an infinity or a NaN stands among smaller ones (seldom:
    the row's results are NaN then). Each follows any other.
    """
    rows = rows.copy()
    for start in range(0, rows.shape[1], group_size):
        size = min(group_size, rows.shape[1] - start)
        for row in np.flatnonzero(rng.random(len(rows)) < 0.5):
            kind = rng.choice(["first", "last", "subnormals", "zeros", "odd"],
                              p=[0.2, 0.4, 0.2, 0.19, 0.01])
            top = int(rng.integers(1, FP16.max_exponent_field)) << FP16.mbits
            below = {"zeros": 1, "subnormals": 1 << FP16.mbits}.get(str(kind), top)
            group = rng.integers(0, below, size)
            if kind in ("first", "last"):
                group[0 if kind == "first" else -1] = top + rng.integers(1 << FP16.mbits)
            elif kind == "odd":
                group[rng.integers(size)] = FP16.inf + rng.integers(2)
            rows[row, start:start + size] = group | rng.integers(0, 2, size) << 15
    return rows


def channel_places(rng: np.random.Generator, sums: Array, fmt: FloatFormat) -> Array:
    """Channel scales (n,) as FP32 codes that bring ``sums`` (FP32 codes, n) to the ends of the
    format of the results: to each subnormal place and below, and around the largest."""
    span = FP32.max_exponent_field - 1
    lowest, highest = fmt.emin - 2, fmt.max_exponent_field - fmt.bias
    wanted = np.where(rng.random(sums.shape) < 0.7,
                      rng.integers(lowest, lowest + fmt.precision + 4, sums.shape),
                      rng.integers(highest - 2, highest + 3, sums.shape))
    at = wanted - (np.frexp(np.abs(FP32.to_float64(sums)))[1] - 1) - FP32.emin
    return placed(rng, FP32, np.clip(at, 0, span + FP32.mbits))


async def program_special_values(dut: Any, values: Iterable[float]) -> None:
    """Write the register file of special values, an entry a cycle."""
    await FallingEdge(dut.clk)
    for index, value in enumerate(values):
        dut.sv_write.value, dut.sv_index.value = 1, index
        dut.sv_value.value = special_value_word(float(value))
        await FallingEdge(dut.clk)
    dut.sv_write.value = 0
