"""Activations as the signed integers that table sums are made of."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import LutParameters

__all__ = ["AlignActivation", "term_bits"]


def term_bits(p: LutParameters) -> int:
    """Bits of an activation as the signed integer that the sums are made of."""
    fmt = p.activation
    if not isinstance(fmt, FloatFormat):
        return fmt.bits
    return (p.guard_bits if p.is_aligned else fmt.precision + fmt.max_exponent_field - 1) + 1


class AlignActivation(wiring.Component):
    """One floating activation as a signed integer (combinational).

    Aligned: in units that the shared ``exponent`` gives, truncated toward zero below the guard.
    Float: in units of the format's smallest subnormal, exact. ``finite`` is low for inf and NaN.
    """

    def __init__(self, p: LutParameters) -> None:
        self.parameters = p
        members = {"code": In(p.activation.bits), "term": Out(term_bits(p)), "finite": Out(1)}
        if p.is_aligned:
            members["exponent"] = In(p.exponent_bits)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        fmt = p.activation
        assert isinstance(fmt, FloatFormat)
        fraction = self.code[:fmt.mbits]
        field = self.code[fmt.mbits:-1]
        normal = field.any()
        significand = Cat(fraction, normal)
        top = field.all() & fraction.all() if fmt.fn else field.all()
        place = Signal(fmt.ebits)
        m.d.comb += [self.finite.eq(~top), place.eq(Cat(field[0] | ~normal, field[1:]))]
        magnitude = Signal(term_bits(p) - 1)
        if p.is_aligned:
            shift = Signal(fmt.ebits)
            m.d.comb += shift.eq(self.exponent - place)
            full = Cat(Const(0, p.guard_bits - fmt.precision), significand)
            m.d.comb += magnitude.eq(full >> shift)
        else:
            m.d.comb += magnitude.eq(significand << (place - 1)[:fmt.ebits])
        m.d.comb += self.term.eq(Mux(self.code[-1], -magnitude, magnitude))
        return m
