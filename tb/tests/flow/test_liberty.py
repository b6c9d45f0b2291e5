"""Liberty files: what is read from them, which forms are taken, what is refused and how."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lowbit.generators import cli
from lowbit.generators.errors import UsageError
from lowbit.generators.flow import liberty
from lowbit.generators.flow.liberty_text import reduce_liberty
from lowbit.generators.flow.synthesis import synthesize

from ...support.cells import TINY, tiny

MAC = """module mac(input clk, input rst, input signed [7:0] a, b, output reg signed [31:0] acc);
always @(posedge clk) if (rst) acc <= 0; else acc <= acc + a*b;
endmodule
"""
#: a flip-flop with enable, one with reset and inverted output, a latch, a gate
STEP = """module step(input clk, e, d, r, g, output reg q, n, l, output y);
always @(posedge clk) if (e) q <= d;
always @(negedge clk or negedge r) if (!r) n <= 0; else n <= !d;
always @* if (g) l = d;
assign y = ~(d & e);
endmodule
"""
#: three flip-flops, one with an enable, and a latch, with what a cell of a real library has beside
STATE = """ cell (DF) {
  area : 5;
  pg_pin (VDD) { pg_type : primary_power; voltage_name : "VDD"; }
  leakage_power () { value : 1.5; when : "CK&!D"; }
  ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; power_down_function : "!VDD"; }
  pin (CK) { direction : input; clock : true; capacitance : 0.001; }
  pin (D) { direction : input; capacitance : 0.001;
    internal_power () { rise_power (scalar) { values ("0.1"); } } }
  pin (Q) { direction : output; function : "IQ"; }
 }
 cell (DE) {
  area : 4;
  ff (IQ, IQN) { clocked_on : "CK"; next_state : "(E & D) | (!E & IQ)"; }
  pin (CK) { direction : input; clock : true; capacitance : 0.001; }
  pin (D) { direction : input; capacitance : 0.001; }
  pin (E) { direction : input; capacitance : 0.001; }
  pin (Q) { direction : output; function : "IQ"; }
 }
 cell (DFN) {
  area : 5.5;
  ff (IQ, IQN) { clocked_on : "!CKN"; next_state : "!D"; clear : "!RN"; }
  pin (CKN) { direction : input; clock : true; capacitance : 0.001; }
  pin (D) { direction : input; capacitance : 0.001; }
  pin (RN) { direction : input; capacitance : 0.001; }
  pin (QN) { direction : output; function : "IQ"; }
 }
 cell (LA) {
  area : 3;
  latch (IQ, IQN) { enable : "G"; data_in : "D"; }
  pin (G) { direction : input; capacitance : 0.001; }
  pin (D) { direction : input; capacitance : 0.001; }
  pin (Q) { direction : output; function : "IQ"; }
 }
