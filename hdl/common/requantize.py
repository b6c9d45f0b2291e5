"""Sums of integers back to eight bits (:mod:`lowbit.golden.requantize`): a pipeline."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import INT8
from lowbit.golden.requantize import MULTIPLIER_BITS, SHIFT_BITS, STAGES

from .field import Field
from .pipeline import delayed, register

__all__ = ["Requantize", "requantizer_fields"]

#: bits of a multiplier that are multiplied by themselves
_LOW = 16
#: bits that decide a result before its zero point is added
_NEAR = 10


def requantizer_fields(axes: dict[str, int]) -> dict[str, Field]:
    """Fields of a stream of what columns are scaled by."""
    return {"multiplier": Field(MULTIPLIER_BITS, "result = sum * multiplier / 2**shift + zero",
                                name="unsigned", axes=axes),
            "shift": Field(SHIFT_BITS, "shifts, 0..62", name="unsigned", axes=axes),
            "zero": Field(INT8, "zero points of the results", axes=axes)}


class Requantize(wiring.Component):
    """``result`` = clamp(round_half_up(total * multiplier / 2**shift) + zero), :attr:`STAGES`
    cycles later; ``enable`` holds all of it. All inputs belong to one cycle.

    The stages: products with both halves of the multiplier, their sum, the shift, the rest.
    """

    #: cycles
    STAGES = STAGES

    def __init__(self, bits: int) -> None:
        self.parameters = bits
        super().__init__({
            "enable": In(1), "total": In(signed(bits)), "multiplier": In(MULTIPLIER_BITS),
            "shift": In(SHIFT_BITS), "zero": In(signed(INT8.bits)),
            "result": Out(signed(INT8.bits))})

    def elaborate(self, platform: object) -> Module:
        m, bits = Module(), self.parameters
        low = register(m, self.total * self.multiplier[:_LOW], "product_low", enable=self.enable)
        high = register(m, self.total * self.multiplier[_LOW:], "product_high",
                        enable=self.enable)
        width = bits + MULTIPLIER_BITS
        product = Signal(signed(width), name="sum_of_products")
        m.d.comb += product.eq(low + (high << _LOW))
        product = register(m, product, "product", enable=self.enable)
        # one place lower, for the bit below the result: it is what rounds half up
        shifted = Signal(signed(width + 1))
        shift = delayed(m, self.shift, 2, "shift_at", enable=self.enable)
        m.d.comb += shifted.eq(Cat(Const(0, 1), product).as_signed() >> shift)
        # far from zero is as good as nearer, beyond what a zero point brings back
        near = Signal(signed(_NEAR))
        above, sign = shifted[_NEAR:], shifted[-1]
        is_far = Signal()
        m.d.comb += [is_far.eq(above != sign.replicate(len(above))),
                     near.eq(Mux(is_far, Cat((~sign).replicate(_NEAR - 1), sign),
                                 shifted[1:_NEAR + 1]))]
        rounds = register(m, shifted[0] & ~is_far, "rounds", enable=self.enable)
        near = register(m, near, "near", enable=self.enable)
        zero = delayed(m, self.zero, 3, "zero_at", enable=self.enable)
        moved = Signal(signed(_NEAR + 2))
        m.d.comb += moved.eq(near + rounds + zero)
        clamped = Signal(signed(INT8.bits))
        m.d.comb += clamped.eq(Mux(moved > INT8.high, INT8.high,
                                   Mux(moved < INT8.low, INT8.low, moved)))
        m.d.comb += self.result.eq(register(m, clamped, "held", enable=self.enable))
        return m
