"""``gen GENERATOR --bundle DIR``: every file in the tool that it is for."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from amaranth.back import rtlil, verilog

from lowbit.generators import files as file_writing
from lowbit.generators.bundle.contents import Contents
from lowbit.generators.bundle.fusesoc import core_text
from lowbit.generators.bundle.kinds import bundle_files
from lowbit.generators.bundle.librelane import config_text
from lowbit.generators.bundle.verilator import file_list
from lowbit.generators.cli import main
from lowbit.generators.flow.sdc import sdc_text
from lowbit.generators.flow.tools import tool_environment, verilator_program
from lowbit.generators.registry import GENERATORS, find
from lowbit.generators.verilog.emit import Emitted
from lowbit.tb.support.designs import LINES, emitted, parameters

#: the first line of every generator, and those with another reset, other ports, no clock
DESIGNS = tuple(dict.fromkeys(
    [next(line for line in LINES if line.split()[0] == name) for name in GENERATORS]
    + [line for line in LINES if line.split()[0] in ("lut_core", "dot_core")
       and "async_low" in line]))
SMALL = "lut_dot --a-format int8"
CORE = "lut_core --N 2"
ACCELERATOR = next(line for line in LINES if line.startswith("accel "))
#: no Verilator: a program that is not there is told so by the test that wants it
VERILATOR = str(verilator_program())


def bundle(line: str) -> dict[str, str]:
    return bundle_files(emitted(line), parameters(line), find(line.split()[0]))


def stub(design: Emitted) -> str:
    """The top module with nothing inside."""
    text = design.verilog
    start = text.index(f"module {design.top} (")
    return text[start:text.index(");", start) + 2] + "\nendmodule\n"


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def run(words: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, env=tool_environment() | variables, text=True,
                          capture_output=True, timeout=300)


def load(text: str, name: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = f"/nowhere/{name}.py"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")         # Migen, on its first import
        exec(compile(text, name, "exec"), module.__dict__)
    return module


# -- every generator ------------------------------------------------------------------------------
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


@pytest.mark.parametrize("line", DESIGNS)
def test_page(line: str) -> None:
    """Each file and each port has its row, with the width that the Verilog has."""
    files, design = bundle(line), emitted(line)
    page = files["README.md"]
    head = page[:page.index("## Ports")]
    assert set(re.findall(r"^\| `(\S+)` \|", head, re.M)) == set(files)
    rows = re.findall(r"^\| `(\w+)` \| (input|output) \| (\d+) \|", page, re.M)
    ports = re.findall(r"^  (input|output) +(?:wire|reg) +(?:\[(\d+):0\])? *(\w+),?$",
                       stub(design), re.M)
    assert rows == [(name, direction, str(int(high or 0) + 1)) for direction, high, name in ports]
    assert "{" not in page and all(text.endswith("\n") for text in files.values())


def test_accelerator_brings_its_own() -> None:
    files = bundle(ACCELERATOR)
    assert {"accel.h", "accel.rdl", "accel_registers.md", "accel_memory.md"} <= set(files)
    assert "accel_ram.v" not in files and "| `accel.h` | c header: " in files["README.md"].lower()
    assert files["accel.sdc"] == sdc_text(emitted(ACCELERATOR).manifest)


def test_black_boxes() -> None:
    """Models of memories are for simulation, and black boxes to LibreLane."""
    bundle = Contents(emitted(ACCELERATOR).manifest, {"accel_ram.v": "models"})
    assert json.loads(config_text(bundle))["EXTRA_VERILOG_MODELS"] == ["dir::accel_ram.v"]
    assert file_list(bundle).splitlines()[1:] == ["accel.v", "accel_ram.v"]
    core = core_text(bundle)
    assert ("  models:\n    files: [accel_ram.v]\n    file_type: verilogSource-2005\n"
            "    tags: [simulation]\n" in core)
    assert "filesets: [rtl, models, waivers]" in core


# -- FuseSoC --------------------------------------------------------------------------------------
def fusesoc(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("fusesoc"))
    return run([program, "--cores-root", ".", *words], folder, HOME=str(folder),
               XDG_CONFIG_HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CACHE_HOME=str(folder))


def test_fusesoc_knows_all_cores(tmp_path: Path) -> None:
    cores = set()
    for line in DESIGNS:
        top = emitted(line).top
        cores.add(f":lowbit:{top}:{emitted(line).manifest['version']}")
        write(tmp_path / top, {f"{top}.core": bundle(line)[f"{top}.core"]})
    done = fusesoc(tmp_path, "core", "list")
    assert set(re.findall(r"^(:lowbit:\S+)", done.stdout, re.M)) == cores, done.stderr


def test_fusesoc_lints_and_sets_up(tmp_path: Path) -> None:
    """The lint target has all warnings on: without the waivers it fails."""
    write(tmp_path, bundle(SMALL))
    done = fusesoc(tmp_path, "run", "--target", "lint", "lut_dot")
    assert done.returncode == 0, done.stdout + done.stderr
    done = fusesoc(tmp_path, "run", "--setup", "--target", "synth", "lut_dot")
    assert done.returncode == 0, done.stderr
    script = "".join(path.read_text() for path in tmp_path.glob("build/*/synth/*.tcl"))
    assert "synth_ecp5" in script and "lut_dot.v" in script
    assert re.search(r"set top +lut_dot$", script, re.M)
    (tmp_path / "lut_dot.vlt").write_text("`verilator_config\n")
    done = fusesoc(tmp_path, "run", "--target", "lint", "lut_dot")
    assert done.returncode != 0 and "DECLFILENAME" in done.stdout + done.stderr


# -- lists, constraints, LibreLane ----------------------------------------------------------------
def test_file_list(tmp_path: Path) -> None:
    """Commands of the bundle's page, as they are there."""
    files = bundle(SMALL)
    write(tmp_path, files)
    row = next(row for row in files["README.md"].splitlines() if row.startswith("**`lut_dot.f`"))
    commands = re.findall(r"`((?:verilator|iverilog) [^`]*)`", row)
    assert len(commands) == 2
    for command in commands:
        program, *words = command.split()
        if program == "iverilog" and shutil.which(program) is None:
            continue
        done = run([VERILATOR if program == "verilator" else program, *words], tmp_path)
        assert done.returncode == 0 and "%" not in done.stderr, done.stderr


