"""systolic against its golden model, with random stalls; cycles against the cycle model."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import chain
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge
from numpy.typing import NDArray

from lowbit.golden.requantize import requantize
from lowbit.golden.systolic.cycles import operation_cycles
from lowbit.golden.systolic.gemm import product
from lowbit.golden.systolic.parameters import SystolicParameters
from lowbit.golden.systolic.ports import (
    activation_beats,
    operand_beats,
    psum_beats,
    result_words,
    scale_beats,
    sum_words,
    weight_beats,
)
from lowbit.golden.systolic.tile_pass import first_cycles, tile_cycles
from lowbit.golden.systolic.weight_tile_pass import (
    TileOperation,
    WeightTileRun,
    first_weight_cycles,
)
from lowbit.tb.benches.stimulus import requantizer
from lowbit.tb.benches.streams import Beat, Bench, Sink, Source, Streams, load_plan

Array = NDArray[Any]


def matrices(p: SystolicParameters, rng: np.random.Generator, length: int) -> tuple[Array, Array]:
    """Activations and weights of an operation of ``length``."""
    weights = p.form.values[list(p.form.codes)]
    rows, k = (p.R, length) if p.dataflow == "os" else (length, p.R * p.dot)
    a = rng.integers(p.activation.low, p.activation.high, (rows, k), endpoint=True)
    w = rng.choice(weights, (p.C, k))
    # rows and columns of extremes
    kind = rng.random((rows, 1))
    a = np.where(kind < 0.2, p.activation.low, np.where(kind < 0.3, p.activation.high, a))
    kind = rng.random((p.C, 1))
    w = np.where(kind < 0.2, weights.min(), np.where(kind < 0.3, weights.max(), w))
    return a, w


class Operation:
    """One random operation: the beats of its streams, and its results."""

    def __init__(self, p: SystolicParameters, rng: np.random.Generator, length: int) -> None:
        a, w = matrices(p, rng, length)
        results = product(p, a, w)
        self.beats = {"operand": operand_beats(p, a, w)} if p.dataflow == "os" else {
            "weight": weight_beats(p, w), "activation": activation_beats(p, a)}
        if p.dataflow == "ws":
            psum = rng.integers(p.sum.low, p.sum.high, results.shape, endpoint=True)
            self.beats["psum"] = psum_beats(p, psum)
            results = p.sum.wrap(results + psum)
        fields = {}
        if p.gives_sums:
            fields["sums"] = sum_words(p, results)
        if p.requantizes:
            by = requantizer(rng, np.abs(results).max(0))
            self.beats["scale"] = scale_beats(p, by)
            results = requantize(results, by)
        self.length = len(self.beats["operand" if p.dataflow == "os" else "activation"])
        fields["values"] = result_words(p, results)
        fields["last"] = [int(i == len(results) - 1) for i in range(len(results))]
        #: beats of the results
        self.results = [dict(zip(fields, beat, strict=True))
                        for beat in zip(*fields.values(), strict=True)]


def operations(p: SystolicParameters, rng: np.random.Generator, vectors: int) -> list[Operation]:
    """Operations of all lengths until there are ``vectors`` results."""
    made: list[Operation] = []
    while len(made) < 4 or sum(len(x.results) for x in made) * p.C < vectors:
        length = int(rng.choice([1, 2, 3, 5 * p.dot + 1, int(rng.integers(1, 40))]))
        made.append(Operation(p, rng, length))
    return made


async def run(bench: Bench, made: list[Operation], rng: random.Random, stall: float, *,
              reset: bool) -> None:
    """The operations back to back, from a reset or not; every word is compared."""
    expected = [beat for x in made for beat in x.results]
    seen = 0

    def check(beat: Beat) -> None:
        nonlocal seen
        assert beat == expected[seen], f"result {seen}: {beat}; golden {expected[seen]}"
        seen += 1

    def begin() -> Streams:
        return streams(bench.dut, made, rng, stall, check)

    # a reset ends what the streams before it still drive
    both: Streams = await bench.reset(begin) if reset else begin()
    await bench.run(both, lambda: seen == len(expected))


def streams(dut: Any, made: list[Operation], rng: random.Random, stall: float,
            check: Callable[[Beat], None]) -> Streams:
    def source(name: str, may: Callable[[int], bool]) -> Source:
        return Source(dut, name, [beat for x in made for beat in x.beats[name]], rng, stall,
                      withdraw=rng.choice([0.0, 0.3]) if stall else 0.0, may=may)

    # scales are a beat an operation: sums wait for those that are away for many cycles
    sources = [source(name, (lambda _: rng.random() < 0.04) if stall and name == "scale" else
                      lambda _: True) for name in made[0].beats]
    return [*sources, Sink(dut, "result", tuple(made[0].results[0]), check, rng, stall)]


async def run_tile(bench: Bench, p: SystolicParameters, rng: np.random.Generator,
                   vectors: int) -> None:
    """Operations through the bare output-stationary tile; what it passes on, too."""
    dut, words = bench.dut, 0
    passed: list[tuple[int, int]] = []
    await bench.reset()
    for ports, _ in first_cycles(p):
        for name, value in ports.items():
            getattr(dut, name).value = value
        await RisingEdge(dut.clk)
    while words < vectors:
        k = int(rng.choice([1, 2, 3, 5 * p.dot + 1, int(rng.integers(1, 40))]))
        a, w = matrices(p, rng, k)
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


async def run_weight_tile(bench: Bench, p: SystolicParameters, rng: np.random.Generator,
                          vectors: int) -> None:
    """Operations back to back through the bare weight-stationary tile; what it passes on, too."""
    dut = bench.dut
    made: list[TileOperation] = []
    expected: list[Array] = []
    while len(made) < 4 or sum(x.size for x in expected) < vectors:
        a, w = matrices(p, rng, int(rng.choice([1, 2, 3, 2 * p.R + p.C, int(rng.integers(1, 40))])))
        psum = rng.integers(p.sum.low, p.sum.high, (len(a), p.C), endpoint=True)
        made.append(TileOperation(a, w, psum))
        expected.append(p.sum.wrap(product(p, a, w) + psum))
    tile = WeightTileRun(p, made)
    await bench.reset()
    passed: list[dict[str, int]] = []
    loaded: list[int] = []
    for ports, is_result in chain(first_weight_cycles(p), tile.cycles()):
        for name, value in ports.items():
            getattr(dut, name).value = value
        await FallingEdge(dut.clk)
        if is_result:
            tile.take(int(dut.results.value))
        if p.mesh and len(passed) >= p.C:
            assert int(dut.activations_out.value) == passed[-p.C]["activations"]
            assert int(dut.swap_out.value) == passed[-p.C]["swap"]
        if p.mesh and len(loaded) >= p.R:
            assert int(dut.weights_out.value) == loaded[-p.R]
        passed.append(ports)
        loaded += [ports["weights"]] * ports["load"]
        await RisingEdge(dut.clk)
        bench.cycles += 1
    for n, (found, golden) in enumerate(zip(tile.results, expected, strict=True)):
        wrong = np.argwhere(found != golden)
        assert not len(wrong), f"operation {n}, vector and column {wrong[0]}: wrong result"
    bench.report(words=sum(x.size for x in expected), mismatches=0)


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every result of every operation, bit for bit; cycles of the cycle model."""
    plan = load_plan()
    p = SystolicParameters(**plan["parameters"])
    numbers, rng = np.random.default_rng(plan["seed"]), random.Random(plan["seed"])
    bench = Bench(dut)
    if p.skew == "out":
        of_tile = run_tile if p.dataflow == "os" else run_weight_tile
        await of_tile(bench, p, numbers, plan["vectors"])
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
    bench.report(words=sum(len(x.results) for x in [*made, *smooth]) * p.C, mismatches=0,
                 smooth_cycles=cycles, model_cycles=expected)
    assert bench.is_buffered or cycles == expected, \
        f"{cycles} cycles; the cycle model says {expected}"
