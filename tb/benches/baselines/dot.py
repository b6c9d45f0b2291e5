"""Bench of fp16_dot: random and corner operands, random enables and restarts."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from lowbit.golden.baselines.models import accumulate, dot_sum
from lowbit.golden.baselines.parameters import Fp16DotParameters
from lowbit.golden.bits import pack_bits, rows_to_ints
from lowbit.golden.formats import FP16
from lowbit.tb.benches.enabled import controls, run_cycles
from lowbit.tb.benches.stimulus import activations
from lowbit.tb.benches.streams import Bench, load_plan


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """The accumulator after every cycle."""
    plan = load_plan()
    p = Fp16DotParameters(**plan["parameters"])
    rng = np.random.default_rng(plan["seed"])
    cycles = max(plan["vectors"], 200)
    a, b = (activations(rng, FP16, cycles, p.K) for _ in range(2))
    bits = FP16.bits
    if p.codes is not None:
        bits = p.codes.bits
        b = rng.integers(0, 1 << bits, (cycles, p.K))
    first, en = controls(rng, cycles)
    terms = dot_sum(p, a, b)
    acc, expected = np.zeros(1, np.int64), []
    for i in range(cycles):
        acc = accumulate(p, acc, terms[i:i + 1], first[i], en[i])
        expected.append(int(acc[0]))
    bench = Bench(dut)
    inputs = {"activations": rows_to_ints(pack_bits(a, 16)),
              "weights": rows_to_ints(pack_bits(b, bits)), "first": first.tolist(),
              "en": en.tolist()}
    await run_cycles(bench, inputs, lambda i: int(dut.result.value) == expected[i], p.latency,
                     words=1)