SDC_COMMANDS = """
set ports {{{ports}}}
foreach name {{current_design create_clock set_input_delay set_output_delay}} {{
  proc $name args "puts \\[list $name {{*}}\\$args\\]"
}}
proc get_ports name {{
  if {{[lsearch -exact [dict keys $::ports] $name] < 0}} {{ error "no port $name" }}
  return $name
}}
proc all_of direction {{
  set found {{}}
  dict for {{name is}} $::ports {{ if {{$is eq $direction}} {{ lappend found $name }} }}
  return $found
}}
proc all_inputs {{}} {{ all_of input }}
proc all_outputs {{}} {{ all_of output }}
source design.sdc
"""


@pytest.mark.parametrize("line", [SMALL, CORE, "lut_core --N 12 --a-format int8 --reset async_low"])
def test_constraints_as_tcl(line: str, tmp_path: Path) -> None:
    """Every port but the clock has a delay on the clock's own name; no other command occurs."""
    if (tcl := shutil.which("tclsh")) is None:
        pytest.skip("needs tclsh")
    design = emitted(line)
    ports = {port["name"]: port["direction"] for port in design.manifest["ports"]}
    write(tmp_path, {"design.sdc": sdc_text(design.manifest, 4.0), "run.tcl": SDC_COMMANDS.format(
        ports=" ".join(itertools.chain.from_iterable(ports.items())))})
    done = run([tcl, "run.tcl"], tmp_path)
    assert done.returncode == 0, done.stderr
    has_clock = design.manifest["clock"] is not None
    clock = "clk" if has_clock else "virtual_clock"
    inputs = " ".join(name for name, is_ in ports.items() if is_ == "input" and name != "clk")
    outputs = " ".join(name for name, is_ in ports.items() if is_ == "output")
    assert done.stdout.splitlines() == [
        f"current_design {design.top}",
        f"create_clock -name {clock} -period 4{' clk' if has_clock else ''}",
        f"set_input_delay 0.8 -clock {clock} {{{inputs}}}",
        f"set_output_delay 0.8 -clock {clock} "
        + (f"{{{outputs}}}" if " " in outputs else outputs)]


@pytest.mark.parametrize("line", [SMALL, CORE])
def test_constraints_in_opensta(line: str, tmp_path: Path) -> None:
    if (sta := shutil.which("sta")) is None:
        pytest.skip("needs OpenSTA")
    design = emitted(line)
    netlist = re.sub(r"//.*|\bwire\b", "", stub(design))
    write(tmp_path, {"design.v": netlist, "design.sdc": sdc_text(design.manifest, 4.0, unit_ns=.1),
                     "run.tcl": f"read_verilog design.v\nlink_design {design.top}\n"
                     "read_sdc design.sdc\nwrite_sdc -no_timestamp out.sdc\nexit\n"})
    done = run([sta, "-no_splash", "-no_init", "-exit", "run.tcl"], tmp_path)
    if "read_liberty" in done.stdout + done.stderr:
        pytest.skip("this OpenSTA reads no netlist without a library")
    assert "Error" not in done.stdout + done.stderr
    out = (tmp_path / "out.sdc").read_text()
    assert "-period 40.0" in out
    bits = {"input": 0, "output": 0}
    for port in design.manifest["ports"]:
        bits[port["direction"]] += port["width"] * (port["name"] != "clk")
    for direction, count in bits.items():
        assert len(re.findall(rf"^set_{direction}_delay 8\.0* ", out, re.M)) == count


