"""L-Mul, the multiplier that only adds (:mod:`lowbit.golden.baselines.l_mul`)."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.baselines.l_mul import offset_bits
from lowbit.golden.formats import FloatFormat

from ..common.adders import RIPPLE, Adders
from ..common.fp_round import is_special

__all__ = ["LMul"]


class LMul(Component):
    """``product`` = exponents and fractions of ``a`` and ``b`` added as integers, less the bias,
    plus an offset; see :func:`lowbit.golden.baselines.l_mul.l_mul` for zeros, overflow and NaN.

    Parameters: ``fmt`` of operands and result; ``adders``. Combinational.
    """

    def __init__(self, fmt: FloatFormat, adders: Adders = RIPPLE) -> None:
        self.fmt, self.adders = fmt, adders
        #: identity of the hardware, for modules that are emitted once and shared
        self.parameters = (fmt, adders)
        super().__init__({"a": In(fmt.bits), "b": In(fmt.bits), "product": Out(fmt.bits)})

    def elaborate(self, platform: object) -> Module:
        m, fmt = Module(), self.fmt
        top, mbits = fmt.bits - 1, fmt.mbits
        magnitude, carry = self.adders.add(m, self.a[:top], self.b[:top], Const(0, 1),
                                           name="magnitude")
        # two's complement of what is subtracted, one bit more than the sum for the sign
        width = top + 2
        subtracted = (fmt.bias << mbits) - ((1 << mbits) >> offset_bits(fmt))
        total, _ = self.adders.add(m, Cat(magnitude, carry, Const(0, 1)),
                                   Const((1 << width) - subtracted, width), Const(0, 1),
                                   name="total")
        nan = Signal()
        zero = Signal()
        beyond = Signal()
        largest = total[:top].all() if fmt.fn else total[mbits:top].all()
        m.d.comb += [
            nan.eq(is_special(fmt, self.a) | is_special(fmt, self.b)),
            zero.eq(~self.a[mbits:top].any() | ~self.b[mbits:top].any() | total[-1]
                    | ~total[mbits:].any()),
            beyond.eq(~total[-1] & (total[top] | largest))]
        code = Mux(beyond, Const(fmt.inf, top), total[:top])
        sign = (self.a[top] ^ self.b[top]) & ~(beyond & fmt.fn)
        result = Mux(zero, Const(0, fmt.bits), Cat(code, sign))
        m.d.comb += self.product.eq(Mux(nan, Const(fmt.nan, fmt.bits), result))
        return m
