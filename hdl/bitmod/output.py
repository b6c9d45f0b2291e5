"""The way of results out of a tile: second-level scale, NaN of invalid rows, format."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.parameters import BitmodTileParameters
from lowbit.golden.formats import FP16, FP32

from ..common.adders import Adders
from ..common.fp_convert import FpConvert
from ..common.fp_mul import FpMul
from ..common.pipeline import register

__all__ = ["FiniteRows", "OutputLane"]


class OutputLane(wiring.Component):
    """``result`` of one sum: times ``scale`` (with ``channel_scale``), NaN if ``invalid``, FP16
    if asked for; each step rounds once. Latency: a cycle with ``enable``."""

    def __init__(self, p: BitmodTileParameters) -> None:
        self.parameters = p
        members = {"sum": In(32), "invalid": In(1), "enable": In(1),
                   "result": Out(16 if p.out == "fp16" else 32)}
        if p.channel_scale:
            members["scale"] = In(32)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        invalid = register(m, self.invalid, "invalid_held", enable=self.enable)
        word: Value
        if p.channel_scale:
            m.submodules.multiply = multiply = FpMul(FP32, FP32, FP32, stages=1,
                                                     adders=Adders(p.adder))
            m.d.comb += [multiply.a.eq(self.sum), multiply.b.eq(self.scale),
                         multiply.en.eq(self.enable)]
            word = multiply.product
        else:
            word = register(m, self.sum, "sum_held", enable=self.enable)
        fmt = FP32
        if p.out == "fp16":
            m.submodules.convert = convert = FpConvert(FP32, FP16, Adders(p.adder))
            m.d.comb += convert.code.eq(word)
            word, fmt = convert.result, FP16
        m.d.comb += self.result.eq(Mux(invalid, Const(fmt.nan, fmt.bits), word))
        return m


class FiniteRows(wiring.Component):
    """Which rows of a tile row have seen an infinity or a NaN in their operation.

    ``exponents``: the fields of the activations (row, lane) of a cycle with ``enable``;
    ``begins`` and ``ends`` the operation. ``invalid`` holds from the cycle after ``ends`` to that
    of the next.
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        self.parameters = p
        exponents = data.ArrayLayout(data.ArrayLayout(5, p.lanes), p.rows)
        super().__init__({"exponents": In(exponents), "enable": In(1), "begins": In(1),
                          "ends": In(1), "invalid": Out(p.rows)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        flags = []
        for row in range(p.rows):
            lanes = [field.all() for field in self.exponents[row]]
            flags.append(Cat(lanes).any())
        running = Signal(p.rows, reset_less=True)
        now = Signal(p.rows)
        held = Signal(p.rows, reset_less=True)
        m.d.comb += [now.eq(Cat(flags) | (running & (~self.begins).replicate(p.rows))),
                     self.invalid.eq(held)]
        with m.If(self.enable):
            m.d.sync += running.eq(now)
        with m.If(self.ends):
            m.d.sync += held.eq(now)
        return m
