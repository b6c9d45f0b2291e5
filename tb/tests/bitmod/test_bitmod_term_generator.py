"""Term generator: every code in simulation, and values proved equal for all codes by SAT."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.generators.errors import CheckFailed
from lowbit.generators.flow.yosys import run_yosys
from lowbit.generators.verifying import verify
from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.pe_parameters import BitmodTermGeneratorParameters
from lowbit.golden.bitmod.ports import port_codes, special_value_word
from lowbit.golden.parameters import ParameterError
from lowbit.hdl.bitmod.term_generator import SpecialValues, TermLanes, shared_significance


@pytest.mark.parametrize(("lanes", "flint"), [(1, False), (4, False), (2, True)])
def test_every_code(lanes, flint):
    found = verify(BitmodTermGeneratorParameters(lanes=lanes, flint=flint))
    assert found.passed, found.message
    assert found.outcome.stats["words"] > 4000 * lanes / 4


def _term_value(m, term, bsig, name):
    """(-1)**sign * 2**(exp + bsig) * man in halves, written without the encoder's tricks."""
    power = Signal(4, name=f"{name}_power")
    magnitude = Signal(12, name=f"{name}_magnitude")
    value = Signal(signed(13), name=f"{name}_value")
    m.d.comb += [power.eq(term[1:3] + (bsig + 1)), magnitude.eq(Cat(term[3]) << power),
                 value.eq(Mux(term[0], -magnitude, magnitude))]
    return value


class ValueIsSumOfTerms(wiring.Component):
    """``holds``: the terms of one code add up to its value, for every type and special value."""

    def __init__(self, flaw=0, flint=False):
        self.flaw, self.flint = flaw, flint
        super().__init__({"code": In(8), "floating": In(1), "count": In(3), "bits": In(4),
                          "selector": In(2), "specials": In(8), "holds": Out(1)})

    def elaborate(self, platform):
        m = Module()
        p = BitmodTermGeneratorParameters(lanes=1, flint=self.flint)
        total = Signal(signed(16))
        values = []
        for i in range(4):
            m.submodules[f"lanes_{i}"] = lanes = TermLanes(p)
            lines = Signal(4, name=f"lines_{i}", init=1 << i)
            m.d.comb += lines.eq(1 << i)
            # special values here are powers of two, term 0 alone; the proof below has them all
            specials = [Cat(Const(0, 1), self.specials.word_select(s, 2), Const(1, 1))
                        if i == 0 else Const(0, 4) for s in range(4)]
            m.d.comb += [lanes.codes.eq(self.code), lanes.floating.eq(self.floating),
                         lanes.lines.eq(lines), lanes.selector.eq(self.selector),
                         lanes.special.eq(Cat(specials))]
            bsig = shared_significance(lines, self.floating)
            value = _term_value(m, lanes.terms, bsig, f"term_{i}")
            values.append(Mux(i < self.count, value, 0))
        m.d.comb += total.eq(sum(values, Const(0, 1)))
        integer = Signal(signed(16))
        # a sign-extended integer of `bits` bits needs ceil(bits / 2) digits
        top, extended = Signal(8), Signal()
        m.d.comb += [integer.eq(self.code.as_signed() << 1), top.eq(self.code.as_signed()
                                                                    >> (self.bits - 1)[:3]),
                     extended.eq((top == 0) | (top == 0xFF))]
        magnitudes = Signal(5)
        with m.Switch(self.code[:3]):
            for i, magnitude in enumerate((0, 1, 2, 3, 4, 6, 8, 12)):
                with m.Case(i):
                    # the last row of the table of flint4 is 8
                    m.d.comb += magnitudes.eq(Mux(self.code[4], 16, 12) if i == 7 and self.flint
                                              else magnitude)
        basic, special = Signal(signed(8)), Signal(signed(8))
        power = self.specials.word_select(self.selector, 2)
        m.d.comb += [basic.eq(Mux(self.code[3], -magnitudes, magnitudes)),
                     special.eq(2 << power)]
        expected = Mux(self.floating, Mux(self.code[:4] == 8, special, basic), integer)
        legal = Mux(self.floating, self.count == 2,
                    extended & (self.bits >= 1) & (self.bits <= 8)
                    & (self.count == (self.bits + 1) >> 1))
        m.d.comb += self.holds.eq(~legal | (total == expected + self.flaw))
        return m


class SpecialValueIsSumOfTerms(wiring.Component):
    """``holds``: what is stored of a special value adds up to it, if two terms can."""

    def __init__(self):
        super().__init__({"value": In(6), "holds": Out(1), "stored": Out(signed(16))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.file = file = SpecialValues()
        m.d.comb += [file.sv_value.eq(self.value), file.sv_write.eq(1)]
        decoded = file.decoded
        magnitude = self.value[:5]
        m.d.comb += self.stored.eq(_term_value(m, decoded[:4], Const(0, signed(4)), "first")
                                   + _term_value(m, decoded[4:], Const(-1, signed(4)), "second"))
        # independent rule: a power plus or minus a smaller one
        powers = (1, 2, 4, 8, 16)
        sums = {0, *powers, *(a + b for a in powers for b in powers if a != b),
                *(a - b for a in powers for b in powers if a > b)}
        legal = Signal()
        m.d.comb += legal.eq(sum((magnitude == v for v in sums), Const(0, 1)) != 0)
        expected = Mux(self.value[5], -magnitude, magnitude)
        m.d.comb += self.holds.eq(Mux(legal, self.stored == expected, self.stored == 0))
        return m


def _prove(component, folder):
    design = emit_component(component, top="proof")
    (folder / "proof.v").write_text(design.verilog)
    run_yosys(["read_verilog proof.v", "hierarchy -check -top proof", "proc -norom", "flatten",
               "opt_clean", "sat -verify -set-def-inputs -prove holds 1 proof"],
              folder)


@pytest.mark.parametrize("component", [ValueIsSumOfTerms(), ValueIsSumOfTerms(flint=True),
                                       SpecialValueIsSumOfTerms()], ids=["codes", "flint", "sv"])
def test_proved(component, tmp_path):
    _prove(component, tmp_path)


def test_proof_can_fail(tmp_path):
    with pytest.raises(CheckFailed, match="sat -verify"):
        _prove(ValueIsSumOfTerms(flaw=1), tmp_path)


def test_port_words():
    assert [special_value_word(v) for v in (0.0, 5.0, -5.0, 7.5, -8.0)] == [0, 10, 42, 15, 48]
    with pytest.raises(ParameterError, match="needs three"):
        special_value_word(5.5)
    int3 = port_codes(np.arange(8), get_data_type("int3"))
    assert int3.view(np.int8).tolist() == [0, 1, 2, 3, -4, -3, -2, -1]
    fp3 = get_data_type("fp3")
    fp4 = get_data_type("fp4")
    # the same values, code by code
    assert (fp3.values2x(6) == fp4.values2x(6)[port_codes(np.arange(8), fp3)]).all()
