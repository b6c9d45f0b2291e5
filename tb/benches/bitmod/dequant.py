"""Bench of bitmod_dequant: group sums of any size times scales, back to back and with pauses."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from lowbit.golden.bitmod.pe import GroupSums, dequantize_groups
from lowbit.golden.bitmod.pe_parameters import BitmodDequantParameters
from lowbit.tb.benches.streams import Bench, load_plan


def group_sums(rng: np.random.Generator, p: BitmodDequantParameters, shape: dict[str, Any],
               count: int) -> list[dict[str, int]]:
    """Accumulators as a PE may hold them: any integer, or ``acc_bits`` significant bits at most;
    any exponent."""
    widths = shape["fields"]
    whole = p.exact or p.align == "row"      # integers of any size
    significant = widths["word"] - 1 if whole else p.acc_bits
    largest = max(widths["word"] - 1 - significant, 0)
    words = []
    for _ in range(count):
        bits = int(rng.integers(1, significant + 1)) if rng.random() < 0.5 else significant
        magnitude = int.from_bytes(rng.bytes(8), "little") >> 64 - bits
        if rng.random() < 0.1:
            magnitude = (1 << bits) - int(rng.integers(1, 3))       # all ones, one less
        shift = int(rng.integers(0, largest + 1))
        value = -(magnitude << shift) if rng.random() < 0.5 else magnitude << shift
        if rng.random() < 0.05:
            value = 0
        # word + pending: a dropped place filled with ones and a pending one, or as it is
        pending = int(rng.random() < 0.5) if "pending" in widths else 0
        words.append({"word": value - pending, "pending": pending,
                      "exponent": int(rng.integers(0, shape["max_exponent"] + 1))})
    return words


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every result at its cycle; a result whose product was abandoned never comes."""
    plan = load_plan()
    p = BitmodDequantParameters(**plan["parameters"])
    shape, timing = plan["derived"]["total"], plan["manifest"]["timing"]
    latency, interval = timing["latency"], timing["initiation_interval"]
    rng = np.random.default_rng(plan["seed"])
    count = plan["vectors"] * 5 // 4        # some are abandoned
    totals = group_sums(rng, p, shape, count)
    scales = rng.choice([0, 1, 127, 255, *rng.integers(0, 256, 8)], count)
    values = [(total["word"] + total["pending"]) << shape["digit"] * total["exponent"]
              for total in totals]
    golden = dequantize_groups(GroupSums(np.array(values, object).reshape(1, -1, 1), shape["unit"],
                                         np.ones(1, bool)), scales[:, None])[0, :, 0]
    bench = Bench(dut)
    dut.start.value = 0
    await bench.reset()
    fields = {name: getattr(dut, f"total_{name}") for name in shape["fields"]}
    edge, middle = RisingEdge(dut.clk), FallingEdge(dut.clk)
    due: dict[int, int] = {}            # cycle -> number of the sum whose result it brings
    checked = wrong = sent = cycle = 0
    next_start = 0
    while sent < count or due:
        start = sent < count and cycle >= next_start
        dut.start.value = int(start)
        for name, width in shape["fields"].items():
            value = totals[sent][name] if start else int.from_bytes(rng.bytes(16), "little")
            fields[name].value = value & (1 << width) - 1
        dut.scale.value = int(scales[sent]) if start else int(rng.integers(256))
        if start:
            # an earlier start abandons the product under way
            for at in [at for at in due if at > cycle + 1]:
                del due[at]
            due[cycle + latency] = sent
            sent += 1
            pause = rng.choice([0, 0, 0, int(rng.integers(1, 12)), -int(rng.integers(1, interval))],
                               p=[0.3, 0.3, 0.1, 0.2, 0.1])
            next_start = cycle + interval + int(pause)
        await edge
        cycle += 1
        bench.cycles += 1
        await middle
        number = due.pop(cycle, None)
        good = int(dut.valid.value) == int(number is not None)
        if number is not None:
            checked += 1
            good = good and int(dut.result.value) == int(golden[number])
        if not good:
            wrong += 1
            cocotb.log.error("cycle %d: valid %s, result %s, golden %s", cycle, dut.valid.value,
                             dut.result.value, None if number is None else hex(golden[number]))
    bench.report(words=checked, mismatches=wrong)
    assert wrong == 0, f"{wrong} cycles differ from the golden model"
