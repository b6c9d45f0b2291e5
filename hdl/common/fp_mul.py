"""Floating-point multiplier: exact product, rounded once to nearest even."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FactorFormat, FloatFormat

from .adders import RIPPLE, Adders
from .fp_operand import factor, factor_bits, factor_exponents
from .normalize import MagnitudeToFloat
from .pipeline import register

__all__ = ["FpMul"]


class FpMul(Component):
    """``product = RNE(a * b)``; the three formats may differ.

    Subnormals are exact at the inputs and rounded as such at the output; 0 * inf and any NaN
    give the canonical NaN, overflow an infinity (in an ``fn`` format its NaN). A product that is
    exactly zero is +0; one that rounds to zero keeps its sign. Logic that the formats rule out
    is not built: FP16 * FP16 to FP32 has neither overflow nor subnormal results.

    Parameters: ``fmt_a``, ``fmt_b``, ``fmt_out``, of which ``fmt_b`` may be a power of two too
    (E8M0: no multiplier is built), an unsigned integer or a product of scales; ``stages`` 0, or 1
    (a register after the significand product, advancing with ``en``); ``adders``.

    Ports: ``a``, ``b``, ``product``; ``en`` with ``stages=1``. Latency: ``stages``.
    """

    def __init__(self, fmt_a: FloatFormat, fmt_b: FactorFormat, fmt_out: FloatFormat,
                 stages: int = 0, adders: Adders = RIPPLE) -> None:
        if stages not in (0, 1):
            raise ValueError(f"stages must be 0 or 1; got {stages}")
        self.fmt_a, self.fmt_b, self.fmt_out, self.stages = fmt_a, fmt_b, fmt_out, stages
        #: identity of the hardware, for modules that are emitted once and shared
        self.adders = adders
        self.parameters = (fmt_a, fmt_b, fmt_out, stages, adders)
        (low_a, high_a), (low_b, high_b) = factor_exponents(fmt_a), factor_exponents(fmt_b)
        self.exponent_range = (low_a + low_b, high_a + high_b)
        ports = {"a": In(fmt_a.bits), "b": In(fmt_b.bits), "product": Out(fmt_out.bits)}
        if stages:
            ports["en"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fmt_a, fmt_b = self.fmt_a, self.fmt_b
        m.submodules.finish = finish = MagnitudeToFloat(
            self.fmt_out, fmt_a.precision + factor_bits(fmt_b), self.exponent_range, specials=True,
            adders=self.adders)
        a, b = factor(fmt_a, self.a), factor(fmt_b, self.b)
        infinite = a.infinite | b.infinite
        nan = a.nan | b.nan | (infinite & (~a.nonzero | ~b.nonzero))
        product = a.significand * b.significand if factor_bits(fmt_b) else a.significand
        values: list[tuple[Signal, Value]] = [
            (finish.sign, a.sign ^ b.sign),
            (finish.magnitude, product),
            (finish.exponent, a.exponent + b.exponent + finish.low),
            (finish.infinite, infinite),
            (finish.nan, nan),
        ]
        for target, value in values:
            if self.stages:
                value = register(m, value, f"{target.name}_held", enable=self.en,
                                 shape=target.shape())
            m.d.comb += target.eq(value)
        m.d.comb += self.product.eq(finish.code)
        return m
