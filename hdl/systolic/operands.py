"""Operands at the edge of an array, on their way to the elements."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Value

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.recode import IntegerRecoder
from ..common.shared import Shared

__all__ = ["entering", "gated"]


def gated(p: SystolicParameters, activations: Value, take: Value) -> Value:
    """The activations of a row, zeros in cycles without operands: the products are zero then."""
    return activations & take.replicate(p.dot * p.a_bits)


def entering(m: Module, p: SystolicParameters, column: int, weights: Value) -> Value:
    """The weights of a column as the elements take them."""
    if not p.recodes:
        return weights
    codes = []
    for k in range(p.dot):
        recoder = Shared(IntegerRecoder(p.form), "systolic_recoder")
        m.submodules[f"recoder_{column}_{k}"] = recoder
        m.d.comb += recoder.value.eq(weights.word_select(k, p.weight_bits))
        codes.append(recoder.code)
    return Cat(codes)
