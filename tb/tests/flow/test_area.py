"""The synthesis flow: libraries, recipes, timing, ``gen area``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lowbit.generators import cli
from lowbit.generators.errors import CheckFailed, UsageError
from lowbit.generators.flow import generic, liberty, synthesis, timing
from lowbit.generators.flow.pdk import find_pdk
from lowbit.generators.flow.recipes import find_recipe
from lowbit.generators.flow.synthesis import best_of, synthesize
from lowbit.generators.flow.yosys import run_yosys

from ...support.cells import TINY, tiny
from ...support.pdks import pdk_files

MAC = """module mac(input clk, input rst, input signed [7:0] a, b, output reg signed [31:0] acc);
always @(posedge clk) if (rst) acc <= 0; else acc <= acc + a*b;
endmodule
"""
PAIRS = """module leaf(input a, b, output y); assign y = ~(a & b); endmodule
module pair(input clk, input [1:0] a, b, output [1:0] y, output reg q);
leaf u0(a[0], b[0], y[0]); leaf u1(a[1], b[1], y[1]);
always @(posedge clk) q <= y[0];
endmodule
module top(input clk, input [3:0] a, b, output [3:0] y, output [1:0] q);
pair p0(clk, a[1:0], b[1:0], y[1:0], q[0]);
pair p1(.clk(clk), .a(a[3:2]), .b(b[3:2]), .y(y[3:2]), .q(q[1]));
endmodule
"""
GENERIC = liberty.embedded()
needs_sta = pytest.mark.skipif(timing.find_sta() is None, reason="OpenSTA is not installed; put "
                               "sta or opensta on PATH (Debian: sudo apt-get install opensta)")




def test_embedded_library() -> None:
    assert GENERIC.nand2.name == "nand2" and GENERIC.nand2.area == 1
    assert GENERIC.driver.name == "buf"
    assert GENERIC.flip_flops == {"dff", "dffr", "dffs"} and not GENERIC.enable_flip_flops
    inverter, xor2 = GENERIC.smallest((1, 0)), GENERIC.smallest((0, 1, 1, 0))
    assert inverter and xor2 and inverter.area < GENERIC.nand2.area < xor2.area
    assert generic.liberty_text() == generic.liberty_text()


def test_missing_flip_flops_are_named(tmp_path: Path) -> None:
    file = tmp_path / "cells.lib"
    file.write_text(tiny(*TINY))
    with pytest.raises(UsageError, match="flip-flop"):
        synthesize(MAC, "mac", liberty.load([file]))


@pytest.mark.parametrize(("argv", "words"), [
    (["--recipe", "plian"], "did you mean plain"),
    (["--pdk", "sky130hdd"], "did you mean sky130hd"),
    (["--pdk", "sky130hd", "--liberty", "x.lib"], "exclude each other"),
    (["--clock", "0"], "--clock"), (["--clock", "nan"], "--clock"),
    (["--liberty", "."], "is a directory")])
def test_wrong_usage(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["area", "lut_dot", *argv]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and words in err


def test_pdk_is_found_in_ciels_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PDK_ROOT", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    with pytest.raises(UsageError, match="PDK_ROOT"):
        find_pdk("sky130hd")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    with pytest.raises(UsageError, match="ciel enable"):
        find_pdk("sg13g2")
    for name, path in (
            ("sky130hd", "sky130A/libs.ref/sky130_fd_sc_hd/lib/"
                         "sky130_fd_sc_hd__tt_025C_1v80.lib"),
            ("sg13g2", "ihp-sg13g2/libs.ref/sg13g2_stdcell/lib/"
                       "sg13g2_stdcell_typ_1p20V_25C.lib"),
            ("gf180mcu", "gf180mcuD/libs.ref/gf180mcu_fd_sc_mcu7t5v0/lib/"
                         "gf180mcu_fd_sc_mcu7t5v0__tt_025C_5v00.lib")):
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.write_text(tiny(*TINY))
        assert find_pdk(name) == [file]
    # a library of five files, whose names end in a date: the newest counts
    folder = tmp_path / "asap7" / "nldm"
    folder.mkdir(parents=True)
    names = [f"asap7sc7p5t_{part}_RVT_TT_nldm_{date}.lib.gz"
             for part in ("AO", "INVBUF", "OA", "SEQ", "SIMPLE") for date in (211120, 220122)]
    for name in names[:-2]:
        (folder / name).touch()
    with pytest.raises(UsageError, match="SIMPLE"):
        find_pdk("asap7")
    for name in names[-2:]:
        (folder / name).touch()
    assert sorted(path.name for path in find_pdk("asap7")) == names[1::2]


def test_same_area_every_time_and_the_recipes_of_a_mac() -> None:
    """The default fuses multiply and add badly: the trap that a ratio must not rest on."""
    runs = best_of(MAC, "mac", GENERIC, ("plain", "noalumacc", "booth", "booth+amap"))
    assert list(runs) == ["booth+amap", "booth", "noalumacc", "plain"]
    assert runs["noalumacc"].area < 0.8 * runs["plain"].area
    again = synthesize(MAC, "mac", GENERIC)
    assert again == runs["plain"]
    assert again.flip_flops == 32 and again.flip_flop_area == 32 * 6
    assert again.area == sum(n * GENERIC.cells[cell].area for cell, n in again.cells.items())


#: cells that few libraries name alike: pins in an order that says nothing
SPECIAL = """  cell(fulladd) { area : 5; %s
    pin(Z) { direction : input; } pin(M) { direction : input; } pin(A) { direction : input; }
    pin(C) { direction : output; function : "(M*Z)+(A*(M^Z))"; }
    pin(B) { direction : output; function : "M^Z^A"; }
  }
  cell(gate) { area : 3; clock_gating_integrated_cell : latch_posedge;
    pin(CK) { direction : input; clock : true; clock_gate_clock_pin : true; }
    pin(E) { direction : input; clock_gate_enable_pin : true; }
    pin(GCK) { direction : output; clock_gate_out_pin : true; }
  }
