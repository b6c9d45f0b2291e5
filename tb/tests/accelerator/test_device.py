"""The golden simulator against the core's golden model, bit for bit, on many designs and sizes."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from lowbit.golden.accelerator import lut_engine
from lowbit.golden.accelerator.device import Device
from lowbit.golden.accelerator.isa import Error
from lowbit.golden.accelerator.linear import rows_per_pass
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.formats import FP16, FP32
from lowbit.tb.support.accel import (
    Memory,
    activations,
    expected,
    product,
    random_weights,
    run,
)

Array = np.ndarray[Any, Any]

SMALL: dict[str, Any] = dict(N=32, chains=2, axi_data=64, a_kib=8, w_kib=16, s_kib=2, p_kib=2)
#: name -> parameters, and the meanings of codes that the design takes
DESIGNS: dict[str, tuple[dict[str, Any], str]] = {
    "default": ({}, "odd signed minimum"),
    "eight bits": (dict(SMALL, w_bits=8), "odd signed minimum"),
    "three rows": (dict(SMALL, M=3), "odd signed minimum"),
    "one row": (dict(SMALL, M=1, N=16, chains=1), "odd minimum"),
    "small tables": (dict(SMALL, K=2, min_group=4, max_group=64), "signed minimum"),
    "two tables": (dict(SMALL, groups=2), "odd minimum"),
    "four tables": (dict(SMALL, groups=4, K=2, min_group=16, w_bits=2), "odd signed minimum"),
    "bf16": (dict(SMALL, a_format="bf16"), "odd minimum"),
    "fp8": (dict(SMALL, a_format="fp8_e4m3"), "odd minimum"),
    "int8": (dict(SMALL, a_format="int8", min_group=64), "odd signed minimum"),
    "int16": (dict(SMALL, a_format="int16"), "signed"),
    "wide scales": (dict(SMALL, group_scale="fp32"), "odd zero minimum"),
    "zero points": (dict(SMALL, offset="integer"), "odd signed zero"),
    "no offsets": (dict(SMALL, offset="none"), "odd signed"),
    "narrow sums": (dict(SMALL, acc_width=24, entry_width=16), "signed minimum"),
    "wide sums": (dict(SMALL, acc_width=50), "odd signed minimum"),
    "short groups": (dict(SMALL, min_group=16, max_group=16), "odd minimum"),
}


def case(name: str, seed: int) -> tuple[AccelParameters, Array, Any, random.Random]:
    """A design, activations and weights of odd sizes."""
    fields, meanings = DESIGNS[name]
    p = AccelParameters(**fields)
    rng, draw = np.random.default_rng([seed, len(name)]), random.Random(f"{name} {seed}")
    size = draw.choice([p.min_group, p.max_group, 3 * p.min_group, 2 * p.max_group])
    k = size * draw.randint(1, 3)
    rows, n = draw.randint(1, 3 * p.M + 1), draw.randint(1, 3 * p.N)
    bits, meaning = draw.randint(1, p.w_bits), draw.choice(meanings.split())
    weights = random_weights(rng, n, k, bits, size, meaning)
    return p, activations(rng, p, rows, k), weights, draw


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", DESIGNS)
def test_products(name: str, seed: int) -> None:
    """Any size, any meaning of codes, any order in which the units may run."""
    p, codes, weights, draw = case(name, seed)
    memory = Memory()
    # a slot of the smallest possible size makes more chunks
    longest = min(weights.group_size, p.max_group) // p.per_beat * weights.bits
    slot = draw.choice([None, longest, 2 * longest])
    placed = product(p, memory, codes, weights, slot_words=slot)
    want = expected(p, codes, weights, placed.matrix.group_size)
    clean = memory.data.copy()
    reference: Array | None = None
    for order in (None, 1, 2):
        memory.data[:] = clean
        assert np.array_equal(run(p, memory, placed, order), want)
        reference = memory.data.copy() if reference is None else reference
        assert np.array_equal(memory.data, reference), "the order of units changes the memory"


def test_many_rows() -> None:
    """More rows than the buffers take at once."""
    p = AccelParameters(**SMALL)
    rng = np.random.default_rng(5)
    rows = 2 * rows_per_pass(p, 256) + 3
    weights = random_weights(rng, 33, 256, 4, 64, "minimum")
    codes = activations(rng, p, rows, 256)
    memory = Memory()
    placed = product(p, memory, codes, weights)
    assert np.array_equal(run(p, memory, placed, 7), expected(p, codes, weights, 64))


def test_partial_sums_and_halves() -> None:
    p = AccelParameters(**SMALL)
    rng = np.random.default_rng(6)
    weights = random_weights(rng, 21, 64, 4, 64, "minimum")
    codes = activations(rng, p, 5, 64)
    want = FP32.to_array(expected(p, codes, weights, 64))
    psum = rng.normal(0, 1, want.shape).astype(np.float32)
    memory = Memory()
    placed = product(p, memory, codes, weights, psum=FP32.from_array(psum))
    # one group: the partial sum and the group's share meet in one addition
    assert np.array_equal(run(p, memory, placed, 3), FP32.from_array(psum + want))
    placed = product(p, memory, codes, weights, fp16=True)
    assert np.array_equal(run(p, memory, placed, 3), FP16.from_array(want.astype(np.float16)))


@pytest.mark.parametrize("where", ["activation", "scale"])
def test_what_is_not_finite(where: str) -> None:
    """A row with an infinity is NaN; zeros times an infinite scale are NaN, as in IEEE 754."""
    p = AccelParameters(**SMALL)
    rng = np.random.default_rng(8)
    weights = random_weights(rng, 16, 64, 4, 64, "signed")
    codes = activations(rng, p, 4, 64)
    memory = Memory()
    if where == "activation":
        codes[2, 5] = FP16.inf
    placed = product(p, memory, codes, weights)
    want = expected(p, codes, weights, 64)
    if where == "scale":
        at = placed.matrix.chunks[0].parts["scales"][0]
        start = (placed.weights + at) * 64
        memory.data[start:start + 2] = np.array([FP16.inf], "<u2").view(np.uint8)
        # the first scale is that of column 0
        with np.errstate(invalid="ignore"):
            want[:, 0] = FP32.canonical(FP32.from_array(np.where(
                codes.any(axis=1) & (want[:, 0] != 0), np.float32(np.inf), np.float32(np.nan))))
        got = run(p, memory, placed)
        assert np.array_equal(FP32.is_nan(got[:, 0]), FP32.is_nan(want[:, 0]))
        assert np.array_equal(got[:, 1:], want[:, 1:])
        return
    assert np.array_equal(run(p, memory, placed), want)
    assert (want[2] == FP32.nan).all()


def test_rows_left_from_before() -> None:
    """A row of the core that nothing wrote keeps what was there: results of it are defined too."""
    p = AccelParameters(**SMALL)
    rng = np.random.default_rng(9)
    weights = random_weights(rng, 16, 64, 4, 64, "minimum")
    before, after = activations(rng, p, 2, 64), activations(rng, p, 1, 64)
    memory = Memory()
    device = Device(p, memory.data)
    for part in (before, after):
        placed = product(p, memory, part, weights)
        assert device.run(placed.address, placed.instructions) is Error.NONE
    want = expected(p, np.concatenate([after, before[1:]]), weights, 64)
    got = device.results[:p.drain].transpose(1, 0, 2).reshape(p.M, -1)
    assert np.array_equal(got[:, :16], want)


@pytest.mark.parametrize("bits", [20, 45, 60])
def test_rounded(bits: int) -> None:
    """The engine's short way to FP32 is the format's own rounding."""
    rng = np.random.default_rng(bits)
    integers = rng.integers(-(1 << bits), 1 << bits, (200, 3, 8)) >> rng.integers(0, bits, (8,))
    exponent = rng.integers(-190, 120, (200, 3))
    want = FP32.round((integers < 0).astype(np.int64), np.abs(integers), exponent[..., None])
    with np.errstate(over="ignore"):
        got = lut_engine.rounded(integers, exponent, bits)
    assert np.array_equal(FP32.from_array(got), want)
