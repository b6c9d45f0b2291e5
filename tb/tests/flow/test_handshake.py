"""Streams that a bus can carry: paths through every design, proofs of its handshakes.

Small configurations of every generator that has streams, one for each way its streams are built.
Both checks are shown to fail on a design of the kind that a bus forbids.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from lowbit.generators.flow.handshake import cones, forbidden_paths, prove_handshake, streams_of
from lowbit.generators.registry import GENERATORS
from lowbit.generators.verilog.emit import Emitted, emit
from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.lut.parameters import LutCoreParameters, LutTableParameters
from lowbit.golden.parameters import Parameters
from lowbit.golden.systolic.parameters import SystolicParameters
from lowbit.tb.support.designs import LINES, emitted
from lowbit.tb.support.lut_run import run_bench
from lowbit.tb.support.lut_space import label

CORE: dict[str, Any] = dict(M=2, N=2, K=2, w_bits=2, max_k=16)
TILE: dict[str, Any] = dict(rows=1, columns=2, lanes=1, max_group=4)
INT8 = CORE | dict(a_format="int8")

DESIGNS: list[Parameters] = [
    LutTableParameters(M=1, K=2), LutTableParameters(M=1, K=2, pipeline=2, reset="async_low"),
    LutTableParameters(M=1, K=2, a_format="int8"),
    # the waiting register: at the weights, at the tables; at the tables for want of another
    LutCoreParameters(**INT8), LutCoreParameters(**INT8 | dict(N=32)),
    LutCoreParameters(**INT8, pipeline=0), LutCoreParameters(**INT8, pipeline=0, buffer="double"),
    LutCoreParameters(**CORE, table_source="internal", lanes=1),
    LutCoreParameters(**CORE, table_source="internal", pipeline=0, buffer="double"),
    LutCoreParameters(**CORE, pipeline=2, preload=False, reset="async_low"),
    LutCoreParameters(**CORE, table_format="int8", buffer="double", reset="async_low"),
    LutCoreParameters(**CORE, datapath="float", acc="fp16", lanes=1),
    LutCoreParameters(radix=3, M=1, N=3, max_k=16, a_format="int8", unpack="trits5"),
    DotCoreParameters(M=2, N=2, K=2, a_format="int8", max_k=16, out_format="int8"),
    BitmodTileParameters(**TILE), BitmodTileParameters(**TILE, channel_scale=False, out="fp16"),
    BitmodTileParameters(**TILE | dict(rows=2), out_columns=2, scale_columns=1),
    BitmodArrayParameters(**TILE, tile_rows=1, tile_columns=2, input_chunks=2, weight_chunks=2,
                          group_entries=2),
    BitmodArrayParameters(**TILE, tile_rows=2, tile_columns=1, input_chunks=2, weight_chunks=4,
                          group_entries=2, channel_scale=False),
    BitmodTileParameters(**TILE, align="cycle"),
    BitmodArrayParameters(**TILE, align="cycle", tile_rows=2, tile_columns=1, input_chunks=2,
                          weight_chunks=4, group_entries=2),
    SystolicParameters(R=2, C=2), SystolicParameters(R=2, C=1, drain="mux", reset="async_low"),
    SystolicParameters(R=2, C=2, dataflow="ws", acc_bits=17),
    SystolicParameters(R=2, C=2, acc_bits=18, out_format="int8")]

#: no stream leads through them, and proofs are shorter without
DATAPATH = ("lut_column", "dot_column", "lut_entry_step", "lut_entries", "bitmod_core",
            "bitmod_encoder", "systolic_pe")


def _name(p: Parameters) -> str:
    return label(p) if isinstance(p, LutCoreParameters) else p.flags().replace("--", "")


def _datapath(design: Emitted) -> list[str]:
    return [name for name in DATAPATH if name in design.manifest["modules"]]


def test_every_design_with_streams_is_here() -> None:
    here = {p.generator for p in DESIGNS} | {"accel"}       # below
    for name in set(GENERATORS) - here:
        parameters = GENERATORS[name].parameter_class()()
        assert streams_of(emit(parameters).manifest) == [], name


@pytest.mark.parametrize("p", DESIGNS, ids=_name)
def test_streams(p: Parameters) -> None:
    """No path that a bus forbids; valid and payload hold; nothing moves in reset."""
    design = emit(p)
    assert len(streams_of(design.manifest)) >= 2
    assert forbidden_paths(design.verilog, design.manifest) == []
    assert prove_handshake(design.verilog, design.manifest, free=_datapath(design))


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("accel ")])
def test_accelerator(line: str) -> None:
    """No path that a bus forbids. That its channels hold is proved of what drives them
    (tb/tests/fabric/test_bus_proofs.py): the whole is too large for induction."""
    design = emitted(line)
    assert len(streams_of(design.manifest)) == 10
    assert forbidden_paths(design.verilog, design.manifest) == []


def behind(p: Parameters, extra: str) -> Emitted:
    """The design as ``inner`` of a module with the same ports, but for what ``extra`` says:
    Verilog in which the inner ports are named ``inner_PORT``."""
    inner = emit(p, top="inner")
    ports = inner.manifest["ports"]
    lines = [f"  {port['direction']} [{port['width'] - 1}:0] {port['name']}" for port in ports]
    body = ["module outer (", ",\n".join(lines), ");"]
    joins = []
    for port in ports:
        name, size = port["name"], f"[{port['width'] - 1}:0]"
        body.append(f"  wire {size} inner_{name};")
        joins.append(f".{name}(inner_{name})")
        left, right = (name, f"inner_{name}") if port["direction"] == "output" else \
            (f"inner_{name}", name)
        if not re.search(rf"assign {left} =", extra):
            body.append(f"  assign {left} = {right};")
    body += [extra, f"  inner inner({', '.join(joins)});", "endmodule\n"]
    name = p.generator
    text = inner.verilog + "\n".join(body).replace("module outer", f"module {name}")
    return Emitted(text, inner.manifest | {"top": name}, name)


#: result and partial sum in one step: the result shows with the next partial sum
COUPLED = """
  assign result_valid = inner_result_valid & psum_valid;
  assign inner_result_ready = result_ready & psum_valid;"""
#: weights and tables in one step
JOINED = """
  assign weight_ready = inner_weight_ready & table_valid;
  assign inner_weight_valid = weight_valid & table_valid;"""
#: ready as soon as there is power
EAGER = """
  assign weight_ready = inner_weight_ready | rst;"""


def test_nothing_added_is_fine() -> None:
    design = behind(LutCoreParameters(**INT8), "")
    assert forbidden_paths(design.verilog, design.manifest) == []
    assert prove_handshake(design.verilog, design.manifest, free=_datapath(design))


@pytest.mark.parametrize(("extra", "paths", "holds"), [
    (COUPLED, ["result_valid <- psum_valid"], False),
    (JOINED, ["weight_ready <- table_valid"], True),
    ("  assign psum_ready = inner_psum_ready & result_ready;", ["psum_ready <- result_ready"],
     True),
    ("  assign result_values = inner_result_values ^ result_ready;",
     ["result_values <- result_ready"], False),
    (EAGER, ["weight_ready <- rst"], False)])
def test_flaws_are_found(extra: str, paths: list[str], holds: bool) -> None:
    design = behind(LutCoreParameters(**INT8), extra)
    assert forbidden_paths(design.verilog, design.manifest) == paths
    assert prove_handshake(design.verilog, design.manifest, free=_datapath(design)) == holds


@pytest.mark.parametrize(("extra", "found"), [
    ("", ""), (COUPLED, "no stream moved|valid fell"), (EAGER, "valid or ready in reset")],
    ids=("nothing", "coupled", "eager"))
def test_bench_finds_flaws(extra: str, found: str) -> None:
    """Lock-step with the partial sums, and what is ready in reset, in simulation."""
    p = LutCoreParameters(**INT8)
    outcome = run_bench(p, verilog=behind(p, extra).verilog)
    assert outcome.passed == (not found)
    assert re.search(found, outcome.message), outcome.message


def test_ready_may_follow_its_own_beat() -> None:
    """Without a register at the weights, whether a beat ends an operation decides if it must wait
    for the results of the last one: a path within one stream."""
    design = emit(LutCoreParameters(**INT8, pipeline=0, buffer="double"))
    assert cones(design.verilog, "lut_core")["weight_ready"] == {"weight_last"}