"""
SUM = """module sums(input clk, input en, input [7:0] a, b, c, output reg [9:0] y);
always @(posedge clk) if (en) y <= a + b + c;
endmodule
"""


def special_cells(tmp_path: Path, attribute: str = "") -> liberty.Library:
    """The generic library with a full adder and a clock gate."""
    file = tmp_path / "special.lib"
    text = generic.liberty_text().rstrip()
    assert text.endswith("}")
    file.write_text(text[:-1] + SPECIAL % attribute + "}\n")
    return liberty.load([file])


def test_full_adders_and_clock_gates(tmp_path: Path) -> None:
    library = special_cells(tmp_path)
    adder = library.full_adder
    assert adder is not None and adder.full_adder == ("A", "M", "Z", "C", "B")
    assert library.has_clock_gate and "gate" not in library.flip_flops
    plain = synthesize(SUM, "sums", library)
    assert not {"fulladd", "gate"} & set(plain.cells)
    both = synthesize(SUM, "sums", library, "fa+clockgate")
    assert both.cells["fulladd"] >= 8 and both.cells["gate"] == 1
    assert both.area == sum(n * library.cells[cell].area for cell, n in both.cells.items())
    assert both.flip_flops == plain.flip_flops == 10 and both.area < plain.area
    assert set(best_of(SUM, "sums", library, ("plain", "fa", "clockgate"))) == {
        "plain", "fa", "clockgate"}


def test_full_adders_add(tmp_path: Path) -> None:
    """Every sum that the map makes is Yosys' own."""
    library = special_cells(tmp_path)
    assert library.full_adder is not None
    (tmp_path / "map.v").write_text(synthesis._full_adder_map(library.full_adder))
    (tmp_path / "t.v").write_text("module t(input [2:0] a, b, c, output [2:0] x, y);\n"
                                  "\\$fa #(.WIDTH(3)) f(.A(a), .B(b), .C(c), .X(x), .Y(y));\n"
                                  "endmodule\n")
    cells, = library.write(tmp_path)
    run_yosys([f"read_liberty -ignore_miss_func {cells}", "read_verilog -icells t.v",
               "copy t mapped", "techmap -map map.v mapped", "select -assert-count 3 "
               "mapped/t:fulladd", "flatten mapped", "equiv_make t mapped both",
               "techmap both", "equiv_simple both", "equiv_status -assert both"], tmp_path)


@pytest.mark.parametrize(("recipe", "cell"), [("fa", "full adder"), ("clockgate", "clock gate")])
def test_recipes_without_their_cell(tmp_path: Path, recipe: str, cell: str) -> None:
    """Refused by name, left out of the set that best is taken from."""
    with pytest.raises(UsageError, match=f"--recipe {recipe} needs a {cell}"):
        synthesize(SUM, "sums", GENERIC, recipe)
    assert list(best_of(SUM, "sums", GENERIC, ("plain", recipe))) == ["plain"]
    assert special_cells(tmp_path, "dont_use : true;").full_adder is None


def test_a_replaced_library_is_read_anew(tmp_path: Path) -> None:
    """Yosys' own cache would answer with the former library where the file's date is old."""
    (tmp_path / "t.v").write_text("module t(input a, b, output y); assign y = ~(a & b);endmodule")
    kinds = []
    for first, second in (("!(A&B)", "!(A+B)"), ("!(A+B)", "!(A&B)")):
        (tmp_path / "cells.lib").write_text(tiny(*TINY[:2], f"ONE 2 {first}", f"TWO 2 {second}"))
        os.utime(tmp_path / "cells.lib", (1_500_000_000,) * 2)
        log = run_yosys(["read_verilog t.v", "synth -top t", "abc -liberty cells.lib",
                         "stat -liberty cells.lib"], tmp_path)
        kinds.append(re.findall("ONE|TWO", log[log.rindex("Printing statistics"):]))
    assert kinds == [["ONE"], ["TWO"]]


