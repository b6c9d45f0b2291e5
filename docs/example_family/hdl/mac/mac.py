"""The multiply-accumulate unit."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.mac.parameters import MacParameters

__all__ = ["Mac"]


class Mac(wiring.Component):
    """Takes ``operand`` beats; the one with ``last`` gives a ``result``, a cycle later.

    The next sum starts when the result has been taken.
    """

    def __init__(self, p: MacParameters) -> None:
        self.parameters = p
        super().__init__({
            "operand": In(stream.Signature(data.StructLayout(
                {"a": signed(p.bits), "w": signed(p.bits), "last": 1}))),
            "result": Out(stream.Signature(data.StructLayout(
                {"values": signed(p.acc_bits), "last": 1})))})

    def port_notes(self) -> dict[str, str]:
        """Meaning of the ports, for the manifest."""
        return {"operand_a": "activation", "operand_w": "weight",
                "operand_last": "last product of a sum", "result_values": "the sum",
                "result_last": "always 1: a sum is an operation"}

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