"""
PLAIN = tiny(*TINY)[:-2] + STATE + "}\n"
#: forms that commercial tools take; each must be read as PLAIN is
FORMS: dict[str, tuple[tuple[str, str], ...]] = {
    "plain": (),
    "bare power down": (('power_down_function : "!VDD";', "power_down_function : !VDD+VSS ;"),),
    "bare enable": (('enable : "G"', "enable : (G)"),),
    "bare clear": (('clear : "!RN"', "clear : !RN"),),
    "bare clock": (('clocked_on : "CK"', "clocked_on : (CK)"),),
    "bare function": (('function : "!(A&B)"', "function : !(A&B)"),
                      ('function : "IQ"', "function : IQ")),
    "bare next state": (('next_state : "(E & D) | (!E & IQ)"',
                         "next_state : ((E & D) | (!E & IQ))"),),
    "two semicolons": ((";", ";;"),),
    "carriage returns": (("\n", "\r\n"),),
    "byte-order mark": (("library(", "\ufefflibrary("),),
    "no semicolon": (("area : 5;", "area : 5"), ('"!VDD";', '"!VDD"')),
    "comments": (("area : 5;", "area /* with { */ : 5; /* } */"),),
    "wire load": (("capacitive_load_unit (1,pf);",
                   'capacitive_load_unit (1,pf);\n default_wire_load : "Small";'),),
}


def form(name: str) -> bytes:
    text = PLAIN
    for before, after in FORMS[name]:
        assert before in text, "the form changes nothing"
        text = text.replace(before, after)
    return text.encode("utf-8")


PACKED = {
    "plain": lambda data, folder: [(folder / "cells.lib", data)],
    "gzip": lambda data, folder: [(folder / "cells.lib.gz", gzip.compress(data))],
    "two files": lambda data, folder: [(folder / "a.lib", tiny("XO 4 A^B").encode()),
                                       (folder / "b.lib.gz", gzip.compress(data))],
}


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", FORMS)
def test_forms_are_read_alike(name: str, packed: str, tmp_path: Path) -> None:
    files = PACKED[packed](form(name), tmp_path)
    for path, data in files:
        path.write_bytes(data)
    library = liberty.load([path for path, _ in files])
    assert library.nand2.name == "NA2" and library.driver.name == "BF"
    assert library.flip_flops == {"DF", "DE", "DFN"}
    assert library.enable_flip_flops == ["DE"]
    areas = {"IV": 1, "BF": 2, "NA2": 2, "NO2": 3, "DF": 5, "DE": 4, "DFN": 5.5, "LA": 3}
    areas |= {"XO": 4} if packed == "two files" else {}
    assert {cell.name: cell.area for cell in library.cells.values()} == areas
    assert library.cells["LA"].state == "latch"
    assert (library.time_unit_ns, library.load_unit_ff) == (1, 1000)


@pytest.mark.parametrize("name", FORMS)
def test_forms_reach_the_netlist(name: str, tmp_path: Path) -> None:
    """abc and the mapping of flip-flops take them: the same cells as from the plain file."""
    (tmp_path / "cells.lib").write_bytes(form(name))
    found = synthesize(STEP, "step", liberty.load([tmp_path / "cells.lib"]))
    # abc puts a buffer before an output that is a flip-flop, here twice
    assert found.cells == {"BF": 2, "DE": 1, "DFN": 1, "LA": 1, "NA2": 1}
    assert found.area == 2 * 2 + 4 + 5.5 + 3 + 2 and found.flip_flops == 2


def test_what_nobody_reads_is_left_out() -> None:
    text = reduce_liberty(form("wire load"), "cells.lib").text
    for word in ("power", "pg_pin", "wire_load", "VDD"):
        assert word not in text
    assert 'next_state : "(E & D) | (!E & IQ)"' in text


@pytest.mark.parametrize(("function", "table"), [
    ("!(A & B)", (1, 1, 1, 0)), ("(A' + B')", (1, 1, 1, 0)), ("(!A) | (!B)", (1, 1, 1, 0)),
    ("A B", (0, 0, 0, 1)), ("A*B", (0, 0, 0, 1)), ("A^B", (0, 1, 1, 0)),
    ("(A B')+(A' B)", (0, 1, 1, 0)), ("A + (B A')", (0, 1, 1, 1)), ("(A+B)'", (1, 0, 0, 0)),
    ("A & !B", (0, 1, 0, 0))])
def test_truth_table(function: str, table: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "cells.lib").write_text(tiny(*TINY, f"ONE 7 {function}"))
    assert liberty.load([tmp_path / "cells.lib"]).cells["ONE"].table == tuple(map(bool, table))


def test_library_of_several_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a.lib", tmp_path / "b.lib.gz"
    first.write_text(tiny(*TINY[:2]))
    second.write_bytes(gzip.compress(tiny(*TINY[2:], "BAD 0.5 !(A&B)").replace(
        "cell (BAD) {", "cell (BAD) { dont_use : true;").encode()))
    library = liberty.load([first, second])
    assert library.nand2.name == "NA2", "a dont_use cell is not the gate equivalent"
    assert [len(item["sha256"]) for item in library.describe()] == [64, 64]
    # compression does not change the hash
    plain = tmp_path / "c.lib"
    plain.write_bytes(gzip.decompress(second.read_bytes()))
    assert liberty.load([first, plain]).hashes == library.hashes


BROKEN = {
    "missing": (None, "does not exist"),
    "empty": (b"", "not a liberty file"),
    "verilog": (MAC.encode(), "not a liberty file"),
    "binary": (bytes(range(256)) * 8, "not a liberty file"),
    "cut": (tiny(*TINY)[:-20].encode(), "cut short"),
    "cut gzip": (gzip.compress(tiny(*TINY).encode())[:-12], "damaged gzip"),
    "bad gzip": (b"\x1f\x8b\x08garbage that is no deflate stream", "damaged gzip"),
    "no cells": (b"library (none) { }", "no cells"),
    "no buffer": (tiny(*TINY[:1], *TINY[2:]).encode(), "no buffer"),
    "no nand": (tiny(*TINY[:2]).encode(), "no 2-input NAND"),
    "area": (tiny(*TINY).replace("area : 3", "area : 3.0.1").encode(), "has area 3.0.1"),
    "no areas": (tiny(*TINY).replace("area :", "volume :").encode(), "no area"),
    "twice": (tiny(*TINY, TINY[0]).encode(), "a second time"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_liberty_is_one_line_and_status_2(
        case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, words = BROKEN[case]
    file = tmp_path / "cells.lib"
    if content is not None:
        file.write_bytes(content)
    assert cli.main(["area", "lut_dot", "--a-format", "int8", "--liberty", str(file)]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and words in err and "Traceback" not in err


def test_units_must_agree(tmp_path: Path) -> None:
    first, second = tmp_path / "a.lib", tmp_path / "b.lib"
    first.write_text(tiny(*TINY))
    second.write_text(tiny("XO 4 A^B", unit="1ps"))
    with pytest.raises(UsageError, match="one time and capacitance unit"):
        liberty.load([first, second])


def test_balanced_but_wrong_liberty_blames_the_liberty(tmp_path: Path) -> None:
    file = tmp_path / "cells.lib"
    file.write_text(tiny(*TINY).replace("cell (BF)", "cell (BF) ) ("))
    file.write_text(tiny(*TINY).replace("area : 3;", "area ; : 3 :;"))
    with pytest.raises(UsageError, match="--liberty"):
        synthesize("module t(input a, b, output y); assign y = a ^ b; endmodule", "t",
                   liberty.load([file]))




def test_a_library_without_delays_cannot_be_sized_and_abc_says_so(tmp_path: Path) -> None:
    """The message is abc's own, not that of its missing result in a folder that is gone."""
    (tmp_path / "cells.lib").write_text(PLAIN)
    with pytest.raises(UsageError, match="abc stopped: Library delay info") as caught:
        synthesize(MAC, "mac", liberty.load([tmp_path / "cells.lib"]), "sized", path=False)
    assert "/" not in str(caught.value).replace(str(tmp_path), "")
