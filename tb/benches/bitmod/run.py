"""A whole layer through bitmod_tile or bitmod_array at full speed; its results go to a file.

The plan names the operands (see generators/flow/gemm.py). Nothing is compared. Sources always
have a beat, the sink is always ready.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from lowbit.generators.flow.gemm import load_bitmod_operands
from lowbit.generators.registry import find
from lowbit.golden.bitmod.gemm import Gemm
from lowbit.golden.bitmod.parameters import BitmodTileParameters
from lowbit.golden.bitmod.ports import layer_results
from lowbit.tb.benches.bitmod.stimulus import program_special_values
from lowbit.tb.benches.streams import Bench, Feed, load_plan

#: cycles in which nothing moves before the run is given up
IDLE_LIMIT = 4000


@cocotb.test()
async def stream(dut: Any) -> None:
    """Stream the layer, write its results."""
    plan = load_plan()
    p = find(plan["generator"]).parameter_class()(**plan["parameters"])
    assert isinstance(p, BitmodTileParameters)
    gemm = Gemm(p, load_bitmod_operands(Path(plan["operands"])))
    bench, streams = Bench(dut), gemm.streams()
    for name in streams:
        getattr(dut, f"{name}_valid").value = 0
    dut.sv_write.value, dut.result_ready.value = 0, 1
    await bench.reset()
    await program_special_values(dut, gemm.register_file)

    beats = gemm.cycles.blocks * p.output_beats
    words: list[int] = []
    feeds = [Feed(dut, name, stream) for name, stream in streams.items()]
    edge, idle = RisingEdge(dut.clk), 0
    valid, values, last = dut.result_valid, dut.result_values, dut.result_last
    while len(words) < beats:
        await edge      # reads give the values from before it, which are those that count
        bench.cycles += 1
        idle += 1
        if int(valid.value):
            words.append(int(values.value))
            assert int(last.value) == (len(words) % p.output_beats == 0), \
                "result_last must mark the last beat of an operation"
            idle = 0
        for feed in feeds:
            if feed.step():
                idle = 0
        assert idle < IDLE_LIMIT, f"no stream moved for {IDLE_LIMIT} cycles"
    codes = layer_results(p, words, gemm.rows, gemm.columns)
    np.save(plan["results"], gemm.format.to_array(codes))
    bench.report(operations=gemm.cycles.blocks, model_cycles=gemm.stream_cycles)
