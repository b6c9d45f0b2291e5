"""Processing element whose output stays: operands pass through, their products are added up."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.pipeline import register
from .products import add_products, segments

__all__ = ["OutputPe"]


class OutputPe(wiring.Component):
    """``value`` += the products of the operands, which leave a cycle after they came.

    ``activation_in`` and ``weight_in`` (``dot`` each, packed) are registered; the products are in
    ``value`` a cycle later. ``clear``: a new sum. Nothing stops: a cycle without operands has
    activations of zero, and adds the offset of the rows nonetheless. With ``drain`` shift
    ``shift`` puts ``chain``, the next row's value, in place of the old one. With ``weights``
    broadcast they come registered, and go no further.
    """

    def __init__(self, p: SystolicParameters) -> None:
        self.parameters = p
        bits = segments(p).value_bits
        members = {
            "activation_in": In(p.dot * p.a_bits), "activation_out": Out(p.dot * p.a_bits),
            "weight_in": In(p.dot * p.moved_bits), "clear": In(1), "value": Out(bits)}
        if p.drain != "mux":
            members |= {"shift": In(1), "chain": In(bits)}
        if p.weights == "pass":
            members["weight_out"] = Out(p.dot * p.moved_bits)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        activation = register(m, self.activation_in, "activation")
        weight: Value = self.weight_in
        if p.weights == "pass":
            weight = register(m, weight, "weight")
            m.d.comb += self.weight_out.eq(weight)
        bits = segments(p).value_bits
        acc = Signal(bits, reset_less=True)
        before = Signal(bits)
        if p.drain != "mux":
            keep = Signal()
            m.d.comb += [keep.eq(~(self.clear | self.shift)),
                         before.eq((acc & keep.replicate(bits))
                                   | (self.chain & self.shift.replicate(bits)))]
        else:
            m.d.comb += before.eq(acc & (~self.clear).replicate(bits))
        m.d.sync += acc.eq(add_products(m, p, weight, activation, before))
        m.d.comb += [self.activation_out.eq(activation), self.value.eq(acc)]
        return m
