"""Bench of fp16_tile: outer products accumulate, random ones and sums made to be difficult; a
random row is read in every cycle."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from lowbit.golden.baselines.models import accumulate, product
from lowbit.golden.baselines.parameters import Fp16TileParameters
from lowbit.golden.bits import pack_bits, rows_to_ints
from lowbit.tb.benches.baselines.stimulus import operands
from lowbit.tb.benches.enabled import run_cycles
from lowbit.tb.benches.streams import Bench, load_plan


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """One row of accumulators after every cycle."""
    plan = load_plan()
    p = Fp16TileParameters(**plan["parameters"])
    rng = np.random.default_rng(plan["seed"])
    cycles = max(plan["vectors"] // p.columns, 200)
    a, b, first, en = operands(rng, cycles, p.rows, p.columns, p.acc_format)
    row = rng.integers(0, p.rows, cycles)
    acc = np.zeros((p.rows, p.columns), np.int64)
    read = []
    terms = product(p, a[:, :, None], b[:, None, :])
    for i in range(cycles):
        acc = accumulate(p, acc, terms[i], first[i], en[i])
        # the row that the driver selects when these results are compared
        read.append(acc[row[min(i + p.latency, cycles - 1)]])
    expected = rows_to_ints(pack_bits(np.array(read), p.acc_format.bits))
    inputs = {"activations": rows_to_ints(pack_bits(a, 16)),
              "weights": rows_to_ints(pack_bits(b, 16)), "first": first.tolist(),
              "en": en.tolist()}
    if p.rows > 1:
        inputs["row"] = row.tolist()
    compared = cycles - p.latency if p.rows > 1 else cycles

    def good(i: int) -> bool:
        # after the last cycle the row is random
        return i >= compared or int(dut.results.value) == expected[i]

    await run_cycles(Bench(dut), inputs, good, p.latency, words=p.columns)
