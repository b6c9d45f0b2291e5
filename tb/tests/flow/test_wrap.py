"""Designs behind AXI4-Stream interfaces and in scan wrappers: layout, results, rules, errors."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import lowbit
from lowbit.generators.cli import main
from lowbit.generators.flow.handshake import forbidden_paths, prove_handshake
from lowbit.generators.flow.simulate import Outcome, simulate
from lowbit.generators.registry import find
from lowbit.generators.verifying import verify
from lowbit.generators.verilog.emit import Emitted, emit
from lowbit.generators.verilog.scan import scan_wrapper
from lowbit.generators.wrapping import Wrap
from lowbit.golden.workload import Workload
from lowbit.tb.support.designs import emitted, parameters
from lowbit.tb.support.scan_bench import CORE
from lowbit.tb.tests.flow.test_manifest import VALIDATOR

#: designs, each with widths that widen and narrow its streams
DESIGNS = {
    "lut_core": ("lut_core --N 3 --K 2 --a-format int8 --w-bits 2 --max-k 64", (16, 128)),
    "dot_core": ("dot_core --N 2 --K 2 --a-format int8 --w-format int3 --max-k 64", (8, 64)),
    "systolic": ("systolic --R 2 --C 3 --reset async_low", (None, 16)),
    "bitmod_tile": ("bitmod_tile --rows 1 --columns 2 --lanes 1 --max-group 4", (None, 32)),
}
CASES = [(name, width) for name, (_, widths) in DESIGNS.items() for width in widths]


@cache
def design(name: str, width: int | None) -> Emitted:
    return emit(parameters(DESIGNS[name][0]), wrap=Wrap("axis", width))


def workload(name: str) -> Workload:
    rng = np.random.default_rng(5)
    p = parameters(DESIGNS[name][0])
    k, rows, columns = 12, 3, 5
    floats = rng.normal(0, 0.1, (columns, k)).astype(np.float32)
    a: Any = rng.integers(-128, 128, (rows, k)).astype(np.int8)
    w: Any = rng.integers(-128, 128, (columns, k))
    if name == "bitmod_tile":
        a = rng.normal(0, 1, (rows, k)).astype(np.float16)
        w = lowbit.quantize(floats, "bitmod4", group_size=4).tensor
    elif name != "systolic":
        w = lowbit.quantize(floats, "lut2", group_size=0).tensor
    return find(name).operand_options().of_tensor(p, a, w)


def through_axis(name: str, width: int | None, tmp_path: Path,
                 verilog: str = "") -> tuple[bool, Outcome]:
    """The workload through cocotbext-axi's interfaces: are the results those of the golden
    model?"""
    made, found = workload(name), design(name, width)
    with (tmp_path / "operands.npz").open("wb") as file:
        np.savez(file, allow_pickle=False, **made.arrays())
    p, results = made.parameters, tmp_path / "results.npy"
    plan = dict(generator=p.generator, parameters=p.as_dict(), results=str(results),
                operands=str(tmp_path / "operands.npz"), wrap=found.manifest["wrap"])
    outcome = simulate(verilog or found, found.top,
                       "lowbit.tb.support.axis_bench", plan, seed=3)
    return outcome.passed and np.array_equal(np.load(results), made.golden()), outcome


@pytest.mark.parametrize(("name", "width"), CASES)
def test_product_through_cocotbext(name: str, width: int | None, tmp_path: Path) -> None:
    is_equal, outcome = through_axis(name, width, tmp_path)
    assert is_equal and outcome.stats["words"] > 5, outcome.message


@pytest.mark.parametrize(("name", "width"), CASES)
def test_own_bench(name: str, width: int | None) -> None:
    """The whole bench of the design: corner rows, resets in flight, lock-step."""
    found = verify(parameters(DESIGNS[name][0]), vectors=60, seed=2, wrap=Wrap("axis", width))
    assert found.passed and found.words >= 60, found.message


def test_a_broken_skid_buffer_fails(tmp_path: Path) -> None:
    """A spare register that is forgotten: seen in the simulation, too (proofs:
    tb/tests/fabric/test_axi_stream.py)."""
    found = design("systolic", None)
    broken, count = re.subn(r"taken_spare_valid <= taken_stays", "taken_spare_valid <= 1'h0",
                            found.verilog)
    assert count == len(found.manifest["streams"])
    assert not through_axis("systolic", None, tmp_path, broken)[0]


@pytest.mark.parametrize(("name", "width"), CASES)
def test_rules_of_the_bus(name: str, width: int | None) -> None:
    """No combinational path between interfaces; tvalid and tdata hold whatever the core does;
    nothing moves in reset."""
    found = design(name, width)
    manifest = found.manifest
    assert manifest["clock"]["port"] == "aclk"
    assert manifest["reset"] == manifest["reset"] | dict(port="aresetn", active="low")
    assert {stream["name"] for stream in manifest["streams"]} == \
        {facts["interface"] for facts in manifest["wrap"]["streams"]}
    assert forbidden_paths(found.verilog, manifest) == []
    core = manifest["wrap"]["core"]
    inside = [module for module in manifest["modules"] if not module.startswith(found.top)]
    assert core in inside
    assert prove_handshake(found.verilog, manifest, free=[core])


def test_core_inside_is_the_core() -> None:
    """The module that is wrapped has the same text as without a wrapper."""
    def module(text: str, name: str) -> str:
        found = re.search(rf"^module {name} \(.*?^endmodule", text, re.M | re.S)
        assert found is not None
        return re.sub(r"^ *//.*\n", "", found[0], flags=re.M)

    line = DESIGNS["dot_core"][0]
    assert module(design("dot_core", 8).verilog, "dot_core") == \
        module(emitted(line).verilog, "dot_core")
    assert "wrap" not in emitted(line).manifest


def test_manifest_has_a_schema() -> None:
    manifest = json.loads(design("lut_core", 16).manifest_text())
    VALIDATOR.validate(manifest)
    for path, value in ((("kind",), "pcie"), (("width",), 4), (("streams", 0, "tlast"), "never"),
                        (("streams", 0, "fields", 0, "container"), 0)):
        changed = json.loads(json.dumps(manifest))
        place = changed["wrap"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate(changed)


def test_frames_of_a_core() -> None:
    """The layout of docs/wrappers.md: patterns of two bits packed, results as C integers."""
    facts = design("lut_core", 128).manifest["wrap"]["streams"]
    streams = {item["stream"]: item for item in facts}
    weight, result = streams["weight"], streams["result"]
    assert [(field["name"], field["offset"], field["container"]) for field in weight["fields"]] == \
        [("patterns", 0, 2), ("plane", 1, 1), ("first", 2, 1), ("table_last", 3, 1)]
    assert (weight["frames"], weight["frame_bytes"], weight["tlast"]) == (4, 4, "last")
    # an output's frames do not share: a result never waits for the next one
    assert (result["frames"], result["frame_bytes"], result["tlast"]) == (1, 16, "last")


def test_scan_wrapper_is_one() -> None:
    """``--wrap scan`` and :func:`scan_wrapper` are the same text; every port is connected."""
    plain, found = (emitted("fp16_pe"), emitted("fp16_pe --wrap scan"))
    assert scan_wrapper(plain.manifest, found.top) in found.verilog
    assert [port["name"] for port in found.manifest["ports"]] == \
        ["clk", "scan_in", "load", "scan_out"]
    assert emitted("systolic --R 2 --C 2 --reset async_low --wrap scan").manifest["reset"] == dict(
        port="rst", kind="sync", active="high",
        note="hold it over at least one rising clock edge")


def test_scan_wrapper_shifts() -> None:
    """Operands in, result out, through any design: here a small adder's."""
    ports = [dict(name=name, direction=way, width=width) for name, way, width in (
        ("a", "input", 3), ("b", "input", 1), ("sum", "output", 4), ("odd", "output", 1))]
    text = scan_wrapper(dict(top="adder", clock=None, reset=None, ports=ports), "scan")
    outcome = simulate(CORE + text, "scan", "lowbit.tb.support.scan_bench", {}, seed=4)
    assert outcome.passed and outcome.stats["words"] == 16, outcome.message


