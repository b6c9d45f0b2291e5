"""The netlist that ``gen area`` hands over: simulated by the product's bench, proved, timed."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from lowbit.generators import cli
from lowbit.generators.errors import UsageError
from lowbit.generators.flow import generic, liberty, timing
from lowbit.generators.flow.power.cells import read_cells
from lowbit.generators.flow.power.models import models
from lowbit.generators.flow.prove import prove_equal

from ...support.pdks import pdk_files

CORE = ["lut_core", "--M", "1", "--N", "1", "--K", "2", "--a-format", "int8", "--w-bits", "1",
        "--no-zero-point", "--max-k", "16", "--no-preload"]
needs_sta = pytest.mark.skipif(timing.find_sta() is None, reason="OpenSTA is not installed; put "
                               "sta or opensta on PATH (Debian: sudo apt-get install opensta)")


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a core's netlist, its constraints and its cell library."""
    folder = tmp_path_factory.mktemp("netlist")
    (folder / "cells.lib").write_text(generic.liberty_text())
    with (folder / "report.json").open("w") as file, contextlib.redirect_stdout(file):
        assert cli.main(["area", *CORE, "--liberty", str(folder / "cells.lib"), "--json",
                         "--netlist", str(folder / "core.v"),
                         "--sdc", str(folder / "core.sdc")]) == 0
    return folder


def _verify(folder: Path, netlist: Path, *words: str) -> int:
    return cli.main(["verify", *CORE, "--netlist", str(netlist), "--liberty",
                     str(folder / "cells.lib"), "--vectors", "20", *words])


def _mutant(folder: Path) -> Path:
    """One NAND is a NOR."""
    text = (folder / "core.v").read_text()
    path = folder / "mutant.v"
    path.write_text(re.sub(r"\bnand2 ", "nor2 ", text, count=1))
    assert path.read_text() != text
    return path


