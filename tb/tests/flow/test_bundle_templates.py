"""Templates of a bundle: each in the tool that it is for, every port in its place."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from amaranth.back import rtlil, verilog

from lowbit.generators.verilog.emit import Emitted
from lowbit.tb.support.bundles import CORE, DESIGNS, VERILATOR, bundle, run, stub, write
from lowbit.tb.support.designs import emitted


def load(text: str, name: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = f"/nowhere/{name}.py"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")         # Migen, on its first import
        exec(compile(text, name, "exec"), module.__dict__)
    return module


def lint_template(line: str, folder: Path, text: str) -> list[str]:
    files, design = bundle(line), emitted(line)
    top = design.top
    write(folder, {"waivers.vlt": files[f"{top}.vlt"], "instance.v": text, f"{top}.v":
                   "/* verilator lint_off UNDRIVEN */ /* verilator lint_off UNUSEDSIGNAL */\n"
                   + stub(design)})
    done = run([VERILATOR, "--lint-only", "-Wall", "waivers.vlt", "instance.v", f"{top}.v",
                "--top", f"{top}_template"], folder)
    return [found for found in done.stderr.splitlines() if found.startswith("%")]


@pytest.mark.parametrize("line", DESIGNS)
def test_verilog_template(line: str, tmp_path: Path) -> None:
    """Verilator: every port is there, of the right width and direction; waivers can be read."""
    assert lint_template(line, tmp_path, bundle(line)[f"{emitted(line).top}_template.v"]) == []


@pytest.mark.parametrize(("old", "new", "rule"), [
    ("    .weight_last(weight_last),\n", "", "PINMISSING"),
    ("input wire [1:0] weight_plane", "input wire [2:0] weight_plane", "WIDTH"),
    (".psum_valid(", ".psum_valit(", "PINNOTFOUND"),
    ("output wire result_valid", "input wire result_valid", "ASSIGNIN")])
def test_a_wrong_template_is_seen(old: str, new: str, rule: str, tmp_path: Path) -> None:
    text = bundle(CORE)["lut_core_template.v"]
    assert old in text
    assert any(rule in found for found in lint_template(CORE, tmp_path, text.replace(old, new)))


def expected_places(design: Emitted) -> dict[str, tuple[str, int, int]]:
    """Where each port of a stream's field lies: payload of the stream, offset, width."""
    return {field["port"]: (stream["name"], field["offset"], field["width"])
            for stream in design.manifest["streams"] for field in stream["fields"]}


Place = tuple[str, int, int]


def instance_pins(text: str, top: str) -> dict[str, Place]:
    """What is at the ports of an instance, in RTLIL: a wire of the module, offset, width."""
    widths = {name: int(width) for width, name in re.findall(
        r"^  wire width (\d+) (?:\w+ \d+ )? *(?:signed )?(\S+)$", text, re.M)}

    def place(word: str) -> Place:
        found = re.fullmatch(r"(\S+)(?: \[(\d+)(?::(\d+))?\])?", word)
        assert found is not None, word
        wire, high, low = found.groups()
        start = int(low or high or 0)
        return wire, start, int(high) - start + 1 if high else widths[wire]

    # an output goes to its part of a payload by a wire of its own: { last one ... first one }
    behind: dict[Place, Place] = {}
    for wire, parts in re.findall(r"^ *connect (\\\S+) \{ (.*) \}$", text, re.M):
        offset = 0
        for part in reversed(re.findall(r"\S+ \[[\d:]+\]", parts)):
            name, start, width = place(part)
            behind[name, start, width] = (wire, offset, width)
            offset += width
    for wire, part in re.findall(r"^ *connect (\\\S+__payload) (\$\d+)$", text, re.M):
        behind[place(part)] = (wire, 0, widths[part])
    body = text[text.index(f"cell \\{top} "):].partition("\n  end\n")[0]
    pins = {port: place(word) for port, word in re.findall(
        r"^    connect \\(\S+) (.*)$", body, re.M)}
    pins = {port: behind.get(is_at, is_at) for port, is_at in pins.items()}
    return {port: (wire.lstrip("\\"), offset, width)
            for port, (wire, offset, width) in pins.items()}


