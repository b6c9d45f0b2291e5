"""The read and the write engine in simulation, judged by cocotbext-axi."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from lowbit.generators.flow.simulate import Outcome, simulate
from lowbit.generators.verilog.emit import Emitted, emit_component
from lowbit.hdl.fabric.axi import Axi4
from lowbit.hdl.fabric.dma_read import DmaRead
from lowbit.hdl.fabric.dma_write import DmaWrite

BENCH = "lowbit.tb.support.dma_bench"
PLAN: dict[str, Any] = dict(commands=60, stall=0.4, latency=60, errors=0.0, aborts=0, longest=80)


@cache
def engine(name: str, data_bits: int, **options: Any) -> Emitted:
    bus = Axi4(data_bits)
    if name == "read":
        return emit_component(DmaRead(bus, tag_bits=2, **options), top="dma_read")
    return emit_component(DmaWrite(bus, tag_bits=2, **options), top="dma_write")


def run(name: str, data_bits: int, *, options: dict[str, Any] | None = None,
        change: tuple[str, str] | None = None, seed: int = 1, **plan: Any) -> Outcome:
    design = engine(name, data_bits, **options or {})
    text = design.verilog
    if change:
        assert text.count(change[0]) == 1, change[0]
        text = text.replace(*change)
    return simulate(text, design.top, BENCH, PLAN | plan | dict(engine=name, data_bits=data_bits),
                    seed=seed, optimize="-O0")


SPARE = {"buffered": True}


@pytest.mark.parametrize(("name", "data_bits", "options"), [
    ("read", 64, {}), ("read", 256, {}), ("read", 256, SPARE), ("read", 512, SPARE),
    ("read", 256, {"outstanding": 1, "burst_bytes": 128}),
    ("write", 64, {}), ("write", 256, {}), ("write", 512, {}),
    ("write", 128, {"outstanding": 3, "burst_bytes": 256})],
    ids=lambda value: str(value).replace(" ", ""))
def test_random(name: str, data_bits: int, options: dict[str, Any]) -> None:
    """Random commands and stalls; the same with errors; the same with aborts in the midst."""
    good = run(name, data_bits, options=options)
    assert good.passed, good.message
    wrong = run(name, data_bits, options=options, errors=0.02, seed=2)
    assert wrong.passed, wrong.message
    assert 0 < wrong.stats["errors"] < wrong.stats["words"]
    aborted = run(name, data_bits, options=options, aborts=12, errors=0.01, commands=200, seed=3)
    assert aborted.passed, aborted.message


def test_latency_is_hidden() -> None:
    """300 cycles of latency, 32 bytes a beat: the port is at work in 9 cycles of 10."""
    outcome = run("read", 256, stall=0.0, latency=300, commands=30, longest=600)
    assert outcome.passed, outcome.message
    assert outcome.stats["busy"] >= 0.9
