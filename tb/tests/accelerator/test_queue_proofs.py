"""Queues lose nothing and make up nothing, and tokens never pass below 0 or above their counter
unseen: by induction; each property refuted for a design that breaks it."""

from __future__ import annotations

import re
from functools import cache

import pytest

from lowbit.generators.verilog.emit import Emitted, emit_component
from lowbit.golden.accelerator.isa import TOKENS
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.hdl.accelerator.dispatch import Dispatch
from lowbit.hdl.fabric.memory_queue import MemoryQueue
from lowbit.tb.support.properties import Properties

DEPTH = 2
P = AccelParameters(M=1, N=16, K=2, w_bits=2, chains=1, axi_data=64, a_kib=1, w_kib=1, s_kib=1,
                    p_kib=1, min_group=8, max_group=16, queue=2)

QUEUE = Properties(
    helpers="""  reg [7:0] inside = 0;
  reg waited = 0; reg [3:0] old;
  wire pushes = push_valid & push_ready, pops = pop_valid & pop_ready;""",
    always="""    inside <= rst ? 0 : inside + pushes - pops;
    waited <= pop_valid & !pop_ready & !rst; old <= pop_payload;""",
    properties={
        "no more than there is room for": f"level <= {DEPTH}",
        "as many out as in": "inside == level + pop_valid",
        "a word that waits stays": "!waited | (pop_valid & pop_payload == old)",
        "no push into a full memory": f"!push_ready | level != {DEPTH}"})
QUEUE_FLAWS = {
    "no more than there is room for": (r"following != 2'h2", "following != 2'h3"),
    "as many out as in": (r"assign following = _03_ - loads", "assign following = _03_"),
    "a word that waits stays": (r"assign _02_ = _01_ \| pop_ready", "assign _02_ = 1'h1"),
    "no push into a full memory": (r"following != 2'h2", "following != 2'h3")}

WAYS = {"load_from_execute": ("load_pops_next", "push_execute_prev"),
        "execute_from_load": ("execute_pops_prev", "push_load_next"),
        "execute_from_store": ("execute_pops_next", "push_store_prev"),
        "store_from_execute": ("store_pops_prev", "push_execute_next")}
TOKEN_RULES = Properties(
    inner=dict.fromkeys(WAYS, 6) | {pop: 1 for pop, _ in WAYS.values()},
    properties={f"{name}: none from nothing": f"!(@{pop} & @{name} == 0)"
                for name, (pop, _) in WAYS.items()}
    | {f"{name}: none lost unseen": f"!({push} & !@{pop} & @{name} == {TOKENS}) | tokens"
       for name, (pop, push) in WAYS.items()})


@cache
def queue() -> Emitted:
    return emit_component(MemoryQueue(4, DEPTH), top="queue")


@cache
def dispatch() -> Emitted:
    return emit_component(Dispatch(P), top="dispatch")


def test_queue() -> None:
    assert QUEUE.prove(queue(), steps=6).answer == "proved"


@pytest.mark.parametrize("name", QUEUE_FLAWS)
def test_queue_with_a_flaw(name: str) -> None:
    broken = re.sub(*QUEUE_FLAWS[name], queue().verilog)
    assert broken != queue().verilog
    assert QUEUE.refute(broken, queue(), name, steps=12).answer == "refuted"


def test_tokens() -> None:
    assert TOKEN_RULES.prove(dispatch()).answer == "proved"


@pytest.mark.parametrize("name", WAYS)
def test_token_from_nothing(name: str) -> None:
    unit = name.partition("_")[0]
    broken = re.sub(rf"assign {unit}_may = .*;", f"assign {unit}_may = 1'h1;", dispatch().verilog)
    assert broken != dispatch().verilog
    assert TOKEN_RULES.refute(broken, dispatch(), f"{name}: none from nothing",
                              steps=8).answer == "refuted"


def test_token_lost_unseen() -> None:
    """A counter of three tokens is full soon enough for a search."""
    few = dispatch().verilog.replace("6'h3f", "6'h02")
    broken = re.sub(r"assign tokens = .*;", "assign tokens = 1'h0;", few)
    for name, (pop, push) in WAYS.items():
        rule = Properties(inner=TOKEN_RULES.inner, properties={
            "seen": f"!({push} & !@{pop} & @{name} == 2) | tokens"})
        assert rule.prove(Emitted(few, dispatch().manifest, "dispatch")).answer == "proved"
        assert rule.refute(broken, dispatch(), "seen", steps=8).answer == "refuted"
