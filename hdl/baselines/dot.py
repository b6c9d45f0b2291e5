"""The conventional dot-product unit: multipliers, a floating-point adder tree, an accumulator."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import In, Out

from lowbit.golden.baselines.parameters import Fp16DotParameters
from lowbit.golden.formats import FP16, FloatFormat
from lowbit.golden.timing import Timing

from ..common.adders import Adders
from ..common.design import Design
from ..common.field import Field, flag
from ..common.fp_add import FpAdd
from ..common.fp_convert import FpConvert
from ..common.fp_mul import FpMul
from ..common.pipeline import delayed, register
from ..common.shared import Shared
from .dequantize import Dequantize
from .l_mul import LMul

__all__ = ["Fp16Dot"]


class Fp16Dot(Design[Fp16DotParameters]):
    """``result = RNE(result + sum of K products)``, K products a cycle.

    ``activations`` and ``weights``: K FP16 codes each (weights as ``--w-format`` says), element 0
    lowest, taken while ``en``; with ``first`` as well the sum starts from zero. Products are
    rounded to ``--tree`` format, added in a balanced tree (neighbours first) with a rounding at
    every node, converted to the accumulator's format and accumulated. ``result`` follows
    ``p.latency`` clock edges later and has no reset: ``first`` starts it.
    """

    def __init__(self, p: Fp16DotParameters) -> None:
        axes = {"k": p.K}
        weights = Field(FP16, "weights", axes=axes) if p.codes is None else \
            Field(p.codes.bits, f"weights, codes of {p.w_format}", name=p.w_format, axes=axes)
        super().__init__(p, {
            "en": In(flag("take the operands")), "first": In(flag("with en: start a new sum")),
            "activations": In(Field(FP16, "activations", axes=axes)), "weights": In(weights),
            "result": Out(Field(p.acc_format, "the accumulator"))})

    def timing(self) -> Timing:
        return Timing(self.parameters.latency, 1, "operands taken to the accumulator that holds "
                      "their products; K products a cycle")

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        fmt = p.acc_format
        en, first, a, b = (self._input(m, name) for name in (
            "en", "first", "activations", "weights"))
        level: list[Value] = []
        for k in range(p.K):
            product = self._multiply(m, a[k], self._weight(m, b[k], k), k)
            level.append(self._stage(m, product, f"product_{k}"))
        depth = 0
        while len(level) > 1:
            following: list[Value] = []
            for i in range(0, len(level) - 1, 2):
                place = f"{depth}_{i // 2}"
                total = self._add(m, level[i], level[i + 1], f"add_{place}")
                following.append(self._stage(m, total, f"sum_{place}"))
            if len(level) % 2:
                following.append(self._stage(m, level[-1], f"passed_{depth}"))
            level = following
            depth += 1
        en = delayed(m, en, p.pipeline * (1 + depth), "en_at", reset=True)
        first = delayed(m, first, p.pipeline * (1 + depth), "first_at")
        total = level[0]
        if p.tree_format != fmt:
            m.submodules.convert = convert = FpConvert(p.tree_format, fmt,
                                                          Adders(p.adder))
            m.d.comb += convert.code.eq(total)
            total = convert.result
        acc = Signal(fmt.bits, reset_less=True)
        m.submodules.accumulate = accumulate = self._adder(p.acc_format)
        # a cycle without `en` adds zero: cheaper than a register that holds
        m.d.comb += [accumulate.a.eq(acc & (~(first & en)).replicate(fmt.bits)),
                     accumulate.b.eq(total & en.replicate(fmt.bits)), self.result.eq(acc)]
        m.d.sync += acc.eq(accumulate.sum)
        return m

    def _input(self, m: Module, name: str) -> Any:
        value = getattr(self, name)
        if not self.parameters.input_registers:
            return value
        return register(m, value, f"{name}_in", reset=name == "en")

    def _weight(self, m: Module, code: Value, k: int) -> Value:
        codes = self.parameters.codes
        if codes is None:
            return code
        m.submodules[f"dequantize_{k}"] = table = Shared(Dequantize(codes), "fp16_dequantize")
        m.d.comb += table.code.eq(code)
        return table.value

    def _multiply(self, m: Module, a: Value, b: Value, k: int) -> Value:
        p, adders = self.parameters, Adders(self.parameters.adder)
        unit: Any = LMul(FP16, adders) if p.multiply == "lmul" else \
            FpMul(FP16, FP16, p.tree_format, adders=adders)
        m.submodules[f"multiply_{k}"] = multiply = Shared(unit, "fp16_multiply")
        m.d.comb += [multiply.a.eq(a), multiply.b.eq(b)]
        if p.multiply == "exact" or p.tree_format == FP16:
            return multiply.product
        m.submodules[f"widen_{k}"] = widen = Shared(
            FpConvert(FP16, p.tree_format, Adders(p.adder)), "fp16_widen")
        m.d.comb += widen.code.eq(multiply.product)
        return widen.result

    def _stage(self, m: Module, value: Value, name: str) -> Value:
        return register(m, value, name) if self.parameters.pipeline else value

    def _adder(self, fmt: FloatFormat) -> Shared:
        p = self.parameters
        return Shared(FpAdd(fmt, style=p.style, adders=Adders(p.adder)), f"{fmt.name}_add")

    def _add(self, m: Module, a: Value, b: Value, name: str) -> Value:
        m.submodules[name] = add = self._adder(self.parameters.tree_format)
        m.d.comb += [add.a.eq(a), add.b.eq(b)]
        return add.sum