def test_each_module_once() -> None:
    result = synthesize(PAIRS, "top", GENERIC, flatten=False)
    found = {m.name: (m.instances, m.area, m.flip_flops) for m in result.modules}
    assert found == {"top": (1, 0, 0), "pair": (2, 6, 1), "leaf": (4, 1, 0)}
    assert (result.area, result.flip_flops, result.cells) == (16, 2, {"dff": 2, "nand2": 4})
    assert synthesize(PAIRS, "top", GENERIC).area == 16
    assert synthesize(PAIRS, "top", GENERIC, late=True).area == 16


@needs_sta
def test_longest_path_of_known_logic() -> None:
    """A chain of gates whose delay logical effort gives by hand."""
    result = synthesize("module t(input clk, a, output reg q); always @(posedge clk) q <= a;"
                        "endmodule", "t", GENERIC, "sized")
    # clock to output 8 TAU; the output load of 5 fF is 2.5 unit inverters of 2 fF
    assert result.path_ns == pytest.approx(10.5 * generic.TAU_NS, abs=1e-5)
    assert result.path_tool.startswith("OpenSTA") and result.path_ends == ("q", "q")
    through = synthesize("module t(input a, output y); assign y = ~a; endmodule", "t",
                         GENERIC, "sized")
    # inverter 1 + 2.5, and its input on the driving buffer: the part that the load causes, 1
    assert through.path_ns == pytest.approx(4.5 * generic.TAU_NS, abs=1e-5)
    constant = synthesize("module t(input a, output y); assign y = 1; endmodule", "t",
                          GENERIC, "sized")
    assert constant.path_ns is None


def test_path_without_opensta(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "find_sta", lambda: None)
    result = synthesize(MAC, "mac", GENERIC, "sized")
    assert result.path_tool.startswith("abc") and 0.3 < (result.path_ns or 0) < 3


@needs_sta
def test_shared_enable_is_buffered() -> None:
    """An enable pin is outside abc's view: on enable flip-flops its net would stay unbuffered."""
    source = ("module t(input clk, input [1:0] e, input [511:0] d, output reg [511:0] q);"
              "always @(posedge clk) if (&e) q <= d; endmodule")
    sky = liberty.load(pdk_files("sky130hd"))
    plain = synthesize(source, "t", sky)
    assert plain.cells.get("sky130_fd_sc_hd__edfxtp_1") == 512
    sized = synthesize(source, "t", sky, "sized")
    assert "sky130_fd_sc_hd__edfxtp_1" not in sized.cells
    assert sized.path_ns is not None and sized.path_ns < 3


def test_real_libraries() -> None:
    sizes = []
    for name in ("sky130hd", "sg13g2", "asap7"):
        library = liberty.load(pdk_files(name))
        result = synthesize(MAC, "mac", library, "booth")
        assert result.flip_flops == 32
        sizes.append(result.gate_equivalents)
    # one design, three technologies: the gate equivalents agree within a quarter
    assert max(sizes) < 1.25 * min(sizes)
    if timing.find_sta():
        result = synthesize(MAC, "mac", liberty.load(pdk_files("sg13g2")), "sized")
        assert result.path_ns is not None and 1 < result.path_ns < 8


def test_yosys_errors_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"read_verilog nothing\.v"):
        run_yosys(["read_verilog nothing.v"], tmp_path)


def test_unknown_recipe() -> None:
    with pytest.raises(UsageError, match="must be one of plain"):
        find_recipe("fast")
    with pytest.raises(ValueError, match="longest path"):
        synthesize(MAC, "mac", GENERIC, "plain", path=True)


def test_gen_area() -> None:
    """The command as a user runs it, in a pipe: report on stdout, nothing on stderr."""
    command = [sys.executable, "-c", "from lowbit.generators.cli import main; raise SystemExit"
               "(main())", "area", "lut_core", "--a-format", "int8", "--M", "1", "--N", "2",
               "--K", "3"]
    run = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == ""
    report = json.loads(run.stdout)
    assert report["area"] == pytest.approx(sum(m["area"] for m in report["modules"]))
    assert report["area"] > 20
    assert sum(m["share"] for m in report["modules"]) == pytest.approx(1)
    assert report["gate_equivalents"] == report["area"] and report["area_unit"] == "GE"
    assert report["conditions"]["libraries"] == GENERIC.describe()
    assert report["path"]["ns"] > 0
    text = subprocess.run([*command, "--no-timing", "--recipe", "best", "--flatten"],
                          capture_output=True, text=True).stdout
    for words in ("lut_core --K 3 --a-format int8 --M 1 --N 2", "longest path      not computed",
                  "best of plain, amap", GENERIC.hashes[0][:16], "pyosys"):
        assert words in text
