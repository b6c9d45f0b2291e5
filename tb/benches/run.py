"""A workload through any design at full speed; its results go to a file, nothing is compared.

The plan names the generator, its parameters and a file of operands (``generators/flow/product.py``
writes it). The workload says what goes in and what comes out (:mod:`lowbit.golden.workload`):
streams, whose sources always have a beat and whose sink is always ready, or plain cycles.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from lowbit.generators.flow.product import load_workload
from lowbit.golden.workload import CyclePass, StreamPass
from lowbit.tb.benches.streams import Bench, Feed, load_plan

#: cycles in which nothing moves before the run is given up
IDLE_LIMIT = 4000


async def run_streams(dut: Any, bench: Bench, run: StreamPass) -> None:
    """All streams until the last result."""
    inputs = run.inputs()
    for name in inputs:
        getattr(dut, f"{name}_valid").value = 0
    for name, value in run.constants().items():
        getattr(dut, name).value = value
    getattr(dut, f"{run.output}_ready").value = 1
    await bench.reset()
    writes = list(run.setup())
    if writes:
        await FallingEdge(dut.clk)
    for ports in writes:
        for name, value in ports.items():
            getattr(dut, name).value = value
        await FallingEdge(dut.clk)
    feeds = [Feed(dut, name, beats) for name, beats in inputs.items()]
    valid = getattr(dut, f"{run.output}_valid")
    fields = {name: getattr(dut, f"{run.output}_{name}") for name in run.fields}
    edge, idle = RisingEdge(dut.clk), 0
    while not run.done:
        await edge      # reads give the values from before it, which are those that count
        bench.cycles += 1
        idle += 1
        if int(valid.value):
            run.take({name: int(handle.value) for name, handle in fields.items()})
            idle = 0
        for feed in feeds:
            if feed.step():
                idle = 0
        assert idle < IDLE_LIMIT, f"no stream moved for {IDLE_LIMIT} cycles"


async def run_cycles(dut: Any, bench: Bench, run: CyclePass) -> None:
    """All cycles; an input that keeps its value is not written again."""
    cycles = run.cycles()
    held, _ = next(cycles)
    handles = {name: getattr(dut, name) for name in held}
    outputs = {name: getattr(dut, name) for name in run.fields}
    for name, value in held.items():
        handles[name].value = value
    await bench.reset()
    edge = RisingEdge(dut.clk)
    for inputs, is_result in cycles:
        for name, value in inputs.items():
            if held[name] != value:
                handles[name].value = held[name] = value
        await edge      # reads give the values from before it, which are those of this cycle
        bench.cycles += 1
        if is_result:
            run.take({name: int(handle.value) for name, handle in outputs.items()})


@cocotb.test()
async def run(dut: Any) -> None:
    """Send the workload through the design, write its results."""
    plan = load_plan()
    workload = load_workload(plan)
    one_pass, bench = workload.start(), Bench(dut)
    if isinstance(one_pass, StreamPass):
        await run_streams(dut, bench, one_pass)
    else:
        assert isinstance(one_pass, CyclePass)
        await run_cycles(dut, bench, one_pass)
    np.save(plan["results"], one_pass.result())
    bench.report(operations=workload.operations, **workload.facts())
