"""Fixed point to floating point: normalise, round once to nearest even, pack."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FloatFormat

from .adders import RIPPLE, Adders
from .fp_round import round_and_pack
from .lzc import normalize_left
from .pipeline import register

__all__ = ["FixedToFloat", "MagnitudeToFloat", "exponent_shape"]


def exponent_shape(low: int, high: int) -> Shape:
    """Smallest shape that holds ``low..high``."""
    if low >= 0:
        return unsigned(max(1, high.bit_length()))
    return signed(1 + max((-low - 1).bit_length(), max(high, 0).bit_length()))


class MagnitudeToFloat(Component):
    """``code = RNE((-1)**sign * (magnitude + rest) * 2**exponent)``, 0 <= rest < 1.

    ``rest`` is known only by the ``sticky`` input (optional): set when it is not 0. Subnormal
    results are exact roundings, overflow gives an infinity (in an ``fn`` format its NaN), zero
    gives +0; a number that rounds to zero keeps its sign. ``infinite`` and ``nan`` (``specials``)
    force those codes.

    Parameters: ``fmt`` of the result; ``width`` of the magnitude; ``exponent_range`` (lo, hi),
    inclusive: subnormal logic that the range rules out is not built, and with lo = hi there is
    no ``exponent`` port; ``stages`` 0, or 1 (a register before the rounding, advancing with
    ``en``); ``method`` of :func:`.lzc.normalize_left`; ``adders``. With ``sticky`` the top
    ``precision + 2`` bits of the magnitude must not all be 0 unless the result is subnormal.

    Ports: ``sign``, ``magnitude``, ``exponent``, ``code``; ``sticky``, ``infinite`` and ``nan``,
    ``en`` as the parameters say. Latency: ``stages``.
    """

    def __init__(self, fmt: FloatFormat, width: int, exponent_range: tuple[int, int], *,
                 stages: int = 0, sticky: bool = False, specials: bool = False,
                 method: str = "count", adders: Adders = RIPPLE) -> None:
        low, high = exponent_range
        if width < 1:
            raise ValueError(f"width must be at least 1; got {width}")
        if low > high:
            raise ValueError(f"exponent_range must be (lo, hi) with lo <= hi; got {low}, {high}")
        if stages not in (0, 1):
            raise ValueError(f"stages must be 0 or 1; got {stages}")
        self.fmt, self.width, self.stages, self.method = fmt, width, stages, method
        self.low, self.high = low, high
        self.sticky_input, self.specials, self.adders = sticky, specials, adders
        #: identity of the hardware, for modules that are emitted once and shared
        self.parameters = (fmt, width, (low, high), stages, sticky, specials, method,
                           adders)
        ports = {"sign": In(1), "magnitude": In(width), "code": Out(fmt.bits)}
        if low != high:
            ports["exponent"] = In(exponent_shape(low, high))
        if sticky:
            ports["sticky"] = In(1)
        if specials:
            ports |= {"infinite": In(1), "nan": In(1)}
        if stages:
            ports["en"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fmt = self.fmt
        word: Value = self.magnitude
        # exponent field of the word's top bit, less one, for the lowest exponent
        lowest = self.low + self.width - 1 - (fmt.emin + fmt.mbits)
        # Zeros on top make the field of the top bit positive, so that one left shift bounded by
        # the exponent serves subnormal results too. precision + 1 of them suffice: what lies
        # lower rounds to zero whatever it is.
        extension = min(max(0, -lowest), fmt.precision + 1)
        word = Cat(word, Const(0, extension))
        offset = lowest + extension - self.low
        highest = self.high + offset
        limit = Signal(max(1, highest.bit_length()), name="exponent_field")
        if self.low == self.high:
            m.d.comb += limit.eq(max(0, highest))
        elif self.low + offset >= 0:
            m.d.comb += limit.eq(self.exponent + offset)
        else:
            biased = Signal(exponent_shape(self.low + offset, max(highest, 0)), name="biased")
            m.d.comb += [biased.eq(self.exponent + offset),
                         limit.eq(Mux(biased < 0, 0, biased))]
        limited = self.low + offset < len(word) - 1
        word, remaining = normalize_left(m, word, limit, limited=limited, method=self.method)
        zero = Const(0, 1)
        flags = Cat(self.sign, self.sticky if self.sticky_input else zero,
                    self.infinite if self.specials else zero, self.nan if self.specials else zero)
        if self.stages:
            word, remaining, flags = (
                register(m, value, name, enable=self.en) for name, value in (
                    ("normalized", word), ("normalized_field", remaining),
                    ("normalized_flags", flags)))
        # the field of the top bit is highest + 1, and rounding may carry once more
        overflow = highest + 2 > fmt.max_exponent_field
        code = round_and_pack(m, fmt, flags[0], word, remaining, sticky=flags[1],
                              infinite=flags[2], nan=flags[3], overflow=overflow,
                              adders=self.adders)
        m.d.comb += self.code.eq(code)
        return m


class FixedToFloat(Component):
    """``code = RNE(value * 2**exponent)`` of a two's-complement integer.

    As :class:`MagnitudeToFloat`, whose parameters it passes on; ``width`` is that of the signed
    ``value``. ``stages``: 0; 1 = a register before the rounding; 2 = one before the normaliser
    as well.

    Ports: ``value``, ``exponent`` (where lo != hi), ``code``; ``en`` with stages. Latency:
    ``stages``.
    """

    def __init__(self, fmt: FloatFormat, width: int, exponent_range: tuple[int, int], *,
                 stages: int = 0, method: str = "count", adders: Adders = RIPPLE) -> None:
        if stages not in (0, 1, 2):
            raise ValueError(f"stages must be 0, 1 or 2; got {stages}")
        self.width, self.stages, self.adders = width, stages, adders
        self.convert = MagnitudeToFloat(fmt, width, exponent_range, stages=min(stages, 1),
                                        method=method, adders=adders)
        #: identity of the hardware, for modules that are emitted once and shared
        self.parameters = (fmt, width, exponent_range, stages, method, adders)
        low, high = exponent_range
        ports = {"value": In(signed(width)), "code": Out(fmt.bits)}
        if low != high:
            ports["exponent"] = In(exponent_shape(low, high))
        if stages:
            ports["en"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.convert = convert = self.convert
        # -(2**(width-1)) needs the top bit of the unsigned magnitude: it is there
        sign = self.value[-1]
        magnitude, _ = self.adders.increment(m, self.value ^ sign.replicate(self.width), sign,
                                             name="abs")
        fixed = [(convert.sign, sign), (convert.magnitude, magnitude)]
        if hasattr(self, "exponent"):
            fixed.append((convert.exponent, self.exponent))
        if self.stages:
            m.d.comb += convert.en.eq(self.en)
        for target, value in fixed:
            if self.stages == 2:
                value = register(m, value, f"{target.name}_held", enable=self.en,
                                 shape=target.shape())
            m.d.comb += target.eq(value)
        m.d.comb += self.code.eq(convert.code)
        return m
