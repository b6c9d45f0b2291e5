"""The shared aligner: golden model and hardware on every code and shift, against np.rint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.alignment import align, largest_field
from lowbit.golden.formats import BF16, FP8_E4M3, FP8_E5M2, FP16, FloatFormat
from lowbit.hdl.common.adders import OPERATOR, RIPPLE
from lowbit.hdl.common.aligner import Aligner
from lowbit.tb.support.float_parts import run

#: format, magnitude bits, bits of the exponent at the port
CASES = [(FP16, 11, 5), (FP16, 14, 6), (FP16, 17, 5), (FP16, 27, 6), (BF16, 8, 8), (BF16, 27, 9),
         (FP8_E4M3, 4, 4), (FP8_E4M3, 14, 6), (FP8_E5M2, 3, 5), (FP8_E5M2, 20, 6)]


def reference(fmt: FloatFormat, codes: Any, top: Any, bits: int) -> tuple[Any, Any]:
    """Rounded by NumPy in float64, where quotient and unit are exact."""
    finite = fmt.is_finite(codes)
    unit = top - 1 + fmt.emin - (bits - fmt.precision)
    quotient = np.ldexp(np.where(finite, fmt.to_float64(codes), 0.0), -unit)
    limit = 2.0 ** bits - 1
    # beyond the magnitude, or above field 0, which is below that of the subnormals
    too_large = (np.abs(quotient) >= limit + 1) | ((top == 0) & (quotient != 0))
    rounded = np.where(too_large, np.copysign(limit, quotient), np.rint(quotient))
    return rounded.astype(np.int64), too_large


def every(fmt: FloatFormat, top_bits: int) -> tuple[Any, Any]:
    """Every code with every exponent, or of 16 bits with some."""
    codes, tops = np.arange(1 << fmt.bits), np.arange(1 << top_bits)
    if fmt.bits == 16:
        tops = np.unique(np.concatenate([tops[:3], tops[5::len(tops) // 9]]))
    grid = np.meshgrid(codes, tops)
    return grid[0].ravel(), grid[1].ravel()


@pytest.mark.parametrize(("fmt", "bits", "top_bits"), CASES,
                         ids=[f"{fmt.name}-{bits}" for fmt, bits, _ in CASES])
def test_golden(fmt: FloatFormat, bits: int, top_bits: int) -> None:
    codes, tops = every(fmt, top_bits)
    terms, clipped = align(fmt, codes, tops, bits)
    expected, too_large = reference(fmt, codes, tops, bits)
    assert (terms == expected).all() and (clipped == too_large).all()
    assert clipped.any() and not clipped.all()


def test_hardware() -> None:
    """Both forms of adders in every case."""
    for adders in (RIPPLE, OPERATOR):
        parts, inputs = {}, {}
        for fmt, bits, top_bits in CASES:
            codes, tops = every(fmt, top_bits)
            parts[f"{fmt.name}_{bits}"] = Aligner(fmt, bits, top_bits, adders)
            inputs[f"{fmt.name}_{bits}"] = {"code": codes, "top": tops}
        outputs = run(parts, inputs)
        for fmt, bits, top_bits in CASES:
            name = f"{fmt.name}_{bits}"
            codes, tops = every(fmt, top_bits)
            terms, clipped = align(fmt, codes, tops, bits)
            sign, _, _ = fmt.decode(codes)
            assert (outputs[f"{name}__magnitude"].astype(np.int64) == np.abs(terms)).all()
            assert (outputs[f"{name}__negative"] == sign).all()
            assert (outputs[f"{name}__clipped"] == clipped).all()
            assert (outputs[f"{name}__finite"] == fmt.is_finite(codes)).all()


def test_hardware_that_does_not_clip() -> None:
    """The same where nothing is too large; infinities and NaNs at any exponent."""
    codes, tops = every(FP16, 5)
    terms, clipped = align(FP16, codes, tops, 17)
    codes, tops, terms = (x[~clipped] for x in (codes, tops, terms))
    outputs = run({"part": Aligner(FP16, 17, clips=False)},
                  {"part": {"code": codes, "top": tops}})
    assert "part__clipped" not in outputs
    assert (outputs["part__magnitude"].astype(np.int64) == np.abs(terms)).all()


def test_largest_field() -> None:
    codes = np.array([[0x0000, 0x83FF], [0x7C00, 0x4000], [0xFE00, 0x7C00], [0x7BFF, 0xFBFF]])
    assert largest_field(FP16, codes).tolist() == [1, 16, 1, 30]


#: FP16, 17 bits: floor, remainder and half of the exact quotient
SPEC = """module spec(input [15:0] code, input [4:0] top, output negative, output [16:0] magnitude,
  output clipped, finite);
wire [4:0] field = code[14:10] == 0 ? 5'd1 : code[14:10];
wire [16:0] word = finite ? {code[14:10] != 0, code[9:0], 6'd0} : 17'd0;
wire [47:0] shifted = {word, 31'd0} >> (top - field);
wire [30:0] rest = shifted[30:0];
wire up = rest > 31'h40000000 || (rest == 31'h40000000 && shifted[31]);
assign negative = code[15];
assign finite = code[14:10] != 31;
assign clipped = finite && code[14:0] != 0 && field > top;
assign magnitude = clipped ? 17'h1ffff : shifted[47:31] + up;
endmodule
"""


def test_proved() -> None:
    """Rounding, for all codes and exponents at once."""
    design = emit_component(Aligner(FP16, 17), top="aligner")
    assert prove_equal(design.verilog, "aligner", SPEC).proved