@pytest.mark.parametrize("line", DESIGNS)
def test_amaranth_component(line: str) -> None:
    """Converted: each port of the instance is at its place in the stream's payload."""
    design = emitted(line)
    top, manifest = design.top, design.manifest
    module = load(bundle(line)[f"{top}_amaranth.py"], "component")
    component = getattr(module, module.__all__[0])()
    text = rtlil.convert(component, name="outer", emit_src=False)
    pins = instance_pins(text, top)
    assert set(pins) == {port["name"] for port in manifest["ports"]}
    for name, (stream, offset, width) in expected_places(design).items():
        assert pins[name] == (f"{stream}__payload", offset, width)
    for stream in manifest["streams"]:
        assert pins[stream["valid"]] == (f"{stream['name']}__valid", 0, 1)
        assert pins[stream["ready"]] == (f"{stream['name']}__ready", 0, 1)
    for port in manifest["ports"]:
        if "stream" not in port and port["name"] != "rst_n":
            assert pins[port["name"]] == (port["name"], 0, port["width"])
    if "rst_n" in pins:
        inverse = re.search(r"cell \$not \S+\n(.*?)\n  end", text, re.S)
        assert inverse is not None and "connect \\A \\rst [0]" in inverse[1]
        assert f"connect \\Y {pins['rst_n'][0]}" in inverse[1]


@pytest.mark.parametrize("line", DESIGNS)
def test_litex_module(line: str) -> None:
    """Converted by Migen: each port of the instance is at the endpoint's signal of its name."""
    design = emitted(line)
    top, manifest = design.top, design.manifest
    text = litex_verilog(line)
    body = text[text.index(f"\n{top} "):]
    pins = dict(re.findall(r"\.(\w+)\s*\(([^\n]*)\)", body))
    assert set(pins) == {port["name"] for port in manifest["ports"]}
    widths = {name: int(high or 0) + 1 for high, name in re.findall(
        r"(?:input|output|wire|reg)\s+(?:signed )?(?:\[(\d+):0\] )?(\w+)[ ,;=\n]", text)}
    for stream in manifest["streams"]:
        for field in stream["fields"]:
            bound = field["name"] in ("first", "last") and field["width"] == 1
            name = f"{stream['name']}_{'' if bound else 'payload_'}{field['name']}"
            assert pins[field["port"]] == name
            assert widths[name] == field["width"]
        assert pins[stream["valid"]] == f"{stream['name']}_valid"
        assert pins[stream["ready"]] == f"{stream['name']}_ready"
    for port in manifest["ports"]:
        if "stream" not in port:
            assert pins[port["name"]] == {"clk": "sys_clk", "rst": "sys_rst",
                                          "rst_n": "(~sys_rst)"}.get(port["name"], port["name"])
            assert port["width"] == widths.get(port["name"], 1)


def litex_verilog(line: str) -> str:
    module = load(bundle(line)[f"{emitted(line).top}_litex.py"], "litex_module")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from migen import Record, Signal
        from migen.fhdl.verilog import convert

        core = getattr(module, module.__all__[0])()
        ports: set[Any] = set()
        for member in vars(core).values():
            ports |= set(member.flatten()) if isinstance(member, Record) else \
                {member} if isinstance(member, Signal) else set()
        return str(convert(core, ports, name="outer"))


def test_templates_around_the_design(tmp_path: Path) -> None:
    """The design itself below what Amaranth and LiteX convert: Verilator finds nothing in it."""
    module = load(bundle(CORE)["lut_core_amaranth.py"], "component")
    write(tmp_path, bundle(CORE) | {
        "amaranth.v": verilog.convert(module.LutCore(), name="outer", emit_src=False),
        "litex.v": litex_verilog(CORE)})
    for outer in ("amaranth.v", "litex.v"):
        done = run([VERILATOR, "--lint-only", "-Wno-TIMESCALEMOD", "lut_core.vlt", outer,
                    "lut_core.v", "--top", "outer"], tmp_path)
        assert done.returncode == 0 and "%" not in done.stderr, done.stderr


def test_platforms_get_the_file(tmp_path: Path) -> None:
    files = bundle(CORE)
    write(tmp_path, files)
    given: dict[str, str] = {}

    class Platform:
        def add_file(self, name: str, text: str) -> None:
            given[name] = text

        def add_source(self, path: str) -> None:
            given[path] = Path(path).read_text()

    for kind in ("amaranth", "litex"):
        module = load(files[f"lut_core_{kind}.py"], kind)
        module.__dict__["__file__"] = str(tmp_path / "x.py")
        if kind == "amaranth":
            rtlil.convert(module.LutCore(), platform=Platform(), emit_src=False)
        else:
            module.LutCore(Platform())
    assert given == {"lut_core.v": files["lut_core.v"],
                     str(tmp_path / "lut_core.v"): files["lut_core.v"]}
