"""The last step of every floating-point unit: round to nearest even and pack."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, ValueLike

from lowbit.golden.formats import FloatFormat

from .adders import RIPPLE, Adders

__all__ = ["is_infinite", "is_nan", "is_special", "round_and_pack", "significand"]


def is_special(fmt: FloatFormat, code: Value) -> Value:
    """The code is an infinity or a NaN."""
    magnitude = code[:fmt.bits - 1]
    return magnitude.all() if fmt.fn else magnitude[fmt.mbits:].all()


def is_nan(fmt: FloatFormat, code: Value) -> Value:
    """The code is a NaN."""
    special = is_special(fmt, code)
    return special if fmt.fn else special & code[:fmt.mbits].any()


def is_infinite(fmt: FloatFormat, code: Value) -> Value:
    """The code is an infinity (never, in an ``fn`` format)."""
    return Const(0, 1) if fmt.fn else is_special(fmt, code) & ~code[:fmt.mbits].any()


def significand(fmt: FloatFormat, code: Value) -> Value:
    """Fraction with the hidden bit on top (0 for subnormals)."""
    return Cat(code[:fmt.mbits], code[fmt.mbits:fmt.bits - 1].any())


def round_and_pack(m: Module, fmt: FloatFormat, sign: ValueLike, word: Value, remaining: Value, *,
                   sticky: ValueLike = 0, infinite: ValueLike = 0, nan: ValueLike = 0,
                   overflow: bool = True, field_bits: int | None = None,
                   adders: Adders = RIPPLE, name: str = "round") -> Value:
    """Round a normalised word once and pack it as a code of ``fmt``.

    The top bit of ``word`` is the hidden bit, with exponent field ``remaining + 1``; where it is
    0 the number is subnormal and ``remaining`` is 0 (or the word is zero). ``sticky`` tells of
    ones below the word. ``infinite`` and ``nan`` force their codes; a NaN is the canonical one,
    a zero word without sticky gives +0 and one that rounds to zero keeps its sign.
    ``overflow=False`` promises that no finite result overflows. ``field_bits`` promises that the
    exponent field before the overflow check fits in that many bits (default: what ``remaining``
    can give).
    """
    wanted = fmt.precision + 1
    if len(word) < wanted:
        word = Cat(Const(0, wanted - len(word)), word)
    width, mbits, ebits = len(word), fmt.mbits, fmt.ebits
    hidden = word[width - 1]
    fraction = word[width - 1 - mbits:width - 1]
    guard = word[width - 2 - mbits]
    rest = Value.cast(sticky)[0] | word[:width - 2 - mbits].any()
    up = Signal(name=f"{name}_up")
    m.d.comb += up.eq(guard & (rest | fraction[0]))
    rounded, carry = adders.increment(m, fraction, up, name=f"{name}_fraction")

    # field = hidden ? remaining + 1 : 0, plus the carry of the fraction
    if field_bits is None:
        field_bits = max(ebits, len(remaining) + 1) if overflow else ebits
    above = Const(0, max(0, field_bits - len(remaining)))
    masked = Cat(remaining, above)[:field_bits] & hidden.replicate(field_bits)
    field, _ = adders.add(m, masked, Cat(hidden, Const(0, field_bits - 1)), carry,
                          name=f"{name}_field")
    nan, infinite = Value.cast(nan)[0], Value.cast(infinite)[0]
    beyond: Value = Const(0, 1)
    if overflow:
        beyond = field[:ebits].all() & (rounded.all() if fmt.fn else Const(1, 1))
        beyond = beyond | field[ebits:].any()
    special = Signal(name=f"{name}_special")
    m.d.comb += special.eq(beyond | infinite | nan)
    magnitude = Signal(fmt.bits - 1, name=f"{name}_magnitude")
    if fmt.fn:
        m.d.comb += magnitude.eq(Cat(rounded, field[:ebits]) | special.replicate(fmt.bits - 1))
    else:
        kept = rounded & ~special.replicate(mbits)
        m.d.comb += magnitude.eq(Cat(kept[:mbits - 1], kept[mbits - 1] | nan,
                                     field[:ebits] | special.replicate(ebits)))
    zero = Signal(name=f"{name}_zero")
    m.d.comb += zero.eq(~(word.any() | Value.cast(sticky)[0] | infinite))
    return Cat(magnitude, Value.cast(sign)[0] & ~zero & ~nan)
