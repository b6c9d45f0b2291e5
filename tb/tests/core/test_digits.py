"""Weight formats as digits: all codes against their definitions, and products proved."""

from __future__ import annotations

import re

import ml_dtypes
import numpy as np
import pytest
from amaranth.hdl import Const, Module
from amaranth.lib.wiring import Component, In, Out

from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.digits import FORMATS, Digit, DigitFormat
from lowbit.golden.olive import decode
from lowbit.hdl.common.adders import RIPPLE
from lowbit.hdl.common.digit_rows import DigitDecoder, digit_row, multiples, sum_of_products

FORMS = list(FORMATS.values())
#: with those of sign and magnitude as one digit, too
STRUCTURES = [*FORMS, *(form.single for form in FORMS if form.single.digits != form.digits)]


def meant(form: DigitFormat) -> set[float]:
    """Weights of a format by other means than its digits."""
    name = form.name
    if name.startswith("int"):
        bits = int(name[3:])
        return set(range(-1 << bits - 1, 1 << bits - 1))
    if name == "e2m1":
        return {float(v) for v in np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn)}
    if name.startswith("bitmod"):
        return {float(v) for v in get_data_type(name).table2x.ravel() / 2}
    if name == "ternary":
        return {-1, 0, 1}
    if name == "shift4":
        return {sign * 2**e for sign in (-1, 1) for e in range(8)}
    if name == "olive4":
        return {float(v) for v in decode(np.indices((16, 16)).reshape(2, -1).T).ravel()} - {-8, 8}
    assert name == "flint4"
    return {sign * v for sign in (-1, 1) for v in (0, .5, 1, 1.5, 2, 3, 4, 8)}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_weights(form: DigitFormat) -> None:
    """The codes have the weights of the format, no other, and every weight comes back."""
    values = form.values[list(form.codes)]
    assert {float(v) * 2.0**form.unit for v in values} == meant(form)
    assert (form.values[form.pack(values)] == values).all()
    assert set(form.pack(values).tolist()) <= set(form.codes)
    for wrong in (form.largest + 1, -form.largest - 1, 10**6):
        with pytest.raises(ValueError, match=f"{form.name} has no weight {wrong} "):
            form.pack(np.array([wrong]))


@pytest.mark.parametrize("bits", range(3, 9))
def test_integers_take_a_bit_more(bits: int) -> None:
    assert FORMATS[f"int{bits}"].port_bits == bits + 1


def test_e2m1_codes_are_those_of_the_format() -> None:
    """Port codes of E2M1 are its own codes."""
    codes = np.arange(16, dtype=np.uint8)
    np.testing.assert_array_equal(FORMATS["e2m1"].values / 2,
                                  codes.view(ml_dtypes.float4_e2m1fn).astype(np.float64))


def test_one_digit() -> None:
    """What a sign bit tells can be one digit, of a few multiples; the codes stay."""
    for form in FORMS:
        single = form.single
        assert (single.values == form.values).all() and single.codes == form.codes
        assert (len(single.digits) == 1) == (form.name not in {f"int{b}" for b in range(3, 9)})
    assert FORMATS["e2m1"].multiples == FORMATS["int8"].multiples == (1,)
    assert FORMATS["e2m1"].single.multiples == FORMATS["flint4"].single.multiples == (1, 3)
    assert FORMATS["bitmod4"].single.multiples == (1, 3, 5)


def test_refused() -> None:
    for values in ((0, 1, 2), (0,)):
        with pytest.raises(ValueError, match="a digit of 2 bits takes 4 values"):
            Digit(0, 2, values)


class Product(Component):
    """``product`` = the weight of ``code`` times ``a``, by rows."""

    def __init__(self, form: DigitFormat, bits: int) -> None:
        self.form = form
        super().__init__({"code": In(form.port_bits), "a": In(bits), "active": In(1),
                          "product": Out(bits + 9)})

    def elaborate(self, platform: object) -> Module:
        m, low = Module(), 0
        m.submodules.decoder = decoder = DigitDecoder(self.form)
        m.d.comb += [decoder.code.eq(self.code), decoder.active.eq(self.active)]
        held = multiples(m, self.a.as_signed(), self.form.multiples, RIPPLE, "a")
        total = Const(0, 1).as_signed()
        for i, digit in enumerate(self.form.digits):
            lines = decoder.lines[low:low + len(digit.choices)]
            low += len(digit.choices)
            row = digit_row(m, digit, lines, decoder.negative[i], held, f"row_{i}")
            total = total + ((row.as_signed() + decoder.negative[i]) << digit.low_shift)
        m.d.comb += self.product.eq(total)
        return m


