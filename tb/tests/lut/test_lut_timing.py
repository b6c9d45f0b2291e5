"""Latency and rate that the manifest states, measured in Amaranth's own simulator (flat design)."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from amaranth.sim import Simulator

from lowbit.generators.verilog.emit import emit
from lowbit.golden.lut.cycles import accumulation_cycles
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.hdl.lut.core import LutCore
from lowbit.tb.support.toys import unused


def simulate(core: LutCore, drive: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()


async def started(ctx: Any) -> None:
    """Past the cycle of reset, in which nothing is taken, and the one in which the first tables
    may pass a register."""
    await ctx.tick()
    await ctx.tick()


@pytest.mark.parametrize("options", [
    {}, {"pipeline": 0}, {"pipeline": 2}, {"buffer": "double"},
    {"buffer": "double", "pipeline": 2, "preload": False},
    {"a_format": "fp16", "datapath": "float"}, {"a_format": "fp16"},
    {"table_format": "int8", "pipeline": 0}, {"out_format": "fp32"}, {"target": "fpga"},
    {"out_format": "int8"}, {"out_format": "int8", "preload": False}])
def test_latency(options: dict[str, Any]) -> None:
    """An unstalled operation: a beat a cycle, and the first result ``latency`` cycles later."""
    p = LutCoreParameters(**{"M": 1, "N": 2, "K": 2, "w_bits": 2, "max_k": 64,
                             "a_format": "int8", **options})
    core = LutCore(p)
    beats, seen = 4, {}

    async def drive(ctx: Any) -> None:
        ctx.set(core.table.valid, 1)
        ctx.set(core.result.ready, 1)
        if p.preload:
            ctx.set(core.psum.valid, 1)
        if p.requantizes:
            ctx.set(core.scale.valid, 1)
        await started(ctx)
        taken = cycle = 0
        while "result" not in seen:
            last = taken == beats - 1
            ctx.set(core.weight.valid, taken < beats)
            ctx.set(core.weight.payload.first, taken == 0)
            ctx.set(core.weight.payload.last, last)
            ctx.set(core.weight.payload.table_last, taken % 2)
            if taken < beats and ctx.get(core.weight.ready):
                taken += 1
                if last:
                    seen["last"] = cycle
            if ctx.get(core.result.valid):
                seen["result"] = cycle
            assert cycle < 100
            cycle += 1
            await ctx.tick()

    simulate(core, drive)
    assert seen["last"] == beats - 1, "a beat a cycle"
    assert seen["result"] - seen["last"] == core.latency


@pytest.mark.parametrize(("options", "beats", "period"), [
    # single: the beats and a pause of D + 1 or, with pipeline 2, D + 2; here D = 6
    ({"pipeline": 0}, 4, 4 + 7), ({"pipeline": 1}, 4, 4 + 7), ({"pipeline": 2}, 4, 4 + 8),
    ({"a_format": "fp16"}, 2, 2 + 7), ({"a_format": "fp16", "datapath": "float"}, 2, 2 + 7),
    # double: no pause from D + 2 or, with pipeline 2, D + 3 beats on
    ({"buffer": "double", "pipeline": 0}, 9, 9), ({"buffer": "double"}, 10, 10),
    ({"buffer": "double"}, 8, 8), ({"buffer": "double"}, 7, 8),
    ({"buffer": "double", "pipeline": 2}, 9, 9), ({"buffer": "double", "pipeline": 2}, 8, 9),
    ({"buffer": "double", "a_format": "fp16", "preload": False}, 7, 8)])
def test_time_of_an_operation(options: dict[str, Any], beats: int, period: int) -> None:
    """Operations one behind the other, nothing stalls: cycles from one to the next."""
    p = LutCoreParameters(**{"M": 2, "N": 3, "K": 2, "lanes": 1, "w_bits": 1, "max_k": 64,
                             "a_format": "int8", **options})
    core = LutCore(p)
    ends: list[int] = []

    async def drive(ctx: Any) -> None:
        ctx.set(core.table.valid, 1)
        ctx.set(core.result.ready, 1)
        if p.preload:
            ctx.set(core.psum.valid, 1)
        await started(ctx)
        ctx.set(core.weight.valid, 1)
        taken = cycle = 0
        while len(ends) < 5:
            place = taken % beats
            ctx.set(core.weight.payload.first, place == 0)
            ctx.set(core.weight.payload.last, place == beats - 1)
            ctx.set(core.weight.payload.table_last, 1)
            taken += ctx.get(core.weight.ready)
            if ctx.get(core.result.valid) and ctx.get(core.result.payload.last):
                ends.append(cycle)
            assert cycle < 200
            cycle += 1
            await ctx.tick()

    simulate(core, drive)
    assert {b - a for a, b in pairwise(ends)} == {period}
    several = [accumulation_cycles(p, [beats] * n) for n in (1, 2, 3)]
    assert {b - a for a, b in pairwise(several)} == {period}


def test_manifest_states_ports_and_timing() -> None:
    """The manifest is JSON and carries the latency that the other tests measure."""
    manifest = json.loads(emit(LutCoreParameters(N=3)).manifest_text())
    core = unused(LutCore(LutCoreParameters(N=3)))
    assert manifest["timing"]["latency"] == core.latency
