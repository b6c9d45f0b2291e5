"""Floating-point adder: one path, exact subnormals, rounded once to nearest even."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FloatFormat

from .adders import RIPPLE, Adders
from .fp_round import is_special, round_and_pack, significand
from .lzc import normalize_left, shift_right_sticky
from .pipeline import named, register

__all__ = ["FpAdd"]


class FpAdd(Component):
    """``sum = RNE(a + b)`` in one format.

    Subnormals are exact. Any NaN operand, and inf - inf, gives the canonical NaN; an exact zero
    is +0, also of two negative zeros; overflow gives an infinity (in an ``fn`` format its NaN).

    Parameters: ``fmt``; ``stages`` 0 (combinational), 1 (one register between the significand
    addition and the normaliser; ``en`` high lets it advance) or 2 (one more between the alignment
    and the addition); ``style`` ``"small"``
    (searching normaliser) or ``"fast"`` (both exponent differences at once, prefix adder, counting
    normaliser); ``adders``: the form of all others.

    Ports: ``a``, ``b``, ``sum`` codes of ``fmt``; ``en`` with stages. Latency: ``stages``.
    """

    def __init__(self, fmt: FloatFormat, stages: int = 0, style: str = "small",
                 adders: Adders = RIPPLE) -> None:
        if stages not in (0, 1, 2):
            raise ValueError(f"stages must be 0, 1 or 2; got {stages}")
        if style not in ("small", "fast"):
            raise ValueError(f"style must be 'small' or 'fast'; got {style!r}")
        self.fmt, self.stages, self.style, self.adders = fmt, stages, style, adders
        #: identity of the hardware, for modules that are emitted once and shared
        self.parameters = (fmt, stages, style, adders)
        ports = {"a": In(fmt.bits), "b": In(fmt.bits), "sum": Out(fmt.bits)}
        if stages:
            ports["en"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fmt, fast = self.fmt, self.style == "fast"
        mbits, top = fmt.mbits, fmt.bits - 1

        # order the operands by magnitude: the difference is never negative
        swap = Signal()
        m.d.comb += swap.eq(self.adders.less(m, self.a[:top], self.b[:top], name="swap"))
        big = Signal(fmt.bits)
        small = Signal(fmt.bits)
        m.d.comb += [big.eq(Mux(swap, self.b, self.a)), small.eq(Mux(swap, self.a, self.b))]
        subtract = Signal()
        m.d.comb += subtract.eq(self.a[top] ^ self.b[top])

        if fast:
            distance = Signal(fmt.ebits)
            forward = self._distance(m, self.a, self.b, "forward")
            backward = self._distance(m, self.b, self.a, "backward")
            m.d.comb += distance.eq(Mux(swap, backward, forward))
        else:
            distance = self._distance(m, big, small, "distance")

        # guard and round places, then one sticky place: enough, because a shift by two or more
        # leaves at most one leading zero to a difference
        high, low = significand(fmt, big), significand(fmt, small)
        shifted, sticky = shift_right_sticky(m, Cat(Const(0, 2), low), distance)
        low_special = small[mbits:top].all()
        if self.stages == 2:
            big, subtract, shifted, sticky, low_special = (
                register(m, value, name, enable=self.en) for name, value in (
                    ("big_held", big), ("subtract_held", subtract), ("shifted_held", shifted),
                    ("sticky_held", sticky), ("special_held", low_special)))
            high = significand(fmt, big)
        aligned = Signal(fmt.precision + 3)
        m.d.comb += aligned.eq(Cat(sticky, shifted) ^ subtract.replicate(fmt.precision + 3))
        augend = Cat(Const(0, 3), high)
        if fast:
            added = Signal(fmt.precision + 4)
            m.d.comb += added.eq(augend + aligned + subtract)
            total, carry = added[:-1], added[-1]
        else:
            total, carry = self.adders.add(m, augend, aligned, subtract, name="significand")

        special = is_special(fmt, big)
        if fmt.fn:
            nan, infinite = special, Const(0, 1)
        else:
            nan = special & (big[:mbits].any() | (subtract & low_special))
            infinite = special
        # the exponent field of the place below the carry; a subnormal counts as 1
        exponent = big[mbits:top] | ~big[mbits:top].any()
        # the two halves meet here, in a register or in wires of the same names
        word, exponent, sign, infinite, nan = (
            register(m, value, name, enable=self.en) if self.stages else named(m, value, name)
            for name, value in (
                ("word", Cat(total, carry & ~subtract)), ("exponent", exponent),
                ("sign", big[top]), ("infinite", infinite), ("nan", nan)))

        word, remaining = normalize_left(m, word, exponent,
                                         method="count" if fast else "search")
        # a sum of two IEEE numbers never rounds up beyond the infinity's exponent field
        code = round_and_pack(m, fmt, sign, word, remaining, infinite=infinite, nan=nan,
                              field_bits=fmt.ebits + fmt.fn, adders=self.adders)
        m.d.comb += self.sum.eq(code)
        return m

    def _distance(self, m: Module, big: Value, small: Value, name: str) -> Signal:
        """Difference of the exponents, subnormals counting as 1 (modulo 2**ebits)."""
        mbits, top = self.fmt.mbits, self.fmt.bits - 1
        high, low = big[mbits:top], small[mbits:top]
        only_low_subnormal = high.any() & ~low.any()
        return self.adders.add(m, high, ~low, ~only_low_subnormal, name=name)[0]
