"""Mutants of emitted Verilog: what is changed, alone and behind a switch; equality of designs."""

from __future__ import annotations

import pytest

from lowbit.generators.flow.prove import prove_same_steps
from lowbit.tb.support.mutation import KINDS, Mutant, mutants, mutated, switched
from lowbit.tb.support.yosys_mutation import YosysMutation

PLAIN = """\
module part (
  input  wire       clk,
  input  wire [3:0] a,
  output reg  [3:0] q
);
  always @(posedge clk) begin
    q <= a;
  end
endmodule

module top (
  input  wire       clk,
  input  wire       rst,
  input  wire [3:0] a,
  output wire [3:0] y,
  output reg        flag
);
  wire [3:0] _0_;
  wire [3:0] _1_;
  wire [3:0] q;
  assign _0_ = a & 4'h3;
  assign _1_ = flag ? _0_ : a;
  assign y = q ^ _1_;
  always @(posedge clk) begin
    if (a[0]) begin
      flag <= a[1];
    end
    if (rst) begin
      flag <= 1'h0;
    end
  end
  part part_0 (
    .clk(clk),
    .a(_1_),
    .q(q)
  );
endmodule
"""


def texts(kind: str) -> list[str]:
    return [mutant.after.strip() for mutant in mutants(PLAIN) if mutant.kind == kind]


def test_every_kind_is_made() -> None:
    assert {mutant.kind for mutant in mutants(PLAIN)} == set(KINDS)
    assert texts("operator") == ["assign _0_ = a | 4'h3;", "assign y = q & _1_;"]
    assert texts("operands swapped") == ["assign _1_ = flag ? a : _0_;"]
    assert texts("constant") == ["assign _0_ = a & 4'h4;", "flag <= 1'h1;"]
    assert texts("condition negated") == ["if (!(a[0])) begin"]
    assert texts("reset removed") == ["if (1'h0) begin"]
    assert texts("assignment lost") == ["q <= q;", "flag <= flag;", "flag <= flag;"]
    assert texts("connection inverted") == [".a((_1_) ^ {4{1'h1}}),"], "inputs, but for the clock"


def test_switch_off_is_the_design_and_on_is_the_mutant() -> None:
    """Proved for one mutant of every line: with the switch made a constant."""
    chosen = list({mutant.line: mutant for mutant in mutants(PLAIN)}.values())
    both = switched(PLAIN, chosen)
    for number, mutant in [(0, None), *enumerate(chosen, 1)]:
        fixed = "\n".join(f"  wire [31:0] mutant = 32'd{number};" if line == "  integer mutant;"
                          else line for line in both.splitlines() if "initial" not in line)
        alone = PLAIN if mutant is None else mutated(PLAIN, mutant)
        assert prove_same_steps(alone, fixed, "top").proved, mutant


def test_equality_of_steps() -> None:
    """A reset more or less is a difference, another way to write the same is none."""
    found = {mutant.kind: mutant for mutant in mutants(PLAIN)}
    assert prove_same_steps(PLAIN, PLAIN.replace("q ^ _1_", "_1_ ^ q"), "top").proved
    for kind in ("reset removed", "operands swapped", "assignment lost"):
        mutant: Mutant = found[kind]
        verdict = prove_same_steps(PLAIN, mutated(PLAIN, mutant), "top")
        assert verdict.answer == "refuted", mutant


@pytest.mark.parametrize("ports", [1, 40])
def test_switch_of_yosys_is_no_port(ports: int) -> None:
    """The top module's port becomes a register, also where its list takes several lines."""
    names = [f"port_number_{i}" for i in range(ports)]
    text = "\n".join([f"module top(input clk, {', '.join(f'input {x}' for x in names)},",
                      "  output reg q);",
                      f"  always @(posedge clk) q <= {' ^ '.join(names)};", "endmodule", ""])
    both = YosysMutation(text, "top", 1, 1).switched
    head, _, body = both.partition("module top(")[2].partition(");")
    assert "q" in head.split(", ")[-1] and "mutant_switch" not in head
    assert "reg [15:0] mutant_switch;" in body
