"""The accelerator's RTL equals its golden simulator: random programs over a few small designs.

Each run has programs with one thing wrong of every kind, aborts and resets (see the bench). More
designs and programs: scripts/studies/campaign_accel.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from lowbit.generators.flow.simulate import simulate
from lowbit.generators.registry import find
from lowbit.generators.verifying import verify
from lowbit.generators.verilog.emit import emit
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.tb.support.mutation import with_flaws

SMALL: dict[str, Any] = dict(M=1, N=16, K=2, w_bits=2, chains=1, axi_data=64, a_kib=1, w_kib=1,
                             s_kib=1, p_kib=1, min_group=8, max_group=16)
#: what differs from the small one
DESIGNS: dict[str, dict[str, Any]] = {
    "three rows, four planes": dict(M=3, w_bits=4, p_kib=2, w_kib=2, K=4),
    "wide bus": dict(axi_data=512, N=32, chains=2, a_kib=2),
    "two tables": dict(groups=2, max_group=32, axi_data=128),
    "integers": dict(a_format="int8", offset="none", min_group=16, reset="async_low"),
    "wide scales": dict(group_scale="fp32", w_bits=1, a_format="bf16", offset="none"),
    "wide scales and offsets": dict(group_scale="fp32", w_bits=1, a_format="bf16"),
    "zero points": dict(offset="integer", a_format="fp8_e4m3", min_group=16, axi_data=128)}


#: a seed of its own, whose rows of BF16 have sums beyond FP32 and weights without offsets: the sum
#: must add nothing
SEEDS = {"wide scales and offsets": 11}


@pytest.mark.parametrize("name", DESIGNS)
def test_equals_golden(name: str) -> None:
    p = AccelParameters(**SMALL | DESIGNS[name])
    seed = SEEDS.get(name, len(name))
    found = verify(p, seed=seed, vectors=300)
    assert found, f"gen verify accel {p.flags()} --seed {seed}: {found.message}"


#: a line of the Verilog, and what it becomes
FLAWS = {
    "a store does not wait for results": (r"(\.push_execute_next\()\w+", r"\1execute_beat"),
    "the end does not wait for stores": (r"(\.store_idle\()\w+", r"\g<1>1'h1"),
    "loads have no bounds": (r"load_bounds \| execute_fault", "execute_fault"),
    "an error of the bus that nobody sees": (r"fetch_error \| load_error", "fetch_error"),
    "a load does not wait for its slot": (r"assign load_misses_next = .*;",
                                          "assign load_misses_next = 1'h0;")}


def test_bench_finds() -> None:
    """One build with all flaws behind a switch; without one the bench passes."""
    # adders as operators and memories as tools infer them: the flaws are elsewhere, and it is built
    # in half the time
    p = AccelParameters(**SMALL, adder="operator", memory="inferred")
    text = with_flaws(emit(p).verilog, list(FLAWS.values()))
    plan = dict(parameters=p.as_dict(), vectors=300)
    for number, flaw in enumerate(["no flaw", *FLAWS]):
        found = simulate(text, "accel", find("accel").bench, plan, plusargs=[f"+mutant={number}"])
        assert found.passed is (number == 0), f"{flaw}: {found.message}"
