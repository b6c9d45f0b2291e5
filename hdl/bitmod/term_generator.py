"""Bit-serial term generator: weight codes to terms (paper section IV-A, Figure 4).

Three parts, because a tile shares them differently:

- :class:`SpecialValues`, the register file. It keeps a special value as its two terms, which are
  found once, when it is programmed: no column needs a leading-one detector.
- :class:`TermLanes`, combinational, one per column: one term of each of its weights.
- :func:`shared_significance`, the significance of the cycle, the same for all columns.

The basic values of FP4 need no detector either: by the low bits c2 c1 c0 of a code, term 0 is
there when c2 or c1 is set, term 1 when c0 is, and both have the exponent 2 for 11x, 1 for 10x,
else 0. FP3 is the even half of FP4, code for code (0, 1, 2, 4; -0 stays -0), so its codes arrive
shifted left by one. flint4 has 8 in the place of 6, and bit 4 of its codes set. Integers arrive
sign-extended to 8 bits, where a Booth digit is three bits.

OliVe's codes have bit 5 set. A normal weight takes the integers' Booth digits; beside a victim,
whose code is that of -0, c3 c2 c1 c0 has a term 0, and if c0 is set a term 1, both with exp c2 c1.
What the two lanes of a pair have in common is said once: *wide*, eightfold. It is set for an
outlier, and else with term 1, the high digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.datatypes import is_two_term
from lowbit.golden.bitmod.pe_parameters import BitmodTermGeneratorParameters
from lowbit.golden.bitmod.ports import pack_terms
from lowbit.golden.bitmod.terms import fixed_point_terms
from lowbit.golden.olive import VICTIM
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.field import Field, flag
from .streams import (
    SELECTOR_BITS,
    bsig_field,
    code_note,
    special_value_ports,
    term_field,
    wide_field,
)

__all__ = ["BitmodTermGenerator", "SpecialValues", "TermLanes", "one_hot", "shared_significance",
           "special_values"]

P = BitmodTermGeneratorParameters
INDEX_BITS = 2
#: bit of a code at the port that says it is OliVe's
PAIR_BIT = 5


def one_hot(index: Value) -> Value:
    """The lines of a term index: line i is set for term i."""
    return Cat(index == i for i in range(1 << len(index)))


def shared_significance(lines: Value, floating: Value) -> Value:
    """bsig of a cycle, 4 bits signed: 0, -1 (FP3 and FP4) or 0, 2, 4, 6 (integers)."""
    second = lines[1] & floating
    return Cat(second, Mux(floating, lines[1], lines[1] | lines[3]),
               Mux(floating, lines[1], lines[2] | lines[3]), second).as_signed()


class SpecialValues(wiring.Component):
    """Register file of special values, kept as terms.

    ``sv_write`` stores ``sv_value`` (sign on top, then 4 integer bits and 1 fraction bit) at
    ``sv_index``. A magnitude that needs three terms is stored as 0; software refuses it before.
    ``special`` is the term of each entry (entry 0 lowest) that ``second`` asks for: term 0 or 1.
    ``decoded``: the terms of the value at the port. Not reset: program it before the first FP3 or
    FP4 group. Written values count one cycle later.
    """

    def __init__(self) -> None:
        super().__init__({"sv_write": In(1), "sv_index": In(SELECTOR_BITS),
                          "sv_value": In(P.special_value_bits), "second": In(1),
                          "special": Out(P.special_values * P.term_bits),
                          "decoded": Out(2 * P.term_bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plain = Signal(2 * P.term_bits)
        magnitude, sign = self.sv_value[:-1], self.sv_value[-1]
        with m.Switch(magnitude):
            for value in filter(is_two_term, range(1 << len(magnitude))):
                first, second = (int(w) for w in pack_terms(fixed_point_terms(np.array(value))))
                with m.Case(value):
                    m.d.comb += plain.eq(first | second << P.term_bits)
            with m.Default():
                m.d.comb += plain.eq(0)
        # the sign of a term without mantissa stays 0
        flip = Cat(Cat(sign & plain[P.term_bits * (i + 1) - 1], Const(0, P.term_bits - 1))
                   for i in range(2))
        m.d.comb += self.decoded.eq(plain ^ flip)
        selected = []
        for i in range(P.special_values):
            entry = Signal(2 * P.term_bits, name=f"entry_{i}", reset_less=True)
            with m.If(self.sv_write & (self.sv_index == i)):
                m.d.sync += entry.eq(self.decoded)
            selected.append(Mux(self.second, entry[P.term_bits:], entry[:P.term_bits]))
        m.d.comb += self.special.eq(Cat(selected))
        return m


def special_values(m: Module, ports: Any) -> SpecialValues:
    """The register file of a design, programmed through its ``ports``."""
    m.submodules.special_values = file = SpecialValues()
    m.d.comb += [file.sv_write.eq(ports.sv_write), file.sv_index.eq(ports.sv_index),
                 file.sv_value.eq(ports.sv_value)]
    return file


class TermLanes(wiring.Component):
    """One term of each of ``lanes`` weights; combinational.

    ``codes``: 8 bits a lane, ``floating``: FP4 codes in the low 4 bits, else integers.
    ``lines``: one line per term index (:func:`one_hot`). ``selector``: the group's special value
    among ``special``. ``terms``: 4 bits a lane, from the lowest: sign, exp (2), man. ``wide``
    (``--olive``): one bit a pair of lanes, whose terms count eightfold.
    """

    def __init__(self, p: BitmodTermGeneratorParameters) -> None:
        self.parameters = (p.lanes, p.flint, p.olive)
        self.lanes, self.flint, self.olive = p.lanes, p.flint, p.olive
        pairs = {"wide": Out(p.lanes // 2)} if p.olive else {}
        super().__init__({"codes": In(p.lanes * P.code_bits), "floating": In(1),
                          "lines": In(1 << INDEX_BITS), "selector": In(SELECTOR_BITS),
                          "special": In(P.special_values * P.term_bits),
                          "terms": Out(p.lanes * P.term_bits), **pairs})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chosen = Signal(P.term_bits)
        entry = one_hot(self.selector)
        words = [self.special.word_select(i, P.term_bits) & entry[i].replicate(P.term_bits)
                 for i in range(P.special_values)]
        m.d.comb += chosen.eq(words[0] | words[1] | words[2] | words[3])
        terms = []
        for lane in range(self.lanes):
            code = self.codes.word_select(lane, P.code_bits)
            outlier = Const(0, 1)
            if self.olive:
                outlier = Signal(name=f"lane_{lane}_outlier")
                m.d.comb += outlier.eq(self._is_victim(lane ^ 1))
            terms.append(self._lane(m, code, chosen, outlier, f"lane_{lane}"))
        m.d.comb += self.terms.eq(Cat(terms))
        if self.olive:
            m.d.comb += self.wide.eq(Cat(
                self.codes[P.code_bits * lane + PAIR_BIT] & self.floating
                & (self.lines[1] | self._is_victim(lane) | self._is_victim(lane + 1))
                for lane in range(0, self.lanes, 2)))
        return m

    def _is_victim(self, lane: int) -> Value:
        """Of pairs: whether a lane's weight is 0 and the other one of its pair is an outlier."""
        return self.codes.word_select(lane, P.code_bits)[:4] == VICTIM

    def _lane(self, m: Module, code: Value, chosen: Signal, outlier: Value, name: str) -> Signal:
        # FP4
        c0, c1, c2, negative = code[0], code[1], code[2], code[3]
        low, high, second = c2 & ~c1, c2 & c1, c0
        if self.flint:      # 8 in the place of 6: term 0 alone, its exponent 3
            eight = Signal(name=f"{name}_eight")
            m.d.comb += eight.eq(code[4] & c2 & c1 & c0)
            low, second = low | eight, c0 & ~eight
        basic = Cat(negative, low, high, Mux(self.lines[0], c2 | c1, second))
        is_special = Signal(name=f"{name}_is_special")
        m.d.comb += is_special.eq(negative & ~(c0 | c1 | c2))
        # Booth: the digit is -2 high + middle + low
        padded = Cat(Const(0, 1), code)
        digit = Signal(3, name=f"{name}_digit")
        parts = [padded[2 * i:2 * i + 3] & self.lines[i].replicate(3)
                 for i in range(P.code_bits // 2)]
        m.d.comb += digit.eq(parts[0] | parts[1] | parts[2] | parts[3])
        low, middle, high = digit
        two = ~(low ^ middle)
        booth = Cat(high, two, Const(0, 1), (high ^ middle) | ~two)
        term = Signal(P.term_bits, name=f"{name}_term")
        floating: Value = self.floating
        special: Value = chosen
        if self.olive:
            pair = code[PAIR_BIT]
            # a victim is nothing; a normal weight is an integer
            special = chosen & (~pair).replicate(P.term_bits)
            basic = Mux(pair, Cat(negative, c1, c2, self.lines[0] | c0), basic)
            floating = floating & (~pair | outlier | is_special)
        m.d.comb += term.eq(Mux(floating, Mux(is_special, special, basic), booth))
        return term


class BitmodTermGenerator(Design[BitmodTermGeneratorParameters]):
    """Term generator of one column: ``terms`` of the weights ``codes`` for the term ``index``.

    See :class:`TermLanes` and :class:`SpecialValues` for the ports. ``bsig`` is the significance
    that the terms share: value = sum over the indices of (-1)**sign * 2**(exp + bsig) * man, times
    8 where the pair of lanes is ``wide``.
    A weight takes 2 indices (FP3, FP4) or ceil(bits / 2). Combinational but for programming.
    """

    def __init__(self, p: BitmodTermGeneratorParameters) -> None:
        super().__init__(p, {
            **{name: In(field) for name, field in special_value_ports().items()},
            "codes": In(Field(P.code_bits, code_note(p), name="code", axes={"lane": p.lanes})),
            "floating": In(flag("codes are FP3 or FP4, not integers")),
            "selector": In(Field(SELECTOR_BITS, "special value of the group", name="unsigned")),
            "index": In(Field(INDEX_BITS, "number of the term", name="unsigned")),
            "terms": Out(term_field(p.lanes)), "bsig": Out(bsig_field()),
            **({"wide": Out(wide_field(p.lanes))} if p.olive else {})})

    def timing(self) -> Timing:
        return Timing(0, 1, "codes to terms, combinational; programming a special value takes a "
                      "cycle", {"max_terms": P(lanes=1).max_terms})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        special = special_values(m, self)
        m.submodules.lanes = lanes = TermLanes(self.parameters)
        lines = Signal(1 << INDEX_BITS)
        m.d.comb += [
            lines.eq(one_hot(self.index)),
            special.second.eq(self.index[0]),
            lanes.codes.eq(self.codes), lanes.floating.eq(self.floating), lanes.lines.eq(lines),
            lanes.selector.eq(self.selector), lanes.special.eq(special.special),
            self.terms.eq(lanes.terms), self.bsig.eq(shared_significance(lines, self.floating))]
        if self.parameters.olive:
            m.d.comb += self.wide.eq(lanes.wide)
        return m
