"""Systolic arrays: golden model, proofs of an element's products, arrays in simulation."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out

from lowbit.generators.flow.product import simulate_product
from lowbit.generators.flow.prove import Verdict, prove_equal
from lowbit.generators.verilog.emit import emit, emit_component
from lowbit.golden.digits import FORMATS
from lowbit.golden.parameters import ParameterError
from lowbit.golden.systolic.gemm import Operands, product, weight_codes
from lowbit.golden.systolic.parameters import SystolicParameters
from lowbit.golden.systolic.ports import operand_beats, result_words, results_of
from lowbit.golden.systolic.workload import SystolicWorkload
from lowbit.hdl.common.recode import IntegerRecoder
from lowbit.hdl.systolic.products import add_products, segments
from lowbit.tb.support.lut_run import run_bench


# -- golden model -----------------------------------------------------------------------------
@pytest.mark.parametrize(("acc_bits", "k"), [(32, 70000), (17, 40), (62, 9)])
def test_product_is_that_of_python(acc_bits: int, k: int) -> None:
    """Extremes, and sums that wrap."""
    p = SystolicParameters(acc_bits=acc_bits)
    rng = np.random.default_rng(acc_bits)
    a, w = rng.integers(-128, 128, (3, k)), rng.integers(-128, 128, (2, k))
    a[0], w[0] = -128, -128
    got = product(p, a, w)
    for i in range(3):
        for j in range(2):
            exact = sum(x * y for x, y in zip(a[i].tolist(), w[j].tolist(), strict=True))
            half = 1 << acc_bits - 1
            assert got[i, j] == (exact + half) % (2 * half) - half


def test_beats_hold_the_operands() -> None:
    """What a beat's words say, read by shifts; short tiles are padded."""
    p = SystolicParameters(R=3, C=2, dot=2, a_bits=5, w_format="int3")
    a, w = np.array([[-16, 15, 1], [2, -3, 4]]), np.array([[-4, 3, -1]])
    beats = operand_beats(p, a, w)
    assert [beat["last"] for beat in beats] == [0, 1]
    for step, beat in enumerate(beats):
        for lines, word, bits, values in ((3, beat["activations"], 5, a),
                                          (2, beat["weights"], 3, w)):
            for line in range(lines):
                for i in range(2):
                    code = word >> (2 * line + i) * bits & (1 << bits) - 1
                    inside = line < len(values) and 2 * step + i < 3
                    assert code == (int(values[line, 2 * step + i]) & (1 << bits) - 1
                                    if inside else 0)


def test_results_come_back() -> None:
    p = SystolicParameters(C=3, acc_bits=19)
    values = np.array([[-1 << 18, 7, -1], [(1 << 18) - 1, 0, 5]])
    np.testing.assert_array_equal(results_of(p, result_words(p, values)), values)


@pytest.mark.parametrize(("options", "message"), [
    (dict(dot=3), "--dot must be one of 1, 2, 4, 8; got 3"),
    (dict(segment=5), "--segment must be one of 0, 1, 4, 8, 16; got 5"),
    (dict(acc_bits=12), "--acc-bits must hold the products of a beat, 16 bits; got 12"),
    (dict(dataflow="ws", drain="mux"), "--drain belongs to --dataflow os; leave it out; got mux"),
    (dict(dataflow="ws", weights="broadcast"), "--weights broadcast needs --dataflow os"),
    (dict(mesh=True), "--mesh needs --skew out"),
    (dict(skew="out", out_format="int8"), "--out-format int8 needs --skew in"),
    (dict(w_format="ternary", encode="pe"), "--encode pe is for integer weights"),
    (dict(R=0), "--R must be 1..128; got 0")])
