"""Processing element whose weights stay: activations move right, sums move down."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.pipeline import register
from .products import add_products, segments

__all__ = ["WeightPe"]


class WeightPe(wiring.Component):
    """``sum_out`` = ``sum_in`` plus the products of the activations and the weights in use.

    ``move``: activations and sums step on; ``activation_in`` is registered, and its products are
    in ``sum_out`` a step later. ``load``: the next weights step on from ``weight_in`` to
    ``weight_out``; ``swap``, with ``move``: they come into use, from the next step on. The sum is
    ``p.beat_offset`` too large.
    """

    def __init__(self, p: SystolicParameters) -> None:
        self.parameters = p
        bits = segments(p).value_bits
        super().__init__({
            "activation_in": In(p.dot * p.a_bits), "activation_out": Out(p.dot * p.a_bits),
            "weight_in": In(p.dot * p.moved_bits), "weight_out": Out(p.dot * p.moved_bits),
            "sum_in": In(bits), "sum_out": Out(bits),
            "move": In(1), "load": In(1), "swap": In(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        activation = register(m, self.activation_in, "activation", enable=self.move)
        following = register(m, self.weight_in, "following", enable=self.load)
        swap = Signal(name="swap_now")
        m.d.comb += swap.eq(self.swap & self.move)
        weight = register(m, following, "weight", enable=swap)
        after = add_products(m, p, weight, activation, self.sum_in)
        m.d.comb += [self.activation_out.eq(activation), self.weight_out.eq(following),
                     self.sum_out.eq(register(m, after, "acc", enable=self.move))]
        return m
