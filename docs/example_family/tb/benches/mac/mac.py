"""mac against plain integers, with random stalls."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from lowbit.golden.mac.parameters import MacParameters
from lowbit.golden.mac.workload import wrapped
from lowbit.tb.benches.streams import Beat, Bench, Sink, Source, load_plan


@cocotb.test()
async def sums(dut: Any) -> None:
    """Sums of all lengths; the corner values come often."""
    plan = load_plan()
    p, rng = MacParameters(**plan["parameters"]), random.Random(plan["seed"])
    low, high, mask = -1 << (p.bits - 1), (1 << (p.bits - 1)) - 1, (1 << p.bits) - 1
    beats: list[Beat] = []
    expected: list[int] = []
    while len(expected) < plan["vectors"]:
        length, total = rng.randint(1, 9), 0
        for i in range(length):
            a, w = (rng.choice((low, high, -1, rng.randint(low, high))) for _ in range(2))
            total += a * w
            beats.append({"a": a & mask, "w": w & mask, "last": int(i == length - 1)})
        expected.append(wrapped(total, p.acc_bits))
    got: list[int] = []
    bench = Bench(dut)

    def check(beat: Beat) -> None:
        value = wrapped(beat["values"], p.acc_bits)
        assert value == expected[len(got)], f"sum {len(got)}: {value}, not {expected[len(got)]}"
        got.append(value)

    streams = await bench.reset(lambda: [
        Source(dut, "operand", beats, rng, 0.3), Sink(dut, "result", ("values", "last"), check,
                                                      rng, 0.3)])
    await bench.run(streams, lambda: len(got) == len(expected))
    bench.report(words=len(got))
