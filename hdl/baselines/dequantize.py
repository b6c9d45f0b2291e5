"""Weights of few bits as FP16 numbers, before they are multiplied (the indirect form)."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.baselines.parameters import WeightCodes
from lowbit.golden.formats import FP16

__all__ = ["Dequantize"]


class Dequantize(wiring.Component):
    """Code to the FP16 number that it stands for, exactly: a table (combinational)."""

    def __init__(self, codes: WeightCodes) -> None:
        self.parameters = codes
        super().__init__({"code": In(codes.bits), "value": Out(FP16.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.Switch(self.code):
            for code, value in enumerate(self.parameters.fp16):
                with m.Case(code):
                    m.d.comb += self.value.eq(int(value))
        return m
