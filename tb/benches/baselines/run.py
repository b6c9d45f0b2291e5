"""A whole matrix product through fp16_tile at full speed; its results go to a file.

The plan names the operands (see generators/flow/gemm.py). Nothing is compared. An operation takes
operands in k cycles; then its rows are read, one a cycle. The next one starts so early that its
first sums replace the old ones in the cycle after the last row was read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from lowbit.generators.flow.gemm import load_fp16_operands
from lowbit.golden.baselines.gemm import Gemm
from lowbit.golden.baselines.parameters import Fp16TileParameters
from lowbit.golden.packing import ints_to_rows, unpack_bits
from lowbit.tb.benches.streams import Bench, load_plan

#: inputs of a cycle, and the row of sums to be read ``latency`` cycles later
Cycle = tuple[dict[str, int], int | None]
IDLE: Cycle = ({"en": 0}, None)


def schedule(gemm: Gemm) -> Iterator[Cycle]:
    """All operations, cycle by cycle."""
    for rows, columns in gemm.blocks:
        for i, (activations, weights) in enumerate(gemm.words(rows, columns)):
            yield ({"en": 1, "first": int(i == 0), "activations": activations,
                    "weights": weights}, 0 if i == gemm.k - 1 else None)
        for row in range(1, rows.stop - rows.start):
            yield {"en": 0}, row


@cocotb.test()
async def stream(dut: Any) -> None:
    """Stream the operands, write the results."""
    plan = load_plan()
    p = Fp16TileParameters(**plan["parameters"])
    gemm = Gemm(p, load_fp16_operands(Path(plan["operands"])))
    bench, results, held = Bench(dut), dut.results, {"en": 0}
    handles = {name: getattr(dut, name) for name in ("en", "first", "activations", "weights")}
    if p.rows > 1:
        handles["row"] = dut.row
    dut.en.value = 0
    await bench.reset()

    words: list[int] = []
    waiting: deque[int | None] = deque([None] * p.latency)
    edge = RisingEdge(dut.clk)
    for inputs, row in chain(schedule(gemm), repeat(IDLE, p.latency)):
        waiting.append(row)
        read = waiting.popleft()
        if read is not None and p.rows > 1:
            inputs = {**inputs, "row": read}
        for name, value in inputs.items():
            if held.get(name) != value:     # an input that keeps its value is not written again
                handles[name].value = held[name] = value
        await edge      # reads give the values from before it, which are those of this cycle
        bench.cycles += 1
        if read is not None:
            words.append(int(results.value))

    values = unpack_bits(ints_to_rows(words, len(results)), p.acc_format.bits, p.columns)
    codes = np.zeros((gemm.rows, gemm.columns), np.int64)
    for rows, columns in gemm.blocks:
        block, values = np.split(values, [rows.stop - rows.start])
        codes[rows, columns] = block[:, :columns.stop - columns.start]
    np.save(plan["results"], gemm.format.to_array(codes))
    bench.report(operations=len(gemm.blocks))
