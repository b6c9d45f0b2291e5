"""Driving designs without handshakes: operands with an enable, a result at a fixed latency."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from numpy.typing import NDArray

from .streams import Bench

__all__ = ["controls", "run_cycles"]


def controls(rng: np.random.Generator, cycles: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Random ``first`` and ``en``; the first cycle starts a sum, ``first`` also comes alone."""
    first, en = rng.random(cycles) < 0.06, rng.random(cycles) < 0.8
    first[0] = en[0] = True
    return first, en


async def run_cycles(bench: Bench, inputs: Mapping[str, Sequence[int]],
                     good: Callable[[int], bool], latency: int, *, words: int) -> None:
    """Drive element i of every input in cycle i, and call ``good(i)`` ``latency`` edges later.

    After the last cycle ``en`` is low and the other inputs are random. ``words`` results are
    compared at a time. Fails when any differs, after reporting the first ones.
    """
    dut, cycles, wrong = bench.dut, len(inputs["en"]), 0
    handles = {name: getattr(dut, name) for name in inputs}
    dut.en.value = 0
    if hasattr(dut, "rst") or hasattr(dut, "rst_n"):
        await bench.reset()
    else:       # every register starts with data
        bench.start()
        bench.started = time.perf_counter()
    noise, edge, settled = random.Random(cycles), RisingEdge(dut.clk), ReadOnly()
    for cycle in range(cycles + latency):
        for name, handle in handles.items():
            if cycle < cycles:
                handle.value = int(inputs[name][cycle])
            else:
                handle.value = 0 if name == "en" else noise.getrandbits(len(handle))
        await settled
        done = cycle - latency
        if done >= 0 and not good(done):
            wrong += 1
            if wrong <= 5:
                shown = {name: hex(int(values[done])) for name, values in inputs.items()}
                cocotb.log.error("cycle %d, %s: the result differs", done, shown)
        await edge
        bench.cycles += 1
    bench.report(words=cycles * words, mismatches=wrong)
    assert wrong == 0, f"{wrong} of {cycles} cycles differ from the golden model"
