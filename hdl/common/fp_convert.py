"""Conversion between floating-point formats."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FloatFormat

from .adders import RIPPLE, Adders
from .fp_round import is_infinite, is_nan, round_and_pack, significand
from .lzc import shift_right_sticky
from .normalize import MagnitudeToFloat

__all__ = ["FpConvert"]


class FpConvert(Component):
    """``result = RNE(code)`` in another format.

    Exact where the destination has the range and the precision; otherwise rounded once, with
    subnormal results and overflow to an infinity. Infinities keep their sign (an ``fn`` format
    has its NaN with that sign for both), every NaN becomes the canonical one, both zeros become
    +0; a number that rounds to zero keeps its sign.

    Ports: ``code`` of ``src``, ``result`` of ``dst``. Combinational.
    """

    def __init__(self, src: FloatFormat, dst: FloatFormat, adders: Adders = RIPPLE) -> None:
        self.src, self.dst, self.adders = src, dst, adders
        #: identity of the hardware, for modules that are emitted once and shared
        self.parameters = (src, dst, adders)
        super().__init__({"code": In(src.bits), "result": Out(dst.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        src, dst = self.src, self.dst
        field = self.code[src.mbits:-1]
        word = significand(src, self.code)
        infinite, nan = is_infinite(src, self.code), is_nan(src, self.code)
        # exponents of the smallest normal numbers: src is `drop` binades longer at the bottom
        drop = dst.emin + dst.mbits - (src.emin + src.mbits)
        if drop < 0:
            # subnormals of src may be normal in dst: a full normaliser
            low = src.emin
            high = low + src.max_exponent_field - 1
            m.submodules.finish = finish = MagnitudeToFloat(dst, src.precision, (low, high),
                                                            specials=True, adders=self.adders)
            m.d.comb += [
                finish.sign.eq(self.code[-1]), finish.magnitude.eq(word),
                finish.exponent.eq(field - word[-1] + low),
                finish.infinite.eq(infinite), finish.nan.eq(nan),
                self.result.eq(finish.code),
            ]
            return m
        # field of dst less one, of the word's top bit; negative: the word moves right
        remaining = Signal(src.ebits, name="remaining")
        sticky: Value = Const(0, 1)
        base = Signal(src.ebits, name="base")
        m.d.comb += base.eq(Mux(word[-1], field - 1, 0))
        if drop == 0:
            m.d.comb += remaining.eq(base)
        else:
            normal = Signal()
            m.d.comb += [normal.eq(base >= drop), remaining.eq(Mux(normal, base - drop, 0))]
            amount = Signal(drop.bit_length())
            m.d.comb += amount.eq(Mux(normal, 0, drop - base))
            # down to the guard place: only what leaves that goes into sticky
            guarded = Cat(Const(0, max(0, dst.precision + 1 - src.precision)), word)
            # `far` of the shifter says sticky for a zero word too: mask it
            word, sticky = shift_right_sticky(m, guarded, amount)
            sticky = sticky & self.code[:-1].any()
        highest = src.max_exponent_field - 1 - drop
        code = round_and_pack(m, dst, self.code[-1], word, remaining, sticky=sticky,
                              infinite=infinite, nan=nan,
                              overflow=highest + 2 > dst.max_exponent_field, adders=self.adders)
        m.d.comb += self.result.eq(code)
        return m
