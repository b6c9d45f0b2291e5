"""A floating code as an integer at a common exponent: once per activation, at the edge."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FloatFormat

from .adders import RIPPLE, Adders
from .lzc import shift_right_sticky

__all__ = ["Aligner"]


class Aligner(Component):
    """One code as sign and magnitude (:func:`lowbit.golden.alignment.align`; combinational).

    Ports: ``code``; ``top``, the exponent field whose significands fill the ``bits`` of the
    ``magnitude`` (``top_bits`` wide, default that of a field). Magnitudes are rounded to nearest
    even. ``clipped``: the field was above ``top``, the magnitude is all ones; without ``clips``
    there is no such port, and no finite code may have a larger field. ``finite`` is low for
    infinities and NaNs, which count as 0.
    """

    def __init__(self, fmt: FloatFormat, bits: int, top_bits: int | None = None,
                 adders: Adders = RIPPLE, clips: bool = True) -> None:
        if bits < fmt.precision:
            raise ValueError(f"bits must be at least the precision {fmt.precision}; got {bits}")
        self.fmt, self.bits, self.adders, self.clips = fmt, bits, adders, clips
        self.top_bits = fmt.ebits if top_bits is None else top_bits
        #: identity of the hardware, for modules that are emitted once and shared
        self.parameters = (fmt, bits, self.top_bits, adders, clips)
        super().__init__({"code": In(fmt.bits), "top": In(self.top_bits), "negative": Out(1),
                          "magnitude": Out(bits), "finite": Out(1)}
                         | ({"clipped": Out(1)} if clips else {}))

    def elaborate(self, platform: object) -> Module:
        m, fmt, bits = Module(), self.fmt, self.bits
        fraction, field = self.code[:fmt.mbits], self.code[fmt.mbits:-1]
        normal = field.any()
        special = field.all() & fraction.all() if fmt.fn else field.all()
        place = Signal(fmt.ebits)
        m.d.comb += [self.negative.eq(self.code[-1]), self.finite.eq(~special),
                     place.eq(Cat(field[0] | ~normal, field[1:]))]

        # top - place; no carry says that it is negative
        width = max(self.top_bits, fmt.ebits)
        distance, not_below = self.adders.add(
            m, Cat(self.top, Const(0, width - self.top_bits)),
            ~Cat(place, Const(0, width - fmt.ebits)), 1, name="distance")

        # one place below the magnitude decides, the rest is sticky
        word = Cat(Const(0, bits - fmt.precision + 1), fraction, normal)
        word = word & self.finite.replicate(len(word))
        shifted, sticky = shift_right_sticky(m, word, distance)
        up = Signal()
        m.d.comb += up.eq(shifted[0] & (sticky | shifted[1]))
        rounded, _ = self.adders.increment(m, shifted[1:], up, name="rounded")
        if not self.clips:
            m.d.comb += self.magnitude.eq(rounded)
            return m
        something = normal | fraction.any()
        m.d.comb += [self.clipped.eq(~not_below & something & self.finite),
                     self.magnitude.eq(rounded | self.clipped.replicate(bits))]
        return m
