"""The whole accelerator between buses of cocotbext-axi: an independent judge of both."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from lowbit.generators.flow.simulate import Outcome, simulate
from lowbit.generators.verilog.emit import Emitted, emit
from lowbit.golden.accelerator.parameters import AccelParameters

BENCH = "lowbit.tb.support.accel_axi_bench"
SMALL: dict[str, Any] = dict(M=1, N=16, K=2, w_bits=2, chains=1, axi_data=64, a_kib=1, w_kib=1,
                             s_kib=1, p_kib=1, min_group=8, max_group=16)
DESIGNS: dict[str, dict[str, Any]] = {
    "64 bits": {},
    "256 bits": dict(M=2, chains=2, axi_data=256, a_format="int8", offset="none", min_group=16,
                     reset="async_low")}


@cache
def design(name: str) -> tuple[AccelParameters, Emitted]:
    p = AccelParameters(**SMALL | DESIGNS[name])
    return p, emit(p)


def run(name: str, change: tuple[str, str] | None = None, **plan: Any) -> Outcome:
    p, emitted = design(name)
    text = emitted.verilog
    if change:
        text = re.sub(*change, text)
        assert text != emitted.verilog
    return simulate(text, emitted.top, BENCH, dict(parameters=p.as_dict(), programs=3, stall=0.5)
                    | plan, seed=len(name))


@pytest.mark.parametrize("name", DESIGNS)
def test_equals_golden(name: str) -> None:
    found = run(name)
    assert found.passed, found.message
    assert found.stats["programs"] == 3 and found.stats["words"] > 0


def test_bench_finds() -> None:
    """Bursts of writes whose last beat comes one too early."""
    assert not run("64 bits", (r"(\.m_axi_wlast\()(\w+)\)", r"\g<1>)"), programs=1).passed
