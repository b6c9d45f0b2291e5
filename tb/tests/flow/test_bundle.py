"""``gen GENERATOR --bundle DIR``: every file in the tool that it is for."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lowbit.generators import files as file_writing
from lowbit.generators.bundle.contents import Contents
from lowbit.generators.bundle.fusesoc import core_text
from lowbit.generators.bundle.librelane import config_text
from lowbit.generators.bundle.verilator import file_list
from lowbit.generators.cli import main
from lowbit.generators.flow.sdc import sdc_text
from lowbit.tb.support.bundles import CORE, DESIGNS, SMALL, VERILATOR, bundle, run, stub, write
from lowbit.tb.support.designs import LINES, emitted

ACCELERATOR = next(line for line in LINES if line.startswith("accel "))


# -- every generator ------------------------------------------------------------------------------
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
