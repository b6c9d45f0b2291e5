"""The group scale unit: a group's sums become their share of a dequantised result."""

from __future__ import annotations

from amaranth.hdl import Module, Value
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FP32, FactorFormat, FloatFormat

from .adders import RIPPLE, Adders
from .fp_add import FpAdd
from .fp_mul import FpMul
from .pipeline import register

__all__ = ["GroupScale"]


class GroupScale(Component):
    """``result = y + (scale * total + offset * row_sum)``, each operation rounded once to FP32
    (:func:`lowbit.golden.group_scale.scaled`).

    Parameters: ``scale_format``, any of :data:`lowbit.golden.group_scale.SCALE_KINDS`: a power of
    two (E8M0) only adds exponents, E4M3 and integers have short multipliers; or products of two of
    them, whose codes ``scale`` has side by side, E8M0 and E4M3 (:class:`ProductFormat`: exact, so
    there is one rounding still); ``offset_format``,
    None for no offsets; ``adders``.

    Ports: ``total``, ``row_sum`` (with offsets) and ``y`` in FP32, ``scale``, ``offset``;
    ``result``; ``en`` advances the registers before the sum with ``y``, ``en_y`` its own. ``y``
    belongs to what came in :attr:`y_latency` enabled cycles before; ``result`` comes, without a
    register at its end, 2 after ``y``.
    """

    def __init__(self, scale_format: FactorFormat, offset_format: FloatFormat | None = None,
                 adders: Adders = RIPPLE) -> None:
        self.scale_format, self.offset_format, self.adders = scale_format, offset_format, adders
        #: identity of the hardware, for modules that are emitted once and shared
        self.parameters = (scale_format, offset_format, adders)
        ports = {"total": In(32), "scale": In(scale_format.bits), "y": In(32), "en": In(1),
                 "en_y": In(1), "result": Out(32)}
        if offset_format is not None:
            ports |= {"row_sum": In(32), "offset": In(offset_format.bits)}
        super().__init__(ports)

    @property
    def y_latency(self) -> int:
        """Enabled cycles from ``total`` to its ``y``."""
        return 2 if self.offset_format is None else 5

    def elaborate(self, platform: object) -> Module:
        m = Module()
        term = self._product(m, self.total, self.scale, self.scale_format, "scaled")
        if self.offset_format is not None:
            # an offset of 0 is none: a row sum that overflows must not make it a NaN
            there = self.offset[:-1].any()
            other = self._product(m, self.row_sum & there.replicate(32), self.offset,
                                  self.offset_format, "shifted")
            term = register(m, self._sum(m, term, other, "add_offset", self.en), "term",
                            enable=self.en)
        m.d.comb += self.result.eq(self._sum(m, self.y, term, "add", self.en_y))
        return m

    def _product(self, m: Module, a: Value, b: Value, fmt: FactorFormat, name: str) -> Value:
        m.submodules[name] = product = FpMul(FP32, fmt, FP32, stages=1, adders=self.adders)
        m.d.comb += [product.a.eq(a), product.b.eq(b), product.en.eq(self.en)]
        return Value.cast(register(m, product.product, f"{name}_held", enable=self.en))

    def _sum(self, m: Module, a: Value, b: Value, name: str, en: Value) -> Value:
        m.submodules[name] = add = FpAdd(FP32, stages=2, adders=self.adders)
        m.d.comb += [add.a.eq(a), add.b.eq(b), add.en.eq(en)]
        return add.sum
