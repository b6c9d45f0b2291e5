"""Activations as the signed integers that table sums are made of."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.coded_integers import CodedInt
from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import LutParameters

from ..common.adders import Adders
from ..common.aligner import Aligner

__all__ = ["AlignActivation", "decoded", "term_bits", "top_bits"]


def term_bits(p: LutParameters) -> int:
    """Bits of an activation as the signed integer that the sums are made of."""
    fmt = p.activation
    if not isinstance(fmt, FloatFormat):
        return fmt.bits
    return (p.row_scale.term_bits if p.is_aligned else fmt.precision + fmt.max_exponent_field - 1) \
        + 1


def top_bits(p: LutParameters) -> int:
    """Bits of the exponent field at which significands fill an aligned activation."""
    return (p.largest_exponent + p.row_scale.top).bit_length()


def decoded(m: Module, fmt: CodedInt, code: Value, name: str) -> Signal:
    """The integer of a port code, two's complement."""
    term = Signal(fmt.bits, name=name)
    with m.Switch(code):
        for value, meant in enumerate(fmt.values):
            with m.Case(value):
                m.d.comb += term.eq(Const(meant, fmt.bits))
    return term


class AlignActivation(wiring.Component):
    """One floating activation as a signed integer (combinational).

    Aligned: rounded, in units that ``top`` gives (:class:`~lowbit.hdl.common.aligner.Aligner`).
    Where it can be too large, ``clipped`` says so, and ``magnitude`` is there to be summed. Float:
    in units of the format's smallest subnormal, exact. ``finite`` is low for inf and NaN, which
    count as 0 where aligned.
    """

    def __init__(self, p: LutParameters) -> None:
        self.parameters = p
        members = {"code": In(p.activation.bits), "term": Out(term_bits(p)), "finite": Out(1)}
        if p.is_aligned:
            members["top"] = In(top_bits(p))
        if p.can_saturate:
            members |= {"magnitude": Out(term_bits(p) - 1), "clipped": Out(1)}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        fmt = p.activation
        assert isinstance(fmt, FloatFormat)
        magnitude = Signal(term_bits(p) - 1)
        negative: Value = self.code[-1]
        if p.is_aligned:
            m.submodules.aligner = aligner = Aligner(fmt, len(magnitude), top_bits(p),
                                                     Adders(p.adder))
            m.d.comb += [aligner.code.eq(self.code), aligner.top.eq(self.top),
                         magnitude.eq(aligner.magnitude), self.finite.eq(aligner.finite)]
            negative = aligner.negative
            if p.can_saturate:
                m.d.comb += [self.magnitude.eq(magnitude), self.clipped.eq(aligner.clipped)]
        else:
            fraction, field = self.code[:fmt.mbits], self.code[fmt.mbits:-1]
            normal = field.any()
            special = field.all() & fraction.all() if fmt.fn else field.all()
            place = Signal(fmt.ebits)
            m.d.comb += [self.finite.eq(~special),
                         place.eq(Cat(field[0] | ~normal, field[1:])),
                         magnitude.eq(Cat(fraction, normal) << (place - 1)[:fmt.ebits])]
        m.d.comb += self.term.eq(Mux(negative, -magnitude, magnitude))
        return m
