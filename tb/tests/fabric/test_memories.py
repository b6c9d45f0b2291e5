"""Memories that the Verilog marks ``no_rw_check``: what they read of a word in the cycle in which
it is written is of no consequence. So a block memory may give anything there."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from lowbit.generators.flow.simulate import simulate
from lowbit.generators.registry import find
from lowbit.generators.verilog.emit import emit

#: a read port of a bank, and what it becomes: the wrong word while its word is written
_READ = re.compile(r"(read_data_held <= )(memory\[read_address\]);")
_WRONG = r"\1write && write_address == read_address ? ~\2 : \2;"

DESIGNS: dict[str, dict[str, Any]] = {
    "bitmod_array": dict(tile_rows=1, tile_columns=1, rows=2, columns=2),
    "accel": dict(M=1, N=16, K=2, w_bits=2, chains=1, axi_data=64, a_kib=1, w_kib=1, s_kib=1,
                  p_kib=1, min_group=8, max_group=16, adder="operator")}


@pytest.mark.parametrize("name", DESIGNS)
def test_nobody_needs_a_word_while_it_is_written(name: str) -> None:
    generator = find(name)
    p = generator.parameter_class()(**DESIGNS[name])
    design = emit(p)
    wrong, count = _READ.subn(_WRONG, design.verilog)
    assert count == design.verilog.count("(* no_rw_check *)") > 0
    plan = dict(generator=name, parameters=p.as_dict(), vectors=100)
    found = simulate(replace(design, verilog=wrong), design.top, generator.bench, plan, seed=5)
    assert found.passed and found.stats["words"] > 100, found.message


def test_a_needed_word_is_seen() -> None:
    """Where any word that is read while another one is written is wrong, the bench sees it."""
    name = "bitmod_array"
    generator = find(name)
    p = generator.parameter_class()(**DESIGNS[name])
    design = emit(p)
    wrong = _READ.sub(r"\1write ? ~\2 : \2;", design.verilog)
    plan = dict(generator=name, parameters=p.as_dict(), vectors=100)
    assert not simulate(replace(design, verilog=wrong), design.top, generator.bench, plan).passed
