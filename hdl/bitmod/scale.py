"""Group sum times 8-bit scale, rounded once to FP32: one a cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.parameters import BitmodPeParameters
from lowbit.golden.formats import FP32

from ..common.normalize import MagnitudeToFloat
from .pe import BitmodPe
from .streams import SCALE_BITS

__all__ = ["GroupScale", "GroupSum"]


class GroupSum:
    def __init__(self, p):
        pe = BitmodPe(p)
        pe._MustUse__used = True
        self.magnitude_bits, self.exponent_bits = len(pe.magnitude), len(pe.exponent)
        self.unit = pe.unit
        self.bits = 1 + self.magnitude_bits + self.exponent_bits


class GroupScale(wiring.Component):
    """``scaled`` = RN(total * scale) as FP32 code, two cycles later. Registers without enable."""

    def __init__(self, p: BitmodPeParameters) -> None:
        self.parameters = p
        shape = GroupSum(p)
        self.magnitude_bits, self.exponent_bits = shape.magnitude_bits, shape.exponent_bits
        self.unit = shape.unit
        super().__init__({"total": In(shape.bits), "scale": In(SCALE_BITS),
                          "scaled": Out(FP32.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low = self.unit
        high = low + (1 << self.exponent_bits) - 1
        m.submodules.round = finish = MagnitudeToFloat(
            FP32, self.magnitude_bits + SCALE_BITS, (low, high))
        sign, magnitude = self.total[0], self.total[1:1 + self.magnitude_bits]
        exponent = self.total[1 + self.magnitude_bits:]
        for target, value in ((finish.sign, sign), (finish.magnitude, magnitude * self.scale),
                              (finish.exponent, exponent + low)):
            register = Signal(target.shape(), name=f"{target.name}_scaled", reset_less=True)
            m.d.sync += register.eq(value)
            m.d.comb += target.eq(register)
        code = Signal(FP32.bits, reset_less=True)
        m.d.sync += code.eq(finish.code)
        m.d.comb += self.scaled.eq(code)
        return m
