"""Exact sum of several floating-point numbers, rounded once."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FloatFormat

from .adders import RIPPLE, Adders, adder_tree
from .fp_round import is_infinite, is_nan, significand
from .normalize import MagnitudeToFloat

__all__ = ["FpSum"]


class FpSum(Component):
    """``sum = RNE(x_0 + ... + x_{n-1})``: exact in fixed point, one rounding.

    Every operand is placed in a fixed-point window, so the cost grows with the exponent range:
    41 places for FP16, about 260 for BF16 and 280 for FP32 (correct, and big). Where the caller
    knows more, ``lsb`` and ``msb`` narrow the window: every finite operand must be a multiple of
    ``2**lsb`` and smaller in magnitude than ``2**(msb + 1)``; others give a wrong sum.

    NaN operands, and infinities of both signs, give the canonical NaN; infinities of one sign
    give that infinity. An exact zero is +0.

    Parameters: ``fmt_in``, ``n``, ``fmt_out``, ``lsb``, ``msb`` (exponents; default the whole
    format). Ports: ``operands``, the codes, operand 0 lowest; ``sum``. Combinational.
    """

    def __init__(self, fmt_in: FloatFormat, n: int, fmt_out: FloatFormat, *,
                 lsb: int | None = None, msb: int | None = None,
                 adders: Adders = RIPPLE) -> None:
        if n < 1:
            raise ValueError(f"n must be at least 1; got {n}")
        whole_msb = fmt_in.emin + fmt_in.mbits + fmt_in.max_exponent_field - 1
        self.lsb = fmt_in.emin if lsb is None else max(lsb, fmt_in.emin)
        self.msb = whole_msb if msb is None else min(msb, whole_msb)
        if self.lsb > self.msb:
            raise ValueError(f"lsb must not exceed msb; got {self.lsb} and {self.msb}")
        self.fmt_in, self.n, self.fmt_out, self.adders = fmt_in, n, fmt_out, adders
        #: identity of the hardware, for modules that are emitted once and shared
        self.parameters = (fmt_in, n, fmt_out, self.lsb, self.msb, adders)
        super().__init__({"operands": In(n * fmt_in.bits), "sum": Out(fmt_out.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fmt = self.fmt_in
        width = self.msb - self.lsb + 1
        terms: list[Value] = []
        flags: dict[str, list[Value]] = {"nan": [], "plus": [], "minus": []}
        for i in range(self.n):
            code = Signal(fmt.bits, name=f"operand_{i}")
            m.d.comb += code.eq(self.operands.word_select(i, fmt.bits))
            word = self._place(m, code, width, i)
            term = Signal(signed(width + 1), name=f"term_{i}")
            # one's complement; the ones that complete the negation are added at the end
            m.d.comb += term.eq((Cat(word, Const(0, 1)) ^ code[-1].replicate(width + 1))
                                .as_signed())
            terms += [term, code[-1]]
            flags["nan"].append(is_nan(fmt, code))
            flags["plus"].append(is_infinite(fmt, code) & ~code[-1])
            flags["minus"].append(is_infinite(fmt, code) & code[-1])
        any_nan, plus, minus = (Cat(bits).any() for bits in flags.values())

        negatives = adder_tree(terms[1::2])
        # n terms below 2**width in magnitude
        bits = width + self.n.bit_length() + 1
        total = Signal(signed(bits))
        m.d.comb += total.eq(adder_tree([*terms[::2], negatives]))
        sign = Signal()
        m.d.comb += sign.eq(total[-1])
        magnitude, _ = self.adders.increment(m, total[:-1] ^ sign.replicate(bits - 1), sign,
                                             name="abs")
        m.submodules.finish = finish = MagnitudeToFloat(
            self.fmt_out, bits - 1, (self.lsb, self.lsb), specials=True,
            adders=self.adders)
        m.d.comb += [
            finish.sign.eq(Mux(plus | minus, minus, sign)), finish.magnitude.eq(magnitude),
            finish.infinite.eq(plus | minus), finish.nan.eq(any_nan | (plus & minus)),
            self.sum.eq(finish.code),
        ]
        return m

    def _place(self, m: Module, code: Signal, width: int, i: int) -> Value:
        """The magnitude in the window: significand * 2**(field - 1 + emin - lsb)."""
        fmt = self.fmt_in
        word = significand(fmt, code)
        amount = code[fmt.mbits:-1] - word[-1]
        # Places of the significand below the window are zero by the caller's promise: the word
        # is shifted in a window that begins at the format's own lowest place, and cut there.
        below = self.lsb - fmt.emin
        placed = Signal(width, name=f"placed_{i}")
        m.d.comb += placed.eq((word << amount[:fmt.ebits].as_unsigned())[below:below + width])
        return placed