@pytest.mark.parametrize(("line", "message"), [
    ("lut_core --wrap axi", "--wrap must be axis or scan; got axi"),
    ("lut_core --axis-width 32", "--axis-width needs --wrap axis; got 32 without it"),
    ("lut_core --wrap scan --axis-width 32", "--axis-width needs --wrap axis; got --wrap scan"),
    ("lut_core --wrap axis --axis-width 24",
     "--axis-width must be a power of two of bytes, 8 to 4096 bits; got 24"),
    ("fp16_pe --wrap axis", "--wrap axis needs streams to wrap, and fp16_pe has none with these "
     "parameters; leave --wrap out"),
    ("systolic --R 1 --C 2 --skew out --mesh --wrap axis", "has none with these parameters"),
    ("accel --wrap axis", "accel has AXI interfaces already; leave --wrap out"),
    ("lut_core --wrap axis --top lut_core", "--top must differ from the design's other modules"),
    ("fp16_pe --wrap scan --top fp16_pe", "--top must differ from the design's other modules")])
def test_errors(line: str, message: str, tmp_path: Path,
                capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line.split(), "-o", str(tmp_path / "out.v")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


def test_verbs_and_manifests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrapped manifest: what each verb makes of it."""
    target = tmp_path / "out.v"
    line = ["lut_table", "--M", "1", "--K", "2", "--a-format", "int8"]
    assert main([*line, "--wrap", "axis", "--axis-width", "32", "-o", str(target)]) == 0
    capsys.readouterr()
    text = target.read_text()
    manifest = json.loads(target.with_suffix(".json").read_text())
    command = manifest["command"].split()[1:]
    assert command[-4:] == ["--wrap", "axis", "--axis-width", "32"]
    again = tmp_path / "again.v"
    assert main([*command, "-o", str(again)]) == 0 and again.read_text() == text
    assert repr(lowbit.design(str(tmp_path / "out.json"))).endswith("--axis-width 32>")
    assert lowbit.design(str(tmp_path / "out.json")).verilog == text
    assert main(["area", str(tmp_path / "out.json"), "--no-timing", "--json"]) == 0
    wrapped = json.loads(capsys.readouterr().out)
    assert main(["area", *line, "--no-timing", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert wrapped["flip_flops"] > plain["flip_flops"]
    assert main([*line, "--wrap", "scan", "-o", str(target)]) == 0
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "out.json")]) == 2
    assert "which is for place and route: gen verify lut_table" in capsys.readouterr().err
    assert main(["lut_core", "--wrap", "axis", "-o", str(target)]) == 0
    capsys.readouterr()
    assert main(["run", str(tmp_path / "out.json")]) == 2
    assert "takes designs without a wrapper" in capsys.readouterr().err
