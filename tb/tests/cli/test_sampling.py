"""Products of floats on designs: what is rounded, what that costs, how long it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lowbit.generators import sampling
from lowbit.generators.compare.measurements import parse
from lowbit.generators.errors import UsageError
from lowbit.generators.flow.product import simulate_product
from lowbit.generators.sampling import (
    DISTRIBUTIONS,
    Sample,
    drawn,
    error,
    nearest_levels,
    product_cycles,
    sample,
    steady_work,
)
from lowbit.golden.digits import FORMATS
from lowbit.golden.parameters import ParameterError

#: design -> rows, columns and multiply-accumulates a cycle at best
DESIGNS = {
    "lut_core --M 2 --N 8 --a-format int8 --w-bits 2": (2, 8, 32),
    "lut_core --M 2 --N 8 --a-format int8 --w-bits 2 --parallel-planes 2": (2, 8, 64),
    "lut_core --M 1 --N 8 --w-bits 4 --group-scale fp16": (1, 8, 8),
    "lut_core --M 1 --N 8 --w-bits 4 --group-scale int8 --offset none": (1, 8, 8),
    "lut_core --M 2 --N 8 --radix 3 --K 2 --a-format int8 --unpack trits5": (2, 8, 32),
    "lut_core --M 2 --N 8 --radix 3 --K 2 --groups 2 --unpack sherry": (2, 8, 64),
    "dot_core --M 2 --N 8": (2, 8, 64),
    "dot_core --M 2 --N 8 --a-format int8 --group-scale fp32": (2, 8, 64),
    "dot_core --M 1 --N 8 --preset mxfp4": (1, 8, 32),
    "dot_core --M 1 --N 8 --preset nvfp4": (1, 8, 32),
    "dot_core --M 1 --N 8 --w-format shift4 --a-format int8": (1, 8, 32),
    "systolic --R 4 --C 4": (4, 4, 16),
    "systolic --R 4 --C 4 --w-format e2m1 --dot 2": (4, 4, 32),
    "bitmod_tile --rows 2 --columns 4": (2, 4, 16),
    "bitmod_array --rows 2 --columns 2 --tile-rows 1 --tile-columns 2": (2, 4, 16),
    "bitmod_tile --rows 2 --columns 4 --group-scale e8m0": (2, 4, 16),
    "fp16_tile --rows 2 --columns 4": (2, 4, 8)}


def operands(rows: int, columns: int, k: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    return rng.normal(0, 1, (rows, k)), rng.normal(0, 0.1, (columns, k))


@pytest.mark.parametrize("command", DESIGNS)
def test_rounded_operands(command: str) -> None:
    """The result is the product of what the operands were rounded to, and that is near them."""
    activations, weights = operands(3, 9, 256)
    found: Sample = sample(parse(command), activations, weights)
    exact = found.activations @ found.weights.T
    scale = np.sqrt((exact**2).mean())
    assert np.abs(found.result() - exact).max() < 2e-5 * scale
    assert np.sqrt(((found.activations - activations)**2).mean()) < 0.12
    # a quantised channel of two bits keeps about half of its energy, one of eight nearly all
    assert ((found.weights - weights)**2).sum() < 0.6 * (weights**2).sum()


@pytest.mark.parametrize("command", DESIGNS)
def test_cycles(command: str) -> None:
    """The straight line along the columns is what the model counts; no design beats its peak."""
    p = parse(command)
    rows, columns, peak = DESIGNS[command]
    for many, height in ((6 * columns + 1, rows), (9 * columns, 2 * rows + 1)):
        whole = sample(p, *operands(height, many, 96)).workload.cycles
        assert product_cycles(p, height, many, 96) == whole
    assert 0.25 * peak < steady_work(p) <= peak


@pytest.mark.slow
@pytest.mark.parametrize("command", ["fp16_tile --rows 2 --columns 3",
                                     "bitmod_tile --rows 2 --columns 2"])
def test_cycles_of_the_rtl(command: str) -> None:
    """Two models that have no test of this kind of their own."""
    workload = sample(parse(command), *operands(3, 7, 40)).workload
    result, outcome = simulate_product(workload)
    assert result.tobytes() == workload.golden().astype(result.dtype).tobytes()
    assert outcome.cycles == workload.cycles


def test_errors_of_formats() -> None:
    """More bits, less error; sums of FP16 round more than those of FP32."""
    def of(flags: str) -> dict[str, float]:
        return error(parse(f"lut_core --M 1 --N 8 {flags}"))

    errors = [of(f"--a-format int8 --w-bits {bits}")["error"] for bits in (1, 2, 4, 8)]
    assert errors[0] > errors[2] > errors[3] and errors[1] > errors[2]
    assert of("--w-bits 8")["error"] < 0.02
    assert of("--acc fp16")["rounding"] > 50 * of("")["rounding"]
    assert of("--acc fp16")["error"] == pytest.approx(of("")["error"], rel=0.02)


def test_levels() -> None:
    """Against the definition; a column of zeros stays one."""
    weights = operands(1, 20, 50)[1]
    weights[3] = 0
    for form in FORMATS.values():
        integers, steps = nearest_levels(form, weights)
        held = form.values[list(form.codes)]
        best = np.abs(weights[..., None] - held * steps[..., None]).min(axis=-1)
        assert np.allclose(np.abs(weights - integers * steps), best, atol=1e-12)
        assert np.isin(integers, held).all() and (0 not in held or not integers[3].any())


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
@pytest.mark.parametrize("command", [
    "lut_core --M 2 --N 8", "lut_core --N 8 --a-format int8 --no-preload --max-k 300",
    "dot_core --N 8 --w-format shift4", "systolic --R 2 --C 3", "bitmod_tile", "fp16_tile"])
def test_drawn(command: str, kind: str) -> None:
    """Some thousand cycles, the same ones each time; zeros are zeros."""
    p = parse(command)
    workload = drawn(p, kind, 3)
    assert 4e5 > workload.rows * workload.columns * workload.k >= 1 << 13
    assert np.any(workload.golden()) != (kind == "zero")
    again = drawn(p, kind, 3).arrays()
    assert all(np.array_equal(array, again[name]) for name, array in workload.arrays().items())


def test_what_has_no_product() -> None:
    with pytest.raises(UsageError, match="lut_dot multiplies no matrices; those that do: lut_core"):
        error(parse("lut_dot"))
    with pytest.raises(UsageError, match="no cycle model of k = 8192: there operations add"):
        product_cycles(parse("lut_core --M 1 --N 8"), 1, 8, 8192)
    with pytest.raises(UsageError, match="operands are drawn for --out-format sum only"):
        drawn(parse("systolic --out-format int8"), "normal", 1)
    with pytest.raises(UsageError, match=r"no operands are drawn for lut_core .*give --a and --w"):
        drawn(parse("lut_core --a-format int8 --out-format int8"), "normal", 1)
    with pytest.raises(ParameterError):
        sample(parse("lut_core --a-format int8 --out-format int8"), *operands(1, 2, 8))
    assert "lut_core" in sampling.MULTIPLIERS and "lut_dot" not in sampling.MULTIPLIERS
