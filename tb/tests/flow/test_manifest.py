"""The contract of generators, held by all of them; the manifest, and a wrapper made from it."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pytest
from amaranth.hdl import Elaboratable
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from lowbit.generators.cli import main
from lowbit.generators.flow.simulate import Outcome, simulate
from lowbit.generators.registry import GENERATORS
from lowbit.generators.verilog.emit import Emitted, emit
from lowbit.golden.lut.core import operation
from lowbit.golden.lut.packing import weight_beats
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.table import make_tables
from lowbit.golden.parameters import Parameters
from lowbit.hdl.common.design import check_ports
from lowbit.hdl.common.field import Field, flag
from lowbit.tb.support import axi_stream
from lowbit.tb.support.designs import LINES, emitted

SCHEMA = json.loads(files("lowbit.generators.verilog").joinpath("manifest.schema.json")
                    .read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_schema_is_one() -> None:
    VALIDATOR.check_schema(SCHEMA)


def test_every_generator_is_among_the_lines() -> None:
    assert {line.split()[0] for line in LINES} == set(GENERATORS)


@pytest.mark.parametrize("name", GENERATORS)
def test_defaults_keep_the_contract(name: str) -> None:
    """Ports are fields with notes (or the design refuses to be made), timing is there."""
    p = GENERATORS[name].parameter_class()()
    design = GENERATORS[name].component_class()(p)
    for part in (design, *vars(design).values()):       # not to be elaborated here
        if isinstance(part, Elaboratable):
            part._MustUse__used = True
    assert design.parameters == p and p.reset == "sync"
    timing = design.timing()
    assert timing.latency >= 0 and timing.interval >= 1 and timing.measured
    assert None not in p.resolved().values()
    json.dumps([design.derived(), [memory.as_dict() for memory in design.memories()]])


@pytest.mark.parametrize("line", LINES)
def test_manifest_is_valid(line: str) -> None:
    manifest = json.loads(emitted(line).manifest_text())
    VALIDATOR.validate(manifest)
    ports = {port["name"]: port for port in manifest["ports"]}
    assert len(ports) == len(manifest["ports"])
    for stream in manifest["streams"]:
        offset = 0
        for field in stream["fields"]:
            port = ports.pop(field["port"])
            assert field["offset"] == offset and field["width"] == port["width"]
            assert field["width"] == field["element_width"] * field["count"]
            assert field["count"] == np.prod(field["shape"], dtype=int)
            assert port["stream"] == stream["name"] and port["direction"] == stream["direction"]
            offset += field["width"]
        assert offset == stream["width"]
        forth, back = ports.pop(stream["valid"]), ports.pop(stream["ready"])
        assert forth["direction"] == stream["direction"] != back["direction"]
    assert not any("stream" in port for port in ports.values())
    own = [ports.pop(manifest[name]["port"], None) for name in ("clock", "reset")
           if manifest[name]]
    assert all(port is not None for port in own)


@pytest.mark.parametrize("break_it", [
    lambda m: m.pop("timing"), lambda m: m["ports"][0].update(note=""),
    lambda m: m["streams"][0]["fields"][0].pop("element_width"),
    lambda m: m["reset"].update(kind="high"), lambda m: m["resolved"].update(acc=None),
    lambda m: m.update(latency=3), lambda m: m["clock"].update(edge="falling")],
    ids=["timing", "note", "element width", "reset kind", "null", "unknown key", "edge"])
def test_schema_refuses(break_it: Any) -> None:
    manifest = copy.deepcopy(emitted("lut_core --N 2").manifest)
    VALIDATOR.validate(manifest)
    break_it(manifest)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(manifest)


@pytest.mark.parametrize(("member", "message"), [
    (In(8), "must consist of fields"), (In(Field(8, "")), "must consist of fields"),
    (In(wiring.Signature({"a": In(1)})), "a stream or a port"),
    (In(wiring.Signature({"payload": In(8), "valid": In(1), "ready": In(1)})), "StructLayout"),
    (In(wiring.Signature({"payload": In(data.StructLayout({"a": 8})), "valid": In(1),
                          "ready": In(1)})), "must consist of fields")])
def test_ports_without_description_are_refused(member: wiring.Member, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check_ports({"x": member})
    check_ports({"x": In(flag("says something"))})


def test_resolved_parameters() -> None:
    p = LutCoreParameters(N=2)
    assert p.as_dict()["entry_width"] is None and p.resolved()["entry_width"] == p.entry_bits
    assert p.resolved()["acc_width"] == p.acc_bits and "table_acc" not in p.resolved()
    # what is resolved, given, makes the same design
    again = LutCoreParameters(**p.resolved())
    assert emit(again).verilog.partition("\n\n")[2] == emit(p).verilog.partition("\n\n")[2]


def test_file_and_clock(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "mine.v"
    assert main(["lut_dot", "--a-format", "int8", "-o", str(target), "--clock", "1.5"]) == 0
    capsys.readouterr()
    manifest = json.loads(target.with_suffix(".json").read_text())
    assert manifest["file"] == "mine.v" and manifest["clock"] is None
    assert main(["fp16_pe", "-o", str(target), "--clock", "1.5"]) == 0
    manifest = json.loads(target.with_suffix(".json").read_text())
    assert manifest["clock"] == {"port": "clk", "edge": "rising", "target_ns": 1.5}
    assert "--clock 1.5" in manifest["command"]
    assert main(["fp16_pe", "-o", str(target), "--clock", "0"]) == 2
    assert "--clock must be a time" in capsys.readouterr().err


# -- a wrapper from the manifest alone ------------------------------------------------------------
class Traffic:
    """Random operations of a small core with the table unit inside, as arrays."""

    def __init__(self, p: LutCoreParameters, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.beats: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("activation", "weight", "psum", "result")}
        for steps in (1, 3, 2):
            k = p.K * p.groups * steps
            codes = rng.integers(-128, 128, (p.M, k))
            q = rng.integers(0, 1 << p.w_bits, (p.N, k))
            beats = weight_beats(q, p.w_bits, p.K, p.groups)
            psum = rng.integers(-1000, 1000, (p.M, p.N))
            result = operation(p, make_tables(codes, p), beats, psum)
            for i in range(steps):
                part = codes[:, i * p.K * p.groups:(i + 1) * p.K * p.groups]
                self.beats["activation"].append({"values": part.ravel()})
            fields = beats.fields(raw=not p.has_sign)
            for t in range(len(beats)):
                self.beats["weight"].append({
                    "patterns": fields[t], "plane": [beats.plane[t]], "first": [beats.first[t]],
                    "last": [beats.last[t]], "table_last": [beats.group_last[t]]})
            lines = [(row, column) for row in range(0, p.M, p.out_lanes)
                     for column in range(p.N)]
            for row, column in lines:
                lanes = slice(row, row + p.out_lanes)
                self.beats["psum"].append({"values": psum[lanes, column]})
                self.beats["result"].append({"values": result[lanes, column],
                                             "last": [(row, column) == lines[-1]]})


def _wrapped(p: LutCoreParameters, design: Emitted, traffic: Traffic,
             seed: int) -> Outcome:
    manifest = json.loads(design.manifest_text())
    words: dict[str, dict[str, list[list[Any]]]] = {"inputs": {}, "outputs": {}}
    for stream in manifest["streams"]:
        packed = [axi_stream.pack(stream, beat) for beat in traffic.beats[stream["name"]]]
        words[f"{stream['direction']}s"][axi_stream.interface(stream)] = [
            [f"{word:x}", last] for word, last in packed]
    verilog = design.verilog + "\n" + axi_stream.wrapper(manifest, "axis_top")
    return simulate(verilog, "axis_top", "lowbit.tb.support.axi_bench", words, seed=seed,
                    optimize="-O0")


@pytest.mark.parametrize("reset", ["sync", "async_low"])
def test_axi_stream_wrapper(reset: str) -> None:
    """Streams, packing, clock and reset are known from the manifest; results equal golden."""
    p = LutCoreParameters(M=2, N=3, K=2, groups=2, w_bits=2, a_format="int8", lanes=1,
                          table_source="internal", reset=reset)
    design, traffic = emit(p), Traffic(p, 7)
    outcome = _wrapped(p, design, traffic, 11)
    assert outcome.passed, outcome.message
    assert outcome.stats["words"] == 3 * p.M * p.N


def test_wrapper_sees_a_wrong_result() -> None:
    p = LutCoreParameters(M=2, N=3, K=2, groups=2, w_bits=2, a_format="int8", lanes=1,
                          table_source="internal")
    traffic = Traffic(p, 7)
    traffic.beats["result"][4]["values"] = traffic.beats["result"][4]["values"] ^ 1
    outcome = _wrapped(p, emit(p), traffic, 11)
    assert not outcome.passed and "1 of 18 words differ" in outcome.message


def test_pack_and_unpack() -> None:
    stream = emitted("lut_core --N 12 --a-format int8 --reset async_low").manifest["streams"][-1]
    assert stream["name"] == "result"
    assert axi_stream.unpack(stream, axi_stream.pack(stream, {"values": [-5, 7], "last": [1]})[0]) \
        == {"values": [-5, 7]}


def test_base_parameters_have_reset_last() -> None:
    for generator in GENERATORS.values():
        assert generator.parameter_class().declared()[-1].name == "reset"
    assert [field.name for field in Parameters.declared()] == ["reset"]
