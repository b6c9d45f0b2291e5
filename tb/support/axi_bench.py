"""Bench of a module with AXI4-Stream interfaces: words in, words out, stalls at random.

The plan names the interfaces: ``inputs`` their (tdata, tlast), ``outputs`` what must come.
"""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from lowbit.tb.benches.streams import load_plan, report


async def _send(dut: Any, name: str, words: list[list[Any]], rng: random.Random) -> None:
    data, last = getattr(dut, f"{name}_tdata"), getattr(dut, f"{name}_tlast")
    valid, ready = getattr(dut, f"{name}_tvalid"), getattr(dut, f"{name}_tready")
    for word, end in words:
        while rng.random() < 0.3:
            await FallingEdge(dut.aclk)
        data.value, last.value, valid.value = int(word, 16), end, 1
        while True:
            await RisingEdge(dut.aclk)      # values from before the edge
            taken = int(ready.value) == 1
            await FallingEdge(dut.aclk)
            if taken:
                break
        valid.value = 0


async def _receive(dut: Any, name: str, words: list[list[Any]], rng: random.Random) -> int:
    valid, ready = getattr(dut, f"{name}_tvalid"), getattr(dut, f"{name}_tready")
    data, last = getattr(dut, f"{name}_tdata"), getattr(dut, f"{name}_tlast")
    wrong = count = 0
    while count < len(words):
        ready.value = int(rng.random() < 0.7)
        await RisingEdge(dut.aclk)
        if int(ready.value) and int(valid.value):
            wrong += [f"{int(data.value):x}", int(last.value)] != words[count]
            count += 1
        await FallingEdge(dut.aclk)
    return wrong


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def equals_golden(dut: Any) -> None:
    plan = load_plan()
    rng = random.Random(plan["seed"])
    for name in plan["inputs"]:
        getattr(dut, f"{name}_tvalid").value = 0
    for name in plan["outputs"]:
        getattr(dut, f"{name}_tready").value = 0
    dut.aresetn.value = 0
    Clock(dut.aclk, 10, "ns").start()
    for _ in range(3):
        await FallingEdge(dut.aclk)
    dut.aresetn.value = 1
    for name, words in plan["inputs"].items():
        cocotb.start_soon(_send(dut, name, words, random.Random(rng.random())))
    receivers = [cocotb.start_soon(_receive(dut, name, words, random.Random(rng.random())))
                 for name, words in plan["outputs"].items()]
    wrong = sum([await receiver for receiver in receivers])
    words = sum(len(words) for words in plan["outputs"].values())
    report(words=words, cycles=words, mismatches=wrong)
    assert wrong == 0, f"{wrong} of {words} words differ"
