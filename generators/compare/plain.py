"""Multiply-accumulates that are left to synthesis: what ``*`` and ``+`` are mapped to.

The honest baselines of integer designs, in Verilog: no generator emits them, because nobody would
want one.
"""

from __future__ import annotations

__all__ = ["plain_mac"]


def plain_mac(a_bits: int, w_bits: int, acc_bits: int, K: int = 1, *, passed: bool = False) -> str:
    """Module ``plain_mac``: an accumulator of ``K`` products a cycle, two's complement.

    ``passed``: as an element of an array, whose operands are registered and passed on.
    """
    a, w = ("a_out", "w_out") if passed else ("a", "w")
    terms = " + ".join(f"$signed({a}[{k * a_bits} +: {a_bits}]) * "
                       f"$signed({w}[{k * w_bits} +: {w_bits}])" for k in range(K))
    ports = [f"input clk, input clear, input [{K * a_bits - 1}:0] a, input [{K * w_bits - 1}:0] w"]
    steps = [f"acc <= (clear ? {acc_bits}'sd0 : acc) + {terms};"]
    if passed:
        ports += [f"output reg [{K * a_bits - 1}:0] a_out",
                  f"output reg [{K * w_bits - 1}:0] w_out"]
        steps = ["a_out <= a;", "w_out <= w;", *steps]
    ports.append(f"output reg signed [{acc_bits - 1}:0] acc")
    return "\n".join([f"module plain_mac (\n  {(',' + chr(10) + '  ').join(ports)}\n);",
                      "  always @(posedge clk) begin", *(f"    {step}" for step in steps), "  end",
                      "endmodule", ""])
