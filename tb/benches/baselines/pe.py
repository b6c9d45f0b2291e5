"""Bench of fp16_pe: random and corner operands, sums made to be difficult, random
enables and restarts."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from lowbit.golden.baselines.models import accumulate, product
from lowbit.golden.baselines.parameters import Fp16PeParameters
from lowbit.tb.benches.baselines.stimulus import operands
from lowbit.tb.benches.enabled import run_cycles
from lowbit.tb.benches.streams import Bench, load_plan


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """The accumulator after every cycle."""
    plan = load_plan()
    p = Fp16PeParameters(**plan["parameters"])
    rng = np.random.default_rng(plan["seed"])
    cycles = max(plan["vectors"], 200)
    rows, columns, first, en = operands(rng, cycles, 1, 1, p.acc_format)
    a, b = rows[:, 0], columns[:, 0]
    terms = product(p, a, b)
    acc, expected = np.zeros(1, np.int64), []
    for i in range(cycles):
        acc = accumulate(p, acc, terms[i:i + 1], first[i], en[i])
        expected.append(int(acc[0]))
    bench = Bench(dut)
    inputs = {"activation": a.tolist(), "weight": b.tolist(), "first": first.tolist(),
              "en": en.tolist()}
    await run_cycles(bench, inputs, lambda i: int(dut.result.value) == expected[i], p.latency,
                     words=1)
