"""First level of the scales, as tiles have it: group sum times 8-bit scale, one a cycle.

The results are those of :mod:`.dequant`, the paper's bit-serial form, which stands alone.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters
from lowbit.golden.formats import FP32

from ..common.adders import Adders
from ..common.normalize import MagnitudeToFloat
from ..common.pipeline import register
from ..common.struct import StructComponent
from .accumulate import GroupSum, group_magnitude
from .streams import SCALE_BITS

__all__ = ["GroupScale"]


class GroupScale(StructComponent):
    """``scaled`` = RN(total * scale) as FP32 code, two cycles later; a product of zero is +0.

    ``total``: ``operand`` of :class:`.accumulate.GroupSum`. Takes one each cycle: the bit-serial
    unit of the paper needs eight cycles, this one multiplier serves a whole column of PEs.
    """

    def __init__(self, p: BitmodPeParameters) -> None:
        self.parameters = p
        self.shape = GroupSum(p)
        super().__init__({"total": In(self.shape.operand), "scale": In(SCALE_BITS),
                          "scaled": Out(FP32.bits)})

    def elaborate(self, platform: object) -> Module:
        m, shape = Module(), self.shape
        adders = Adders(self.parameters.adder)
        sign = self.total.word[-1]
        magnitude = group_magnitude(m, adders, self.total)[:shape.magnitude_bits]
        m.submodules.round = finish = MagnitudeToFloat(
            FP32, len(magnitude) + SCALE_BITS, shape.exponents, adders=adders)
        operands: list[tuple[Signal, Value]] = [(finish.sign, sign),
                                                (finish.magnitude, magnitude * self.scale)]
        if shape.max_exponent:
            operands.append((finish.exponent, shape.exponent(self.total.exponent)))
        for target, value in operands:
            m.d.comb += target.eq(register(m, value, f"{target.name}_scaled",
                                           shape=target.shape()))
        m.d.comb += self.scaled.eq(register(m, finish.code, "code"))
        return m
