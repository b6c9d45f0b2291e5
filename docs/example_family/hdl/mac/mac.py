"""The multiply-accumulate unit."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import IntFormat
from lowbit.golden.mac.parameters import MacParameters
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.field import Field, flag

__all__ = ["Mac"]


class Mac(Design[MacParameters]):
    """Takes ``operand`` beats; the one with ``last`` gives a ``result``, a cycle later.

    The next sum starts when the result has been taken.
    """

    def __init__(self, p: MacParameters) -> None:
        code = IntFormat(f"int{p.bits}", p.bits)
        total = IntFormat(f"int{p.acc_bits}", p.acc_bits)
        super().__init__(p, {
            "operand": In(stream.Signature(data.StructLayout({
                "a": Field(code, "activation"), "w": Field(code, "weight"),
                "last": flag("last product of a sum")}))),
            "result": Out(stream.Signature(data.StructLayout({
                "values": Field(total, "the sum"),
                "last": flag("always 1: a sum is an operation")})))})

    def timing(self) -> Timing:
        return Timing(1, 1, "last operand taken to its result; an operand a cycle")

    def elaborate(self, platform: object) -> Module:
        m, operand = Module(), self.operand
        total = Signal(signed(self.parameters.acc_bits), reset_less=True)
        busy, valid = Signal(), Signal()
        ready = Signal()        # a register, low in reset: no path from result_ready
        more = Mux(busy, total, 0) + operand.payload.a * operand.payload.w
        taken = Signal()
        m.d.comb += [taken.eq(operand.valid & ready), operand.ready.eq(ready),
                     self.result.valid.eq(valid), self.result.payload.values.eq(total),
                     self.result.payload.last.eq(1)]
        with m.If(taken):
            m.d.sync += [total.eq(more), busy.eq(~operand.payload.last)]
        with m.If(taken & operand.payload.last):
            m.d.sync += [valid.eq(1), ready.eq(0)]
        with m.Elif(self.result.ready | ~valid):
            m.d.sync += [valid.eq(0), ready.eq(1)]
        return m
