"""RTL of the BitMoD PE and dequantiser: benches over configurations, proof of the alignment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amaranth.lib.wiring import Component

from lowbit.generators import registry
from lowbit.generators.flow.lint import lint
from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.flow.simulate import simulate
from lowbit.generators.verifying import verify
from lowbit.generators.verilog.emit import emit, emit_component
from lowbit.golden.bitmod.pe_parameters import BitmodDequantParameters, BitmodPeParameters
from lowbit.hdl.bitmod.accumulate import uses_digits
from lowbit.hdl.bitmod.align import ACTIVATION, FINE, TERM, AlignedSum, sum_bits
from lowbit.hdl.bitmod.cycle_pe import DecodeActivation, DecodeTerm
from lowbit.hdl.bitmod.row_pe import DecodeRowTerm
from lowbit.tb.support.mutation import with_flaws

WIDE: dict[str, Any] = dict(extra_bits=13, acc_bits=32)
CYCLE: list[dict[str, Any]] = [dict(align="cycle", **options) for options in (
    {}, dict(rounding="nearest"), WIDE, dict(exact=True), dict(lanes=1, pipeline=0),
    dict(lanes=2, rounding="nearest", **WIDE), dict(lanes=8, acc_bits=16),
    dict(acc_bits=12, extra_bits=20), dict(target="fpga"), dict(accumulator="fixed", pipeline=0),
    dict(target="fpga", exact=True), dict(target="fpga", accumulator="digits", pipeline=3),
    dict(target="fpga", rounding="nearest", pipeline=4, lanes=2),
    dict(pipeline=2), dict(pipeline=4, exact=True))]
ROW: list[dict[str, Any]] = [dict(align="row", **options) for options in (
    {}, dict(lanes=1, align_bits=11, max_group=5), dict(lanes=2, pipeline=1, align_bits=18),
    dict(lanes=3, max_group=48, pipeline=2), dict(lanes=8, max_group=4096), dict(target="fpga"),
    dict(lanes=5, max_group=640, align_bits=40, adder="operator"))]
CONFIGURATIONS = [*ROW, *CYCLE]


def name(options: dict[str, Any]) -> str:
    return BitmodPeParameters(**options).flags() or "default"


@pytest.mark.parametrize("options", CONFIGURATIONS, ids=name)
def test_pe(options: dict[str, Any]) -> None:
    found = verify(BitmodPeParameters(**options), vectors=200)
    assert found.passed, found.message
    assert found.outcome.stats["words"] >= 200


@pytest.mark.parametrize("options", [
    ROW[0], ROW[1], ROW[-1], *(dict(align="cycle", **x) for x in ({}, WIDE, dict(exact=True)))],
    ids=name)
def test_dequant(options: dict[str, Any]) -> None:
    found = verify(BitmodDequantParameters(**options), vectors=200)
    assert found.passed, found.message


def test_both_accumulators_are_tested() -> None:
    kinds = {uses_digits(BitmodPeParameters(**options)) for options in CYCLE
             if not options.get("exact")}
    assert kinds == {True, False}


FAULTS = {
    "cycle": [(r"<= round_up;", "<= 1'h0;"), (r"assign below = .*;", "assign below = 1'h0;")],
    "row": [(r"(assign add_carry_1 = \S+) \| \S+;", r"\1;"),
            (r"\{4\{negative_1\}\}", "4'h0"), (r"\{5\{sum_sign\}\}", "5'h0"),
            (r"(assign add_carry_31 = \S+) \| \S+;", r"\1;"),
            (r"assign negative_2 = (\S+) \^ (\S+);", r"assign negative_2 = \1 | \2;")]}


@pytest.mark.parametrize("align", FAULTS)
def test_bench_finds_faults(align: str) -> None:
    """By cycles: no pending ones; no truncation of the lowest place. By rows: the last lane's
    carry at either place, the sign above a sum, the accumulator's top place, a product's sign."""
    parameters = BitmodPeParameters(align=align)
    design = emit(parameters)
    plan = dict(parameters=parameters.as_dict(), manifest=design.manifest,
                derived=design.manifest["derived"], vectors=200)
    text = with_flaws(design.verilog, FAULTS[align])
    for number in range(len(FAULTS[align]) + 1):
        outcome = simulate(text, design.top, registry.find("bitmod_pe").bench, plan,
                           plusargs=[f"+mutant={number}"])
        assert outcome.passed is (number == 0)
        assert outcome.passed or "differ from the golden model" in outcome.message


ACTIVATION_SPEC = """module spec(input [15:0] code, output [10:0] activation_significand,
  output [4:0] activation_exponent, output activation_sign, activation_something, finite);
