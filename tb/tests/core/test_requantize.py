"""Requantisation to int8: golden model and pipeline against exact fractions, on corners."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from amaranth.sim import Simulator

from lowbit.golden.requantize import Requantizer, requantize
from lowbit.hdl.common.requantize import Requantize

MULTIPLIERS = (0, 1, 2, 3, (1 << 30) - 1, 1 << 30, (1 << 31) - 1)
SHIFTS = (0, 1, 2, 7, 30, 31, 32, 38, 61, 62)
ZEROS = (-128, -1, 0, 127)


def meant(total: int, multiplier: int, shift: int, zero: int) -> int:
    rounded = math.floor(Fraction(total * multiplier, 1 << shift) + Fraction(1, 2))
    return max(-128, min(127, rounded + zero))


def totals(bits: int, rng: np.random.Generator, shift: int, multiplier: int) -> list[int]:
    """Ends of the range, small ones, and what comes near a tie or an end of int8."""
    low, high = -1 << bits - 1, (1 << bits - 1) - 1
    near = [round(Fraction(int(goal) << shift, max(multiplier, 1) * 2)) + d
            for goal in rng.integers(-520, 520, 4) for d in (-1, 0, 1)]
    return [t for t in (low, high, -1, 0, 1, *near) if low <= t <= high]


def cases(bits: int) -> list[tuple[int, int, int, int]]:
    rng = np.random.default_rng(bits)
    return [(total, multiplier, shift, int(rng.choice(ZEROS)))
            for multiplier, shift in itertools.product(MULTIPLIERS, SHIFTS)
            for total in totals(bits, rng, shift, multiplier)]


@pytest.mark.parametrize("bits", [12, 32, 62])
def test_golden_is_exact(bits: int) -> None:
    t, m, s, z = np.array(cases(bits), np.int64).T
    got = requantize(t[None], Requantizer(m, s, z))[0]
    assert got.tolist() == [meant(*case) for case in cases(bits)]


@pytest.mark.parametrize("bits", [12, 32, 47])
def test_pipeline(bits: int) -> None:
    """A case a cycle; in some cycles nothing moves."""
    dut = Requantize(bits)
    given, got = cases(bits), []

    async def drive(ctx):
        stalls = np.random.default_rng(1)
        for total, multiplier, shift, zero in given + given[:1] * dut.STAGES:
            while stalls.random() < 0.1:
                ctx.set(dut.enable, 0)
                await ctx.tick()
            ctx.set(dut.enable, 1)
            for port, value in ((dut.total, total), (dut.multiplier, multiplier),
                                (dut.shift, shift), (dut.zero, zero)):
                ctx.set(port, value)
            await ctx.tick()
            got.append(ctx.get(dut.result))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    assert got[dut.STAGES - 1:-1] == [meant(*case) for case in given]


def test_of_scales() -> None:
    """As near as 31 bits bring it."""
    scales = np.array([1.0, 0.1, 3e-4, 1 / 3, 2.0**-40, 1 - 2.0**-33, 1e6, 2.0**-62, 1e-12])
    by = Requantizer.of_scales(scales, np.zeros(len(scales)))
    for scale, m, s in zip(scales, by.multiplier.tolist(), by.shift.tolist(), strict=True):
        error = abs(Fraction(m, 1 << s) - Fraction(scale))
        assert error <= max(Fraction(scale) / (1 << 31), Fraction(1, 1 << 63))


@pytest.mark.parametrize(("values", "message"), [
    ((1 << 31, 0, 0), "multiplier must be 0..2147483647"), ((1, 63, 0), "shift must be 0..62"),
    ((1, -1, 0), "shift must be 0..62"), ((1, 0, 128), "zero must be -128..127")])
def test_refused(values: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Requantizer(*(np.array([value]) for value in values))
