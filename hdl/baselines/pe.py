"""The conventional processing element: FP16 times FP16, accumulated in FP32 or FP16."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import In, Out

from lowbit.golden.baselines.parameters import Fp16PeParameters
from lowbit.golden.formats import FP16
from lowbit.golden.timing import Timing

from ..common.adders import Adders
from ..common.design import Design
from ..common.field import Field, flag
from ..common.fp_add import FpAdd
from ..common.fp_convert import FpConvert
from ..common.fp_mul import FpMul
from ..common.pipeline import register
from ..common.shared import Shared
from .accumulate import ExactProduct, Fp32Accumulate
from .l_mul import LMul

__all__ = ["Fp16Pe"]


class Fp16Pe(Design[Fp16PeParameters]):
    """``result = RNE(result + activation * weight)``, one product a cycle, output-stationary.

    ``activation`` and ``weight`` are FP16 codes, taken while ``en``; with ``first`` as well the
    sum starts from zero. ``result`` is the accumulator (FP32 or FP16 code), ``p.latency`` clock
    edges behind. It has no reset: ``first`` starts it.

    FP32 accumulate is a fused multiply-add (the product is exact); for FP16 the product is
    rounded to FP16 first. Subnormals, infinities and NaNs as IEEE has them, unless ``operands``
    leaves them out; NaNs are canonical, a zero is +0. L-Mul (``multiply``) gives FP16 products.
    """

    def __init__(self, p: Fp16PeParameters) -> None:
        super().__init__(p, {
            "en": In(flag("take the operands")), "first": In(flag("with en: start a new sum")),
            "activation": In(Field(FP16, "activation")), "weight": In(Field(FP16, "weight")),
            "result": Out(Field(p.acc_format, "the accumulator"))})

    def timing(self) -> Timing:
        return Timing(self.parameters.latency, 1, "operands taken to the accumulator that holds "
                      "their product; a product a cycle")

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        # a cycle without `en` adds zero: cheaper than registers that hold
        clear: Value = self.first & self.en
        if p.pipeline:
            clear = register(m, clear, "clear")
        if p.acc_format == FP16 or p.multiply == "lmul":
            total = self._rounded(m, clear)
        else:
            total = self._fp32(m, clear)
        acc = Signal(p.acc_format.bits, reset_less=True)
        m.d.sync += acc.eq(total)
        m.d.comb += self.result.eq(acc)
        return m

    def _fp32(self, m: Module, clear: Value) -> Value:
        style, adders = self.parameters.style, Adders(self.parameters.adder)
        operands = self.parameters.operands
        specials = operands == "ieee"
        m.submodules.multiply = multiply = Shared(ExactProduct(operands), "fp16_product",
                                                  key=operands)
        m.submodules.add = add = Shared(Fp32Accumulate(style, adders, specials=specials),
                                        "fp32_accumulate", key=(style, adders, specials))
        m.d.comb += [multiply.a.eq(self.activation), multiply.b.eq(self.weight),
                     multiply.en.eq(self.en), add.acc.eq(self.result), add.clear.eq(clear)]
        product = multiply.product
        if self.parameters.pipeline:
            product = register(m, product, "product")
        m.d.comb += add.product.eq(product)
        return add.sum

    def _rounded(self, m: Module, clear: Value) -> Value:
        """A product in FP16 and an addition."""
        p, fmt = self.parameters, self.parameters.acc_format
        style, adders = p.style, Adders(p.adder)
        unit: Any = LMul(FP16, adders) if p.multiply == "lmul" else \
            FpMul(FP16, FP16, FP16, adders=adders)
        m.submodules.multiply = multiply = Shared(unit, "fp16_multiply")
        m.submodules.add = add = Shared(FpAdd(fmt, style=style, adders=adders), f"{fmt.name}_add")
        m.d.comb += [multiply.a.eq(self.activation), multiply.b.eq(self.weight)]
        term: Value = multiply.product & self.en.replicate(16)
        if p.pipeline:
            term = register(m, term, "product")
        if fmt != FP16:
            m.submodules.widen = widen = Shared(FpConvert(FP16, fmt, adders), "fp16_widen")
            m.d.comb += widen.code.eq(term)
            term = widen.result
        m.d.comb += [add.a.eq(self.result & (~clear).replicate(fmt.bits)), add.b.eq(term)]
        return add.sum