wire normal = code[14:10] != 0;
assign activation_significand = {normal, code[9:0]};
assign activation_exponent = normal ? code[14:10] : 5'd1;
assign activation_sign = code[15];
assign activation_something = code[14:0] != 0;
assign finite = code[14:10] != 31;
endmodule
"""
TERM_SPEC = """module spec(input [3:0] term, input signed [3:0] bsig, input enable,
  output decoded_sign, output [3:0] decoded_power, output decoded_man);
wire signed [5:0] power = $signed({1'b0, term[2:1]}) + bsig + 1;
assign decoded_sign = term[0];
assign decoded_power = power[3:0];
assign decoded_man = term[3] & enable;
endmodule
"""


ROW_TERM_SPEC = """module spec(input [3:0] term, input two_more, input enable,
  output decoded_negative, decoded_once, decoded_twice, decoded_fourfold);
wire on = enable & term[3];
assign decoded_negative = term[0];
assign decoded_once = on & (term[2:1] == 0 | term[2:1] == 2);
assign decoded_twice = on & (term[2:1] == 1 | term[2:1] == 3);
assign decoded_fourfold = two_more | term[2:1] >= 2;
endmodule
"""


@pytest.mark.parametrize(("decoder", "spec"), [(DecodeActivation, ACTIVATION_SPEC),
                                               (DecodeTerm, TERM_SPEC),
                                               (DecodeRowTerm, ROW_TERM_SPEC)])
def test_decoders_proved(decoder: Callable[[], Component], spec: str) -> None:
    design = emit_component(decoder(), top="decoder")
    assert prove_equal(design.verilog, "decoder", spec).proved


def specification(p: BitmodPeParameters) -> str:
    """The alignment as the contract says it, with operators."""
    a, w, bits, lanes = ACTIVATION.size, TERM.size, sum_bits(p), range(p.lanes)
    lines = [f"module spec(input [{p.lanes * a - 1}:0] activations,",
             f"  input [{p.lanes * w - 1}:0] terms, output signed [{bits - 1}:0] sum,",
             f"  output [{5 - FINE}:0] exponent);"]
    for i in lanes:
        lines += [f"wire [10:0] m{i} = activations[{i * a + 10}:{i * a}];",
                  f"wire used{i} = activations[{i * a + 17}] & terms[{i * w + 5}];",
                  f"wire [5:0] e{i} = used{i} ? activations[{i * a + 15}:{i * a + 11}]"
                  f" + terms[{i * w + 4}:{i * w + 1}] : 6'd0;",
                  f"wire minus{i} = activations[{i * a + 16}] ^ terms[{i * w}];"]
    top = "e0"
    for i in lanes[1:]:
        lines.append(f"wire [5:0] top{i} = {top} > e{i} ? {top} : e{i};")
        top = f"top{i}"
    values = []
    for i in lanes:
        lines += [f"wire [5:0] down{i} = {top} - e{i};",
                  f"wire signed [{bits - 1}:0] y{i} = used{i} ? (({{ {{{bits}{{1'b0}}}}, m{i}, "
                  f"{p.extra_bits}'d0 }} >> down{i}) << {top}[{FINE - 1}:0]) : 0;"]
        values.append(f"(minus{i} ? -y{i} : y{i})")
    lines += [f"assign sum = {' + '.join(values)};", f"assign exponent = {top} >> {FINE};",
              "endmodule"]
    return "\n".join(lines)


@pytest.mark.parametrize(("lanes", "adder"), [(1, "ripple"), (2, "ripple"), (2, "operator")])
def test_alignment_proved(lanes: int, adder: str) -> None:
    """Every activation and term, as the decoders give them (all 24 bits of a lane)."""
    p = BitmodPeParameters(align="cycle", lanes=lanes, adder=adder)
    design = emit_component(AlignedSum(p), top="aligned")
    verdict = prove_equal(design.verilog, "aligned", specification(p), timeout=60)
    assert verdict.proved, verdict


@pytest.mark.parametrize("options", [
    ROW[0], ROW[3], dict(target="fpga"), *(dict(align="cycle", **x) for x in (
        {}, dict(rounding="nearest", pipeline=0), dict(exact=True), dict(target="fpga")))],
    ids=name)
def test_lint(options: dict[str, Any]) -> None:
    for cls in (BitmodPeParameters, BitmodDequantParameters):
        design = emit(cls(**options))
        assert lint(design.verilog, design.top) == []