def spec(form: DigitFormat, bits: int) -> str:
    """A table of weights and a multiplication, in Verilog."""
    width = bits + 9
    table = sum((int(value) & 1023) << 10 * code for code, value in enumerate(form.values))
    bits_of = 10 << form.port_bits
    return "\n".join([
        "module spec (", f"  input [{form.port_bits - 1}:0] code, input [{bits - 1}:0] a,",
        f"  input active, output [{width - 1}:0] product", ");",
        f"  wire [{bits_of - 1}:0] weights = {bits_of}'h{table:x};",
        "  wire signed [9:0] weight = weights[code * 10 +: 10];",
        f"  wire signed [{width - 1}:0] plain = weight * $signed(a);",
        f"  assign product = active ? plain : {width}'d0;", "endmodule", ""])


@pytest.mark.parametrize("form", STRUCTURES, ids=lambda form: f"{form.name}_{len(form.digits)}")
def test_products_proved(form: DigitFormat) -> None:
    """All weights (and unused codes, which are 0) times all activations of 5 bits."""
    design = emit_component(Product(form, 5), top="product").verilog
    verdict = prove_equal(design, "product", spec(form, 5), timeout=120)
    assert verdict.proved, verdict


def test_a_flaw_is_refuted() -> None:
    form = FORMATS["int4"]
    design = emit_component(Product(form, 5), top="product").verilog
    wrong, count = re.subn(r" \^ ", " & ", design, count=1)
    assert count == 1
    assert prove_equal(wrong, "product", spec(form, 5)).answer == "refuted"


class Dot(Component):
    """``dot`` = the sum of products of ``K`` weights and activations, by decoders, rows and the
    compressor, as the direct core has them."""

    def __init__(self, form: DigitFormat, K: int, bits: int, magnitudes: bool) -> None:
        self.form, self.K, self.bits, self.magnitudes = form, K, bits, magnitudes
        super().__init__({"code": In(K * form.port_bits), "a": In(K * bits), "active": In(1),
                          "dot": Out(bits + 12)})

    def elaborate(self, platform: object) -> Module:
        m, form = Module(), self.form
        lines, negatives, held, signs = [], [], [], []
        for k in range(self.K):
            m.submodules[f"decoder_{k}"] = decoder = DigitDecoder(form)
            m.d.comb += [decoder.code.eq(self.code.word_select(k, form.port_bits)),
                         decoder.active.eq(self.active)]
            lines.append(decoder.lines)
            negatives.append(decoder.negative)
            word = self.a.word_select(k, self.bits)
            signs.append(word[-1])
            held.append(multiples(m, word[:-1] if self.magnitudes else word.as_signed(),
                                  form.multiples, RIPPLE, f"a_{k}"))
        total, carry = sum_of_products(m, form, lines, negatives, held, self.active, RIPPLE,
                                       signs if self.magnitudes else None)
        offset = Const(self.K * form.offset(self.bits)) & self.active.replicate(32)
        m.d.comb += self.dot.eq(total + carry - offset)
        return m


def dot_spec(form: DigitFormat, K: int, bits: int, magnitudes: bool) -> str:
    """The sum of K of the products that are proved above; ``magnitudes``: activations have their
    sign on top."""
    one = emit_component(Product(form, bits), top="product").verilog
    width, port = bits + 12, form.port_bits
    parts = []
    for k in range(K):
        word = f"a[{k * bits} +: {bits}]"
        low = f"a[{k * bits} +: {bits - 1}]"
        if magnitudes:
            word = f"a[{k * bits + bits - 1}] ? -{{1'b0, {low}}} : {{1'b0, {low}}}"
        parts += [f"  wire signed [{bits + 8}:0] product_{k};",
                  f"  product of_{k}(.code(code[{k * port} +: {port}]), .a({word}), "
                  f".active(active), .product(product_{k}));"]
    total = " + ".join(f"product_{k}" for k in range(K))
    return "\n".join([one, "module whole (", f"  input [{K * port - 1}:0] code,",
                      f"  input [{K * bits - 1}:0] a, input active,",
                      f"  output signed [{width - 1}:0] dot", ");", *parts,
                      f"  assign dot = {total};", "endmodule", ""])


@pytest.mark.parametrize(("form", "magnitudes"), [
    *((form, False) for form in STRUCTURES),
    *((form, True) for form in STRUCTURES if len(form.digits) == 1)],
    ids=lambda x: f"{x.name}_{len(x.digits)}" if isinstance(x, DigitFormat) else str(x))
def test_dot_products_proved(form: DigitFormat, magnitudes: bool) -> None:
    """Offset form, carries and places of the digits: sums of two products, all inputs."""
    K, bits = 2, 3 if form.port_bits < 6 else 2
    design = emit_component(Dot(form, K, bits, magnitudes), top="dot").verilog
    verdict = prove_equal(design, "dot", dot_spec(form, K, bits, magnitudes), "whole", timeout=120)
    assert verdict.proved, verdict
