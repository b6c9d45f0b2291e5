"""The fix-up of group scales: from sums of bit-planes to sums of codes, proved for all inputs.

The specification is the formula of docs/numerics.md in plain Verilog, a line for each kind of codes
and number of planes, with the factors of the golden model.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from amaranth.hdl import Module, Mux
from amaranth.lib.wiring import Component, In, Out

from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.group_scale import Codes
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.hdl.lut.fix_up import code_sum, code_sum_bits, row_correction

#: bits above those of the result, which show that nothing of the exact sum is lost
SPARE = 4


class FixUp(Component):
    """``result`` of what a core and a lane make of ``total`` S and ``row_sum`` A."""

    def __init__(self, p: LutCoreParameters) -> None:
        self.parameters = p
        super().__init__({"total": In(p.acc_bits), "row_sum": In(p.acc_bits), "codes": In(2),
                          "plane": In(max(p.plane_bits, 1)),
                          "result": Out(code_sum_bits(p) + SPARE)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        # what is not defined, as the last that is
        plane = Mux(self.plane >= p.w_bits, p.w_bits - 1, self.plane)[:max(p.plane_bits, 1)]
        codes = Mux(self.codes == 3, Codes.UNSIGNED, self.codes)
        correction = row_correction(p, self.row_sum, codes, plane)
        m.d.comb += self.result.eq(code_sum(p, self.total, correction).as_signed())
        return m


def spec(p: LutCoreParameters, flaw: tuple[int, int] | None = None) -> str:
    """R + c A, with R = 2**(b - 1) S and in units of 2**(w_bits - b) where entries are aligned;
    ``flaw``: the codes and number of planes whose c is one too large."""
    width, acc = code_sum_bits(p) + SPARE, p.acc_bits
    lines = ["module spec (", f"  input signed [{acc - 1}:0] total, row_sum,",
             "  input [1:0] codes,", f"  input [{max(p.plane_bits, 1) - 1}:0] plane,",
             f"  output reg signed [{width - 1}:0] result", ");",
             f"  wire signed [{width - 1}:0] s = total, a = row_sum;", "  always @* begin",
             f"    result = {{{width}{{1'b0}}}};"]
    for codes in Codes:
        for b in range(1, p.w_bits + 1):
            c = codes.of_sum(b) + (flaw == (codes, b))
            power, unit = (b - 1, p.w_bits - b) if p.is_aligned else (0, 0)
            last = ">=" if b == p.w_bits else "=="
            lines += [f"    if (codes {'>=' if codes == max(Codes) else '=='} {int(codes)} && "
                      f"plane {last} {b - 1})",
                      f"      result = (s * {1 << power} + {c} * a) * {1 << unit};"]
    return "\n".join([*lines, "  end", "endmodule", ""])


def core(w_bits: int, a_format: str, **more: Any) -> LutCoreParameters:
    return LutCoreParameters(M=4, N=8, w_bits=w_bits, a_format=a_format, group_scale="fp16", **more)


#: every number of planes, aligned and integers, and some with sums of full width
CASES = [*(core(b, form, acc_width=16) for b in range(1, 9) for form in ("fp16", "int8")),
         core(2, "fp16"), core(4, "bf16"), core(4, "int8"), core(2, "int16")]


@pytest.mark.parametrize("p", CASES, ids=lambda p: p.flags().replace("--", ""))
def test_proved(p: LutCoreParameters) -> None:
    design = emit_component(FixUp(p), top="fix_up").verilog
    verdict = prove_equal(design, "fix_up", spec(p), timeout=120)
    assert verdict.proved, verdict


@pytest.mark.parametrize("form", ["fp16", "int8"])
@pytest.mark.parametrize("codes", Codes)
def test_wrong_factor_is_refuted(codes: Codes, form: str) -> None:
    """Of each kind of codes, with a counterexample of just that kind and number of planes."""
    p = core(3, form, acc_width=20)
    design = emit_component(FixUp(p), top="fix_up").verilog
    verdict = prove_equal(design, "fix_up", spec(p, flaw=(codes, 2)), timeout=60)
    assert verdict.answer == "refuted"
    found = verdict.counterexample
    assert min(found["codes"], max(Codes)) == codes and found["plane"] == 1


def test_wrong_design_is_refuted() -> None:
    p = core(3, "fp16", acc_width=20)
    right = emit_component(FixUp(p), top="fix_up").verilog
    for before, after in ((r" - ", " + "), (r" \+ ", " - "), (r" << ", " >> ")):
        wrong, count = re.subn(before, after, right, count=1)
        assert count == 1
        assert prove_equal(wrong, "fix_up", spec(p)).answer == "refuted"