def test_refused(options, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        SystolicParameters(**options)


def test_operands_refused() -> None:
    with pytest.raises(ParameterError, match=r"weights: ternary has no weight 2 "):
        weight_codes(SystolicParameters(w_format="ternary"), np.array([[2]]))
    with pytest.raises(ParameterError, match="the same k"):
        SystolicWorkload(SystolicParameters(), Operands(np.zeros((1, 2), int),
                                                        np.zeros((1, 3), int)))


# -- proofs -----------------------------------------------------------------------------------
class Sum(Component):
    """``total`` = the integer of ``old`` plus products."""

    def __init__(self, p: SystolicParameters) -> None:
        self.p = p
        super().__init__({"weights": In(p.dot * p.moved_bits), "activations": In(p.dot * p.a_bits),
                          "old": In(segments(p).value_bits), "total": Out(p.acc_bits)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.p
        after = add_products(m, p, self.weights, self.activations, self.old)
        m.d.comb += self.total.eq(segments(p).resolve(after))
        return m


def spec(p: SystolicParameters) -> str:
    """A table of weights, multiplications and additions, in Verilog."""
    form, chains = p.form, segments(p)
    if p.encode == "pe":
        values = [code - (code >> p.weight_bits - 1 << p.weight_bits)
                  for code in range(1 << p.weight_bits)]
    else:
        values = form.values.tolist()
    table = sum((value & 1023) << 10 * code for code, value in enumerate(values))
    lines = ["module spec (", f"  input [{p.dot * p.moved_bits - 1}:0] weights,",
             f"  input [{p.dot * p.a_bits - 1}:0] activations,",
             f"  input [{chains.value_bits - 1}:0] old,",
             f"  output [{p.acc_bits - 1}:0] total", ");",
             f"  wire [{10 * len(values) - 1}:0] table_of = {10 * len(values)}'h{table:x};"]
    terms = [f"old[{p.acc_bits - 1}:0]", f"{p.acc_bits}'d{p.beat_offset % (1 << p.acc_bits)}"]
    for j, low in enumerate(chains.starts[1:]):
        terms.append(f"({p.acc_bits}'d0 + old[{p.acc_bits + j}] << {low})")
    for i in range(p.dot):
        code = f"weights[{i * p.moved_bits} +: {p.moved_bits}]"
        lines += [f"  wire signed [9:0] weight_{i} = table_of[{code} * 10 +: 10];",
                  f"  wire signed [{p.a_bits - 1}:0] activation_{i} = "
                  f"activations[{i * p.a_bits} +: {p.a_bits}];",
                  f"  wire signed [{p.acc_bits - 1}:0] product_{i} = weight_{i} * activation_{i};"]
        terms.append(f"product_{i}")
    return "\n".join([*lines, f"  assign total = {' + '.join(terms)};", "endmodule", ""])


PROVED: list[dict[str, Any]] = [
    *(dict(w_format="int4", a_bits=4, segment=segment, acc_bits=12) for segment in (0, 1, 4, 8)),
    dict(w_format="int4", a_bits=3, segment=0, acc_bits=10, encode="pe"),
    dict(w_format="int2", a_bits=2, dot=2, segment=1, acc_bits=8),
    dict(w_format="int3", a_bits=3, segment=4, acc_bits=9, target="fpga"),
    dict(w_format="ternary", a_bits=4, dot=2, segment=8, acc_bits=10),
    dict(w_format="e2m1", a_bits=4, segment=0, acc_bits=10)]


def proved(p: SystolicParameters, change: tuple[str, str] = ("$", "")) -> Verdict:
    pattern, new = change
    design, count = re.subn(pattern, new, emit_component(Sum(p), top="sum_of").verilog, count=1)
    assert count == 1
    return prove_equal(design, "sum_of", spec(p), timeout=120)


@pytest.mark.parametrize("options", PROVED, ids=str)
def test_products_proved(options):
    """All weights, activations, sums and pending carries."""
    verdict = proved(SystolicParameters(**options))
    assert verdict.proved, verdict


@pytest.mark.parametrize("change", [(r" & ", " | "), (r" \^ ", " | ")])
def test_a_flaw_is_refuted(change):
    assert proved(SystolicParameters(**PROVED[2]), change).answer == "refuted"


@pytest.mark.parametrize("bits", range(2, 9))
def test_recoder_proved(bits: int) -> None:
    """Two's complement becomes the code that the packer makes."""
    form = FORMATS[f"int{bits}"]
    values = np.arange(1 << bits)
    codes = form.pack(values - (values >> bits - 1 << bits))
    width = form.port_bits
    table = sum(int(code) << width * i for i, code in enumerate(codes))
    text = "\n".join([f"module spec (input [{bits - 1}:0] value, output [{width - 1}:0] code);",
                      f"  wire [{(width << bits) - 1}:0] codes = {width << bits}'h{table:x};",
                      f"  assign code = codes[value * {width} +: {width}];", "endmodule", ""])
    design = emit_component(IntegerRecoder(form), top="recoder").verilog
    assert prove_equal(design, "recoder", text, timeout=60).proved


# -- simulation -------------------------------------------------------------------------------
ARRAYS = [dict(R=2, C=3), dict(R=3, C=2, drain="mux", segment=1),
          dict(R=1, C=1, dot=2, w_format="int5", segment=4),
          dict(R=2, C=2, dot=4, w_format="ternary", segment=8, reset="async_low"),
          dict(R=2, C=1, w_format="e2m1", segment=0, drain="mux"),
          dict(R=1, C=2, encode="pe", target="fpga", acc_bits=19),
          dict(R=1, C=2, dot=8, w_format="shift4", a_bits=5),
          dict(R=2, C=2, out_format="int8", drain="mux"), dict(R=1, C=1, out_format="int8", dot=2),
          dict(R=3, C=2, weights="broadcast"),
          dict(R=2, C=3, skew="out", weights="broadcast"),
          dict(R=3, C=2, skew="out", mesh=True, drain="mux"),
          dict(R=2, C=3, dataflow="ws"), dict(R=1, C=1, dataflow="ws", dot=2, segment=1),
          dict(R=3, C=2, dataflow="ws", w_format="ternary", segment=0, reset="async_low"),
          dict(R=2, C=2, dataflow="ws", encode="pe", w_format="int3", target="fpga"),
          dict(R=2, C=2, dataflow="ws", out_format="int8"),
          dict(R=1, C=1, dataflow="ws", out_format="int8", acc_bits=40),
          dict(R=3, C=2, dataflow="ws", skew="out", segment=1),
          dict(R=1, C=2, dataflow="ws", skew="out", mesh=True, dot=2, w_format="ternary"),
          dict(R=2, C=1, dataflow="ws", skew="out", mesh=True)]


@pytest.mark.parametrize("options", ARRAYS, ids=str)
def test_equals_golden(options):
    """Every result; start values are X here. Cycles are those of the model."""
    outcome = run_bench(SystolicParameters(**options), vectors=60, simulator="icarus")
    assert outcome.passed, outcome.message
    assert outcome.stats["words"] >= 60
    assert outcome.stats.get("smooth_cycles") == outcome.stats.get("model_cycles")


FLAWS = [
    # the correction, a sum that does not start anew, rows that leave too early
    ("os", r"correction <= (.*);", r"correction <= correction;"),
    ("os", r"\.clear\(idle\)", ".clear(1'h0)"), ("os", r"waiting <= 3'h4;", "waiting <= 3'h3;"),
    # weights that are used while others come, weights that come while some are used
    ("ws", r"weight <= weight_out;", "weight <= weight_in;"),
    ("ws", r"passing <= 3'h3;", "passing <= 3'h2;"),
    # results that do not wait for their partial sums
    ("ws", r"assign partial_ready = ", "assign partial_ready = 1'h1 | "),
    # sums that do not wait for their scales, scales that stay for the next operation
    ("ws int8", r"assign step = .*;", "assign step = leave;"),
    ("ws int8", r"assign scale_held_ready = .*;", "assign scale_held_ready = scaled & leave;"),
    # a bare tile whose weights come into use in all columns at once
    ("ws out", r"\.swap\(swap_1\)", ".swap(swap)")]


@pytest.mark.parametrize(("kind", "pattern", "new"), FLAWS)
def test_flaws_are_found(kind: str, pattern: str, new: str) -> None:
    dataflow, *more = kind.split()
    options: dict[str, dict[str, Any]] = {"int8": dict(out_format="int8"), "out": dict(skew="out")}
    p = SystolicParameters(R=2, C=3, dataflow=dataflow, **(options[more[0]] if more else {}))
    text, count = re.subn(pattern, new, emit(p).verilog, count=1)
    assert count == 1
    assert not run_bench(p, vectors=200, simulator="icarus", verilog=text).passed


@pytest.mark.parametrize("options", [
    dict(R=2, C=3), dict(R=2, C=2, dot=2, dataflow="ws"),
    dict(R=2, C=3, dataflow="ws", out_format="int8"), dict(R=2, C=3, dataflow="ws", skew="out")],
    ids=str)
def test_product_in_tiles(options):
    """A matrix larger than the array, from random start values: results and cycles. Where weights
    stay the reduction takes several slices; results of int8 are those of all of them."""
    p, rng = SystolicParameters(**options), np.random.default_rng(5)
    a, w = rng.integers(-128, 128, (5, 7)), rng.integers(-128, 128, (4, 7))
    scales = [np.array(x) for x in ([1, 3, 1 << 30, 5], [6, 9, 39, 0], [0, -1, 100, 3])] \
        if p.requantizes else []
    workload = SystolicWorkload(p, Operands(a, w, *scales))
    result, outcome = simulate_product(workload)
    expected = a @ w.T
    if scales:
        expected = np.array([[max(-128, min(127, (2 * int(v) * m + (1 << n) >> n + 1) + z))
                              for v, m, n, z in zip(row, *(x.tolist() for x in scales),
                                                    strict=True)] for row in expected])
    np.testing.assert_array_equal(result, expected)
    if p.dataflow == "os":      # the array opens when nothing of before the reset is on its way
        assert outcome.cycles - (workload.cycles or 0) == p.R + p.C - 1