def test_bench_on_the_netlist(handed_over: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From X everywhere in Icarus; logic that was made smaller may keep an X that the design does
    not, and then from random registers in Verilator."""
    status = _verify(handed_over, handed_over / "core.v", "--json")
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert status == 0 and found["passed"] and found["words"] >= 20
    assert found["netlist"].endswith("core.v")
    assert found["simulator"] == ("verilator" if "X reaches an output" in shown.err else "icarus")


def test_icarus_starts_with_x(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A combinational netlist has no start: it passes in Icarus."""
    cells = tmp_path / "cells.lib"
    cells.write_text(generic.liberty_text())
    words = ["lut_dot", "--K", "1", "--a-format", "int8", "--liberty", str(cells)]
    assert cli.main(["area", *words, "--netlist", str(tmp_path / "dot.v")]) == 0
    assert cli.main(["verify", *words, "--netlist", str(tmp_path / "dot.v"), "--vectors", "20",
                     "--sim", "icarus"]) == 0
    assert "icarus" in capsys.readouterr().out


def test_bench_sees_a_mutant(handed_over: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _verify(handed_over, _mutant(handed_over)) == 1
    assert "verification failed" in capsys.readouterr().err


def test_proof_and_its_mutant(handed_over: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _verify(handed_over, handed_over / "core.v", "--prove") == 0
    assert "proved in" in capsys.readouterr().out
    assert _verify(handed_over, _mutant(handed_over), "--prove") == 1
    assert "not proved equal" in capsys.readouterr().err


@needs_sta
def test_constraints_give_the_path_again(handed_over: Path) -> None:
    """Netlist and constraints alone, in OpenSTA: the path of the report."""
    library = handed_over / "cells.lib"
    path = json.loads((handed_over / "report.json").read_text())["path"]["ns"]
    script = handed_over / "again.tcl"
    script.write_text(f"read_liberty {library}\nread_verilog {handed_over / 'core.v'}\n"
                      "link_design lut_core\n"
                      f"read_sdc {handed_over / 'core.sdc'}\nreport_checks -digits 6\nexit\n")
    done = subprocess.run([str(timing.find_sta()), "-no_splash", "-no_init", "-exit", str(script)],
                          capture_output=True, text=True, check=True)
    slack = re.search(r"(-?[\d.]+)\s+slack", done.stdout)
    assert slack and "Error" not in done.stdout + done.stderr
    assert path == pytest.approx(1 - float(slack[1]), abs=1e-6)


def test_wrong_usage(handed_over: Path, capsys: pytest.CaptureFixture[str]) -> None:
    netlist = str(handed_over / "core.v")
    for argv, words in (
            (["verify", "lut_dot", "--prove"], "belong to a netlist"),
            (["verify", "lut_dot", "--netlist", netlist], "has no module lut_dot"),
            (["verify", "lut_dot", "--netlist", str(handed_over / "none.v")], "cannot read"),
            (["area", "lut_dot", "--netlist", "x.json"], "must end in .v"),
            (["area", "lut_dot", "--sdc", str(handed_over / "no" / "x.sdc")], "does not exist"),
            (["area", "lut_dot", "--netlist", netlist, "--no-timing"], "--no-timing")):
        assert cli.main(argv) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and words in error, error


def test_models_of_flip_flops_and_latches(tmp_path: Path) -> None:
    """Clear before preset, a state of both; a gate as its function."""
    text = generic.liberty_text()
    more = """ cell(R) { area : 1; ff(S, SN) { clocked_on : "C"; next_state : "D"; clear : "!RB";
  preset : "P"; clear_preset_var1 : H; }
  pin(C) { direction : input; } pin(D) { direction : input; } pin(RB) { direction : input; }
  pin(P) { direction : input; } pin(Q) { direction : output; function : "S"; }
  pin(QN) { direction : output; function : "SN"; } }
 cell(L) { area : 1; latch(S, SN) { enable : "G"; data_in : "D"; }
  pin(G) { direction : input; } pin(D) { direction : input; }
  pin(Q) { direction : output; function : "S"; } }
 cell(Z) { area : 1; pin(A) { direction : input; }
  pin(Y) { direction : output; function : "A"; three_state : "!A"; } }
}"""
    file = tmp_path / "more.lib"
    file.write_text(text.rstrip().removesuffix("}") + more)
    library = liberty.load([file])
    found = models(read_cells(library, ["R", "L"]))
    assert "always @(posedge _clock or posedge _clear or posedge _preset)" in found
    order = [found.index(text) for text in ("if (_clear & _preset) _state_S <= 1'b1",
                                            "else if (_clear) _state_S <= 1'b0",
                                            "else if (_preset) _state_S <= 1'b1",
                                            "else _state_S <= D")]
    assert order == sorted(order) and "assign QN = (~_state_S);" in found
    assert "if (G) _state_S = D;" in found
    with pytest.raises(UsageError, match="output Y without a function"):
        read_cells(library, ["Z"])


@pytest.mark.parametrize("pdk", ["sky130hd", "sg13g2"])
def test_models_equal_yosys_reading(pdk: str) -> None:
    """Gates of real libraries, as Yosys reads their functions: full adders and inverters."""
    library = liberty.load(pdk_files(pdk))
    adder = library.full_adder
    chosen = [cell for cell in (adder, library.nand2, library.smallest((1, 0))) if cell]
    for cell in chosen:
        pins = read_cells(library, [cell.name])
        ports = [*pins.cells[cell.name].inputs, *pins.cells[cell.name].outputs]
        a, b, c = (cell.full_adder or (*pins.cells[cell.name].inputs, "", ""))[:3]
        rules = [f"assign {cell.full_adder[3]} = {a}&{b} | {a}&{c} | {b}&{c};",
                 f"assign {cell.full_adder[4]} = {a}^{b}^{c};"] if cell.full_adder else \
            [f"assign {ports[-1]} = ~{'(' + a + ' & ' + b + ')' if b else a};"]
        spec = "\n".join([f"module spec({', '.join(ports)});",
                          *(f"input {pin};" for pin in pins.cells[cell.name].inputs),
                          *(f"output {pin};" for pin in pins.cells[cell.name].outputs),
                          *rules, "endmodule"])
        assert prove_equal(models(pins), cell.name, spec).proved, cell.name
