"""Floating-point multiplier: exact product, rounded once to nearest even."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FloatFormat

from .adders import RIPPLE, Adders
from .fp_round import is_infinite, is_nan, significand
from .normalize import MagnitudeToFloat
from .pipeline import register

__all__ = ["FpMul"]


class FpMul(Component):
    """``product = RNE(a * b)``; the three formats may differ.

    Subnormals are exact at the inputs and rounded as such at the output; 0 * inf and any NaN
    give the canonical NaN, overflow an infinity (in an ``fn`` format its NaN). A product that is
    exactly zero is +0; one that rounds to zero keeps its sign. Logic that the formats rule out
    is not built: FP16 * FP16 to FP32 has neither overflow nor subnormal results.

    Parameters: ``fmt_a``, ``fmt_b``, ``fmt_out``; ``stages`` 0, or 1 (a register after the
    significand product, advancing with ``en``); ``adders``.

    Ports: ``a``, ``b``, ``product``; ``en`` with ``stages=1``. Latency: ``stages``.
    """

    def __init__(self, fmt_a: FloatFormat, fmt_b: FloatFormat, fmt_out: FloatFormat,
                 stages: int = 0, adders: Adders = RIPPLE) -> None:
        if stages not in (0, 1):
            raise ValueError(f"stages must be 0 or 1; got {stages}")
        self.fmt_a, self.fmt_b, self.fmt_out, self.stages = fmt_a, fmt_b, fmt_out, stages
        #: identity of the hardware, for modules that are emitted once and shared
        self.adders = adders
        self.parameters = (fmt_a, fmt_b, fmt_out, stages, adders)
        low = fmt_a.emin + fmt_b.emin
        high = low + fmt_a.max_exponent_field + fmt_b.max_exponent_field - 2
        self.exponent_range = (low, high)
        ports = {"a": In(fmt_a.bits), "b": In(fmt_b.bits), "product": Out(fmt_out.bits)}
        if stages:
            ports["en"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fmt_a, fmt_b = self.fmt_a, self.fmt_b
        m.submodules.finish = finish = MagnitudeToFloat(
            self.fmt_out, fmt_a.precision + fmt_b.precision, self.exponent_range, specials=True,
            adders=self.adders)
        a, b = significand(fmt_a, self.a), significand(fmt_b, self.b)
        # the field of a subnormal counts as 1, as the field 1 does
        exponent_a = self.a[fmt_a.mbits:-1] - a[-1]
        exponent_b = self.b[fmt_b.mbits:-1] - b[-1]
        infinite = is_infinite(fmt_a, self.a) | is_infinite(fmt_b, self.b)
        nan = (is_nan(fmt_a, self.a) | is_nan(fmt_b, self.b)
               | (infinite & (~self.a[:-1].any() | ~self.b[:-1].any())))
        values: list[tuple[Signal, Value]] = [
            (finish.sign, self.a[-1] ^ self.b[-1]),
            (finish.magnitude, a * b),
            (finish.exponent, exponent_a + exponent_b + finish.low),
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
