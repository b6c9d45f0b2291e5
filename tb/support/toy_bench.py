"""Bench of the toy accumulator in test_simulate.py; the plan says what to expect."""

import json
import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge


@cocotb.test()
async def accumulates(dut):
    with open(os.environ["LOWBIT_PLAN"]) as file:
        plan = json.load(file)
    rng = random.Random(plan["seed"])
    Clock(dut.clk, 10, "ns").start()
    dut.rst.value = 1 if plan.get("reset", True) else 0
    dut.x.value = 0
    for _ in range(2):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    total, wrong = 0, 0
    first = dut.total.value
    for _ in range(plan["vectors"]):
        x = rng.randrange(256)
        dut.x.value = x
        total = (total + x + plan.get("flaw", 0)) & 0xFFFF
        await FallingEdge(dut.clk)
        wrong += not dut.total.value.is_resolvable or int(dut.total.value) != total
    with open(os.environ["LOWBIT_STATS"], "w") as file:
        json.dump(dict(words=plan["vectors"], cycles=plan["vectors"] + 2, mismatches=wrong,
                       first=str(first)), file)
    assert wrong == 0, f"{wrong} of {plan['vectors']} sums differ"
