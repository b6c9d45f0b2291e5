"""FP32 accumulation of FP16 products, as small as IEEE results allow.

An FP16 product is a multiple of 2**-48 below 2**32, and so is every partial sum until it is too
large to change (2**57): sums neither overflow nor become subnormal, exponent fields lie in
79..184, and all the logic for the rest of FP32 is left out. The product goes to the adder as it
is, 22 bits without a rounding, so the accumulation is a fused multiply-add.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.data import StructLayout, View
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import FP16, FP32

from ..common.adders import RIPPLE, Adders
from ..common.fp_round import is_infinite, is_nan, significand
from ..common.lzc import normalize_left, shift_right_sticky
from ..common.struct import StructComponent

__all__ = ["FINITE_PRODUCT", "PRODUCT", "ExactProduct", "Fp32Accumulate"]

#: A product on its way to the adder: ``fraction`` below the hidden bit, FP32 exponent ``field``.
#: A zero has field 0 and any fraction; infinities and NaNs have the field's two top bits set,
#: which no finite sum has, and ``nan`` tells them apart.
PRODUCT = StructLayout({"fraction": 21, "field": 8, "sign": 1, "nan": 1})
#: the same where there are no infinities and NaNs
FINITE_PRODUCT = StructLayout({"fraction": 21, "field": 8, "sign": 1})
#: field of the top bit of an unnormalised product, less the two FP16 fields
_OFFSET = 2 * (FP16.emin - 1) + 21 + FP32.bias


class ExactProduct(StructComponent):
    """FP16 ``a`` times ``b``, exact, as :data:`PRODUCT`; zero unless ``en``. Combinational.

    ``operands``: ``ieee``; ``finite``, without infinities and NaNs: the largest exponent is one
    like any other; ``normal``, where subnormals count as zero as well.
    """

    def __init__(self, operands: str = "ieee") -> None:
        self.operands = operands
        layout = PRODUCT if operands == "ieee" else FINITE_PRODUCT
        super().__init__({"a": In(16), "b": In(16), "en": In(1), "product": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b, product = self.a, self.b, self.product
        word = Signal(22)
        m.d.comb += word.eq(significand(FP16, a) * significand(FP16, b))
        # the field of a subnormal counts as 1
        fields = [Cat(x[10] | ~x[10:15].any(), x[11:15]) for x in (a, b)]
        nominal = Signal(8)
        m.d.comb += nominal.eq(fields[0] + fields[1] + _OFFSET)
        something: Value
        if self.operands == "normal":
            # of two significands with their hidden bits the product has at most one zero on top
            normal, field = Signal(22), Signal(8)
            m.d.comb += [normal.eq(Mux(word[21], word, word << 1)), field.eq(nominal - ~word[21])]
            something = self.en & a[10:15].any() & b[10:15].any()
        else:
            normal, field = normalize_left(m, word, nominal, limited=False)
            something = self.en & a[:15].any() & b[:15].any()

        special: Value = Const(0, 1)
        if self.operands == "ieee":
            infinite = is_infinite(FP16, a) | is_infinite(FP16, b)
            special = self.en & (a[10:15].all() | b[10:15].all())
            m.d.comb += product.nan.eq(self.en & (
                is_nan(FP16, a) | is_nan(FP16, b)
                | (infinite & ~(a[:15].any() & b[:15].any()))))
        m.d.comb += [
            product.fraction.eq(normal[:21]),
            product.field.eq(Cat(field & something.replicate(8))
                             | Cat(Const(0, 6), special.replicate(2))),
            product.sign.eq(a[15] ^ b[15]),
        ]
        return m


class Fp32Accumulate(StructComponent):
    """``sum = RNE(acc + product)``, FP32; ``acc`` is an earlier ``sum``, or counts as +0 while
    ``clear``. Combinational. A NaN is canonical, inf - inf a NaN, a zero +0.

    ``style``: ``"small"``, or ``"fast"`` with prefix adders (as :class:`FpAdd`);
    ``adders``: the form of the others; without ``specials`` there are no infinities and NaNs.
    """

    def __init__(self, style: str = "small", adders: Adders = RIPPLE, *,
                 specials: bool = True) -> None:
        if style not in ("small", "fast"):
            raise ValueError(f"style must be 'small' or 'fast'; got {style!r}")
        self.fast, self.adders, self.specials = style == "fast", adders, specials
        layout = PRODUCT if specials else FINITE_PRODUCT
        super().__init__({"acc": In(32), "clear": In(1), "product": In(layout), "sum": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product: View = self.product
        acc, keep = self.acc, ~self.clear
        # a cleared accumulator may keep its fraction: with field 0 it is not used
        addend = Cat(Const(0, 2), product.fraction, product.field)
        augend = Cat(acc[:23], acc[23:31] & keep.replicate(8))

        # order the operands by magnitude: the difference is never negative
        swap = Signal()
        # the product has two places less: below them `augend` cannot be the smaller one
        m.d.comb += swap.eq(augend[2:] < addend[2:] if self.fast
                            else self.adders.less(m, augend[2:], addend[2:], name="swap"))
        big = Signal(31)
        small = Signal(31)
        m.d.comb += [big.eq(Mux(swap, addend, augend)), small.eq(Mux(swap, augend, addend))]
        distance = Signal(8)
        if self.fast:
            m.d.comb += distance.eq(Mux(swap, addend[23:] - augend[23:],
                                        augend[23:] - addend[23:]))
        else:
            m.d.comb += distance.eq(
                self.adders.add(m, big[23:], ~small[23:], 1, name="apart")[0])
        subtract = Signal()
        sign = Signal()
        m.d.comb += [subtract.eq(acc[31] ^ product.sign),
                     sign.eq(Mux(swap, product.sign, acc[31]))]

        # fields of numbers are 64 and more: hidden bits need only the two top bits
        some_big, some_small = big[29:].any(), small[29:].any()
        high, low = Cat(big[:23], 1), Cat(small[:23], 1)
        # guard and round places, then one sticky place (see FpAdd)
        shifted, sticky = shift_right_sticky(m, Cat(Const(0, 2), low), distance)
        aligned = Signal(27)
        # where the smaller operand is zero it is also far away, or both are zero
        m.d.comb += aligned.eq(Cat(sticky & some_small, shifted) ^ subtract.replicate(27))
        total = Signal(28)
        if self.fast:
            m.d.comb += total.eq(Cat(Const(0, 3), high) + aligned + subtract)
        else:
            m.d.comb += total.eq(Cat(*self.adders.add(m, Cat(Const(0, 3), high), aligned,
                                                      subtract, name="significand")))
        word, field = normalize_left(m, Cat(total[:27], total[27] & ~subtract), big[23:],
                                     limited=False)

        fraction, guard = word[4:27], word[3]
        up = Signal()
        m.d.comb += up.eq(guard & (word[:3].any() | fraction[0]))
        rounded, carry = self.adders.increment(m, fraction, up, name="fraction")
        # the field is that of the bit below the carry: one more where the top bit is set
        hidden = word[27] & some_big
        exponent, _ = self.adders.add(m, field, Cat(hidden, Const(0, 7)), carry, name="field")

        special = Signal()
        nan = Signal()
        if self.specials:
            m.d.comb += [special.eq(big[29:].all()), nan.eq(self._nan(product, keep, small))]
        finite: Value = hidden & ~special
        m.d.comb += self.sum.eq(Cat(
            rounded[:22] & finite.replicate(22), (rounded[22] & finite) | nan,
            (exponent & hidden.replicate(8)) | special.replicate(8),
            sign & (finite | (special & ~nan))))
        return m

    def _nan(self, product: View, keep: Value, small: Signal) -> Value:
        """A NaN comes in, or infinities of both signs meet (the smaller operand is special)."""
        old = self.acc[29:31].all() & self.acc[22] & keep
        return product.nan | old | (small[29:].all() & (self.acc[31] ^ product.sign))