#: variables of LibreLane 3.0.17 (flow Classic and its steps), with the type of each
LIBRELANE = {"DESIGN_NAME": str, "VERILOG_FILES": list, "CLOCK_PORT": (str, type(None)),
             "CLOCK_PERIOD": (int, float), "IO_DELAY_CONSTRAINT": (int, float), "LINTER_VLT": str,
             "EXTRA_VERILOG_MODELS": list, "RUN_CTS": bool}


@pytest.mark.parametrize("line", [SMALL, CORE])
def test_librelane_configuration(line: str) -> None:
    """Only variables that there are; what is set is the manifest's. (LibreLane itself brings more
    than 180 MB: its classes read these files once, when this list was made.)"""
    files, design = bundle(line), emitted(line)
    config = json.loads(files["config.json"])
    assert config.pop("//") == f"{design.manifest['generated']}: {design.manifest['command']}"
    assert config.pop("meta") == {"version": 2, "flow": "Classic"}
    for name, value in config.items():
        assert isinstance(value, LIBRELANE[name])       # type: ignore[arg-type]
    assert re.fullmatch("[_a-zA-Z][_a-zA-Z0-9]+", config["DESIGN_NAME"])
    for file in (*config["VERILOG_FILES"], config["LINTER_VLT"]):
        assert file.removeprefix("dir::") in files and file.startswith("dir::")
    clock = design.manifest["clock"]
    assert config["CLOCK_PORT"] == (clock and clock["port"])
    assert config["CLOCK_PERIOD"] == 10 and config.get("RUN_CTS", True) == bool(clock)


# -- the folder -----------------------------------------------------------------------------------
COMMAND = ["lut_dot", "--a-format", "int8", "--K", "2"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Same bytes twice, in a new folder and in an empty one; names follow --top."""
    (tmp_path / "two").mkdir()
    for name in ("one", "two"):
        assert main([*COMMAND, "--top", "mine", "--prefix", "x_", "--bundle",
                     str(tmp_path / name)]) == 0
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1 and "mine" in printed.err
    files = contents(tmp_path / "one")
    assert files == contents(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert {"mine.v", "mine.json", "mine.core", "mine_litex.py", "README.md"} <= set(files)
    assert all(b"Generated by lowbit" in data[:200] for data in files.values())
    assert not any(str(tmp_path).encode() in data for data in files.values())
    assert b"class Mine(" in files["mine_amaranth.py"]
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "two").stat().st_mode


def test_period(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fp16_pe", "--clock", "2.5", "--bundle", str(tmp_path / "b")]) == 0
    assert "set clk_period 2.5\n" in (tmp_path / "b" / "fp16_pe.sdc").read_text()
    assert json.loads((tmp_path / "b" / "config.json").read_text())["CLOCK_PERIOD"] == 2.5
    assert "constrained to 2.5 ns" in (tmp_path / "b" / "README.md").read_text()
    capsys.readouterr()


@pytest.mark.parametrize(("words", "message"), [
    (["--bundle", "full"], "--bundle must name a new or empty folder; full holds a and 1 more"),
    (["--bundle", "file"], "--bundle must name a folder; file is a file"),
    (["--bundle", "no/where"], "--bundle must lie in an existing directory; no does not exist"),
    (["--bundle", "new", "-o", "x.v"], "-o and --bundle both name an output; leave one out"),
    ([], "required: -o FILE.v or --bundle DIR"),
    (["--bundle", "new", "--top", "1x"], "--top must be a Verilog identifier"),
    (["--bundle", "new", "--K", "9"], "--K must be")])
def test_refusals(words: list[str], message: str, tmp_path: Path,
                  monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "full", {"a": "", "b": ""})
    write(tmp_path, {"file": ""})
    assert main(["lut_dot", "--a-format", "int8", *words]) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "file", "full"]


@pytest.mark.parametrize("exists", [False, True])
def test_nothing_half_written(exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                              capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that cannot take its place leaves nothing; an empty one that was there stays."""
    if exists:
        (tmp_path / "b").mkdir()

    def failing(*_: object) -> None:
        assert any((path / "README.md").is_file() for path in tmp_path.iterdir())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_writing, "_take_place", failing)
    assert main([*COMMAND, "--bundle", str(tmp_path / "b")]) == 2
    assert "No space left" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["b"] * exists
