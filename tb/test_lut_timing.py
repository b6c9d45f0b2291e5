"""Latency and rate that the manifest states, measured in Amaranth's own simulator (flat design)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from amaranth.sim import Simulator

from lowbit.generators.emit import emit
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.hdl.lut.core import LutCore


@pytest.mark.parametrize("options", [
    {}, {"pipeline": 0}, {"pipeline": 2}, {"buffer": "double"},
    {"buffer": "double", "pipeline": 2, "preload": False},
    {"a_format": "fp16", "datapath": "float"}, {"a_format": "fp16"},
    {"table_format": "int8", "pipeline": 0}])
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

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    assert seen["last"] == beats - 1, "a beat a cycle"
    assert seen["result"] - seen["last"] == core.latency


def test_manifest_states_ports_and_timing() -> None:
    """Every port has a note; the manifest is JSON and carries the latency."""
    emitted = emit(LutCoreParameters(N=3))
    manifest = json.loads(json.dumps(emitted.manifest))
    handshakes = ("_valid", "_ready")
    for port in manifest["ports"]:
        assert port["note"] or port["name"].endswith(handshakes), port
    assert '"latency_cycles": ' in json.dumps(manifest)
