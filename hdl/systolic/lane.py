"""Output lane: the value of a column's elements becomes a result. One lane serves a column."""

from __future__ import annotations

from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.adders import compress_3_2
from ..common.pipeline import register
from .products import segments

__all__ = ["OutputLane"]


class OutputLane(wiring.Component):
    """``result`` = the integer that ``value`` stands for, plus ``correction``; registered.

    ``enable``: a value is taken, and the result of the one before goes.
    """

    def __init__(self, p: SystolicParameters) -> None:
        self.parameters = p
        super().__init__({"enable": In(1), "value": In(segments(p).value_bits),
                          "correction": In(p.acc_bits), "result": Out(p.out.bits)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        acc, carries = self.value[:p.acc_bits], segments(p).carries(self.value)
        saved: tuple[Value, Value] = compress_3_2(m, acc, carries, self.correction, name="save")
        total = (saved[0] + saved[1])[:p.acc_bits]
        m.d.comb += self.result.eq(register(m, total, "held", enable=self.enable))
        return m
