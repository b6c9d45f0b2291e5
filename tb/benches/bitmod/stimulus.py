"""Activations and special values that find the corners of the BitMoD PE, and how a design gets
its special values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray

from lowbit.golden.bitmod.ports import special_value_word
from lowbit.golden.formats import FP16

__all__ = ["GROUP_KINDS", "SPECIAL_VALUES", "group_activations", "program_special_values"]

Array = NDArray[Any]

GROUP_KINDS = ("gauss", "bits", "cancel", "extreme", "small", "steps", "powers")
#: values that two signed terms express, the types' own among them
SPECIAL_VALUES = (0.5, 3.0, -3.0, 6.0, -6.0, 5.0, -5.0, 8.0, -8.0, 3.5, -7.0, 7.5, -9.0, 12.0)


def group_activations(rng: np.random.Generator, kind: str, groups: int, size: int) -> Array:
    """Finite FP16 codes (groups, size)."""
    shape = (groups, size)
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


async def program_special_values(dut: Any, values: Iterable[float]) -> None:
    """Write the register file of special values, an entry a cycle."""
    await FallingEdge(dut.clk)
    for index, value in enumerate(values):
        dut.sv_write.value, dut.sv_index.value = 1, index
        dut.sv_value.value = special_value_word(float(value))
        await FallingEdge(dut.clk)
    dut.sv_write.value = 0
