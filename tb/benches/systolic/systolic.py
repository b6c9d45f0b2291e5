"""systolic against its golden model, with random stalls; cycles against the cycle model."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from lowbit.golden.systolic.cycles import operation_cycles
from lowbit.golden.systolic.gemm import product
from lowbit.golden.systolic.parameters import SystolicParameters
from lowbit.golden.systolic.ports import operand_beats, result_words
from lowbit.tb.benches.streams import Beat, Bench, Sink, Source, Streams, load_plan

Array = NDArray[Any]


class Operation:
    """One random operation: its beats and results."""

    def __init__(self, p: SystolicParameters, rng: np.random.Generator, k: int) -> None:
        weights = p.form.values[list(p.form.codes)]
        a = rng.integers(p.activation.low, p.activation.high, (p.R, k), endpoint=True)
        w = rng.choice(weights, (p.C, k))
        # rows and columns of extremes
        kind = rng.random((p.R, 1))
        a = np.where(kind < 0.2, p.activation.low, np.where(kind < 0.3, p.activation.high, a))
        kind = rng.random((p.C, 1))
        w = np.where(kind < 0.2, weights.min(), np.where(kind < 0.3, weights.max(), w))
        self.beats = operand_beats(p, a, w)
        self.words = result_words(p, product(p, a, w))


def operations(p: SystolicParameters, rng: np.random.Generator, vectors: int) -> list[Operation]:
    """Operations of all lengths until there are ``vectors`` results."""
    count = -(-vectors // (p.R * p.C))
    return [Operation(p, rng, int(rng.choice([1, 2, 3, 5 * p.dot + 1, rng.integers(1, 40)])))
            for _ in range(max(count, 4))]


async def run(bench: Bench, made: list[Operation], rng: random.Random, stall: float) -> None:
    """The operations back to back; every word is compared."""
    expected = [(word, int(i == len(x.words) - 1)) for x in made for i, word in enumerate(x.words)]
    seen = 0

    def check(beat: Beat) -> None:
        nonlocal seen
        assert (beat["values"], beat["last"]) == expected[seen], \
            f"result {seen}: {beat['values']:#x}, {beat['last']}; golden {expected[seen][0]:#x}, " \
            f"{expected[seen][1]}"
        seen += 1

    await bench.run(streams(bench.dut, made, rng, stall, check), lambda: seen == len(expected))


def streams(dut: Any, made: list[Operation], rng: random.Random, stall: float,
            check: Callable[[Beat], None]) -> Streams:
    return [Source(dut, "operand", [beat for x in made for beat in x.beats], rng, stall,
                   withdraw=rng.choice([0.0, 0.3]) if stall else 0.0),
            Sink(dut, "result", ("values", "last"), check, rng, stall)]


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every result of every operation, bit for bit; cycles of the cycle model."""
    plan = load_plan()
    p = SystolicParameters(**plan["parameters"])
    numbers, rng = np.random.default_rng(plan["seed"]), random.Random(plan["seed"])
    made = operations(p, numbers, plan["vectors"])
    bench = Bench(dut)

    def broken_off() -> Streams:
        return streams(dut, made, rng, 0.3, lambda beat: None)

    start = await bench.reset(broken_off)
    for _ in range(5):
        await bench.run(start, lambda: False, limit=rng.randrange(1, 8 * (p.R + p.C)))
        start = await bench.reset(broken_off)
    await bench.reset()
    await run(bench, made, rng, rng.choice([0.2, 0.5]))
    smooth = made[:6]
    before = bench.cycles
    await run(bench, smooth, rng, 0.0)
    cycles = bench.cycles - before
    expected = operation_cycles(p, [len(x.beats) for x in smooth])
    bench.report(words=sum(len(x.words) for x in [*made, *smooth]) * p.C, mismatches=0,
                 smooth_cycles=cycles, model_cycles=expected)
    assert cycles == expected, f"{cycles} cycles; the cycle model says {expected}"
