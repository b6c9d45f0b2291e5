"""First level of the scales, as tiles have it: group sum times 8-bit scale, one a cycle.

The results are those of :mod:`.dequant`, the paper's bit-serial form, which stands alone.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters
from lowbit.golden.formats import FP32
from lowbit.golden.group_scale import SCALE_KINDS

from ..common.adders import Adders
from ..common.fp_operand import factor, factor_bits, factor_exponents
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

    ``kind`` of the scale (:data:`lowbit.golden.group_scale.SCALE_KINDS`): E8M0 only adds to the
    exponent, E4M3 has a multiplier of four bits; their NaN gives NaN.
    """

    def __init__(self, p: BitmodPeParameters, kind: str = "int8") -> None:
        self.parameters, self.format = p, SCALE_KINDS[kind]
        self.shape = GroupSum(p)
        super().__init__({"total": In(self.shape.operand), "scale": In(SCALE_BITS),
                          "scaled": Out(FP32.bits)})

    def elaborate(self, platform: object) -> Module:
        m, shape = Module(), self.shape
        adders = Adders(self.parameters.adder)
        sign = self.total.word[-1]
        magnitude = group_magnitude(m, adders, self.total)[:shape.magnitude_bits]
        low, high = shape.exponents
        least, most = factor_exponents(self.format)
        narrow = self.format.is_float
        m.submodules.round = finish = MagnitudeToFloat(
            FP32, len(magnitude) + factor_bits(self.format), (low + least, high + most),
            specials=narrow, adders=adders)
        scale = factor(self.format, self.scale)
        operands: list[tuple[Signal, Value]] = [
            (finish.sign, sign ^ scale.sign if narrow else sign),
            (finish.magnitude, magnitude * scale.significand if factor_bits(self.format)
             else magnitude)]
        if shape.max_exponent or narrow:
            exponent = shape.exponent(self.total.exponent) if shape.max_exponent else shape.unit
            operands.append((finish.exponent, exponent + (scale.exponent + least) if narrow
                             else Value.cast(exponent)))
        if narrow:
            operands.append((finish.nan, scale.nan))
        for target, value in operands:
            m.d.comb += target.eq(register(m, value, f"{target.name}_scaled",
                                           shape=target.shape()))
        m.d.comb += self.scaled.eq(register(m, finish.code, "code"))
        return m
