"""Output lane: the value of a column's elements becomes a result. One lane serves a column."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import INT8
from lowbit.golden.requantize import MULTIPLIER_BITS, SHIFT_BITS
from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.adders import compress_3_2
from ..common.pipeline import delayed, register
from ..common.requantize import Requantize
from .products import segments

__all__ = ["OutputLane"]


class OutputLane(wiring.Component):
    """``result`` = the integer that ``value`` stands for, plus ``correction``, and where weights
    stay plus ``psum``; registered.

    ``enable``: a value is taken. With ``out_format`` int8 the integer is requantised
    (:mod:`..common.requantize`) in steps of ``scaling``; what that takes comes a step after the
    value. Where weights stay ``sum`` is the integer itself, in the cycle of its ``result``: a later
    slice may add to it.
    """

    def __init__(self, p: SystolicParameters) -> None:
        self.parameters = p
        members = {"enable": In(1), "value": In(segments(p).value_bits),
                   "correction": In(p.acc_bits), "result": Out(p.out.bits)}
        if p.dataflow == "ws":
            members["psum"] = In(p.acc_bits)
        if p.requantizes:
            members |= {"scaling": In(1), "multiplier": In(MULTIPLIER_BITS),
                        "shift": In(SHIFT_BITS), "zero": In(INT8.bits)}
        if p.gives_sums:
            members["sum"] = Out(p.acc_bits)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        acc, carries = self.value[:p.acc_bits], segments(p).carries(self.value)
        saved = compress_3_2(m, acc, carries, self.correction, name="save")
        if p.dataflow == "ws":
            saved = compress_3_2(m, *saved, self.psum, name="save_psum")
        total = (saved[0] + saved[1])[:p.acc_bits]
        total = register(m, total, "held", enable=self.enable)
        if not p.requantizes:
            m.d.comb += self.result.eq(total)
            return m
        m.submodules.requantize = requantize = Requantize(p.acc_bits)
        m.d.comb += [requantize.enable.eq(self.scaling), requantize.total.eq(total),
                     requantize.multiplier.eq(self.multiplier), requantize.shift.eq(self.shift),
                     requantize.zero.eq(self.zero), self.result.eq(requantize.result)]
        if p.gives_sums:
            m.d.comb += self.sum.eq(delayed(m, total, Requantize.STAGES, "sum_at",
                                            enable=self.scaling))
        return m
