"""systolic against its golden model, with random stalls; cycles against the cycle model."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge
from numpy.typing import NDArray

from lowbit.golden.requantize import Requantizer
from lowbit.golden.systolic.cycles import operation_cycles
from lowbit.golden.systolic.gemm import product
from lowbit.golden.systolic.parameters import SystolicParameters
from lowbit.golden.systolic.ports import (
    activation_beats,
    operand_beats,
    psum_beats,
    result_words,
    scale_beats,
    weight_beats,
)
from lowbit.golden.systolic.tile_pass import first_cycles, tile_cycles
from lowbit.tb.benches.stimulus import requantizer
from lowbit.tb.benches.streams import Beat, Bench, Sink, Source, Streams, load_plan

Array = NDArray[Any]


def matrices(p: SystolicParameters, rng: np.random.Generator,
             length: int) -> tuple[Array, Array, Requantizer | None]:
    """Activations and weights of an operation of ``length``, and what makes int8 of the sums."""
    weights = p.form.values[list(p.form.codes)]
    rows, k = (p.R, length) if p.dataflow == "os" else (length, p.R * p.dot)
    a = rng.integers(p.activation.low, p.activation.high, (rows, k), endpoint=True)
    w = rng.choice(weights, (p.C, k))
    # rows and columns of extremes
    kind = rng.random((rows, 1))
    a = np.where(kind < 0.2, p.activation.low, np.where(kind < 0.3, p.activation.high, a))
    kind = rng.random((p.C, 1))
    w = np.where(kind < 0.2, weights.min(), np.where(kind < 0.3, weights.max(), w))
    by = requantizer(rng, np.abs(product(p, a, w)).max(0)) if p.requantizes else None
    return a, w, by


class Operation:
    """One random operation: the beats of its streams, and its results."""

    def __init__(self, p: SystolicParameters, rng: np.random.Generator, length: int) -> None:
        a, w, by = matrices(p, rng, length)
        results = product(p, a, w, by)
        self.beats = {"operand": operand_beats(p, a, w)} if p.dataflow == "os" else {
            "weight": weight_beats(p, w), "activation": activation_beats(p, a)}
        if p.dataflow == "ws":
            psum = rng.integers(p.sum.low, p.sum.high, results.shape, endpoint=True)
            self.beats["psum"] = psum_beats(p, psum)
            results = p.sum.wrap(results + psum)
        if by is not None:
            self.beats["scale"] = scale_beats(p, by)
        self.length = len(self.beats["operand" if p.dataflow == "os" else "activation"])
        self.words = result_words(p, results)


def operations(p: SystolicParameters, rng: np.random.Generator, vectors: int) -> list[Operation]:
    """Operations of all lengths until there are ``vectors`` results."""
    made: list[Operation] = []
    while len(made) < 4 or sum(len(x.words) for x in made) * p.C < vectors:
        length = int(rng.choice([1, 2, 3, 5 * p.dot + 1, int(rng.integers(1, 40))]))
        made.append(Operation(p, rng, length))
    return made


async def run(bench: Bench, made: list[Operation], rng: random.Random, stall: float, *,
              reset: bool) -> None:
    """The operations back to back, from a reset or not; every word is compared."""
    expected = [(word, int(i == len(x.words) - 1)) for x in made for i, word in enumerate(x.words)]
    seen = 0

    def check(beat: Beat) -> None:
        nonlocal seen
        assert (beat["values"], beat["last"]) == expected[seen], \
            f"result {seen}: {beat['values']:#x}, {beat['last']}; golden {expected[seen][0]:#x}, " \
            f"{expected[seen][1]}"
        seen += 1

    def begin() -> Streams:
        return streams(bench.dut, made, rng, stall, check)

    # a reset ends what the streams before it still drive
    both: Streams = await bench.reset(begin) if reset else begin()
    await bench.run(both, lambda: seen == len(expected))


def streams(dut: Any, made: list[Operation], rng: random.Random, stall: float,
            check: Callable[[Beat], None]) -> Streams:
    sources = [Source(dut, name, [beat for x in made for beat in x.beats[name]], rng, stall,
                      withdraw=rng.choice([0.0, 0.3]) if stall else 0.0)
               for name in made[0].beats]
    return [*sources, Sink(dut, "result", ("values", "last"), check, rng, stall)]


async def run_tile(bench: Bench, p: SystolicParameters, rng: np.random.Generator,
                   vectors: int) -> None:
    """Operations through the bare tile, cycle by cycle; what it passes on, too."""
    dut, words = bench.dut, 0
    passed: list[tuple[int, int]] = []
    await bench.reset()
    for ports, _ in first_cycles(p):
        for name, value in ports.items():
            getattr(dut, name).value = value
        await RisingEdge(dut.clk)
    while words < vectors:
        k = int(rng.choice([1, 2, 3, 5 * p.dot + 1, int(rng.integers(1, 40))]))
        a, w, _ = matrices(p, rng, k)
        expected = iter(result_words(p, product(p, a, w)))
        for ports, is_result in tile_cycles(p, a, w):
            for name, value in ports.items():
                getattr(dut, name).value = value
            passed.append((ports["activations"], ports["weights"]))
            await FallingEdge(dut.clk)
            if is_result:
                assert int(dut.results.value) == next(expected), f"wrong results, k = {k}"
                words += p.C
            if p.mesh and len(passed) > p.R + p.C:
                assert int(dut.activations_out.value) == passed[-1 - p.C][0]
                if p.weights == "pass":
                    assert int(dut.weights_out.value) == passed[-1 - p.R][1]
            await RisingEdge(dut.clk)
            bench.cycles += 1
    bench.report(words=words, mismatches=0)


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every result of every operation, bit for bit; cycles of the cycle model."""
    plan = load_plan()
    p = SystolicParameters(**plan["parameters"])
    numbers, rng = np.random.default_rng(plan["seed"]), random.Random(plan["seed"])
    bench = Bench(dut)
    if p.skew == "out":
        await run_tile(bench, p, numbers, plan["vectors"])
        return
    made = operations(p, numbers, plan["vectors"])

    def broken_off() -> Streams:
        return streams(dut, made, rng, 0.3, lambda beat: None)

    start = await bench.reset(broken_off)
    for _ in range(5):
        await bench.run(start, lambda: False, limit=rng.randrange(1, 8 * (p.R + p.C)))
        start = await bench.reset(broken_off)
    await run(bench, made, rng, rng.choice([0.2, 0.5]), reset=True)
    smooth = made[:6]
    before = bench.cycles
    await run(bench, smooth, rng, 0.0, reset=False)
    cycles = bench.cycles - before
    expected = operation_cycles(p, [x.length for x in smooth])
    bench.report(words=sum(len(x.words) for x in [*made, *smooth]) * p.C, mismatches=0,
                 smooth_cycles=cycles, model_cycles=expected)
    assert cycles == expected, f"{cycles} cycles; the cycle model says {expected}"
