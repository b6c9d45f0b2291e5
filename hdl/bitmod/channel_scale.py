"""Second level of the scales: a sum times the scale of its channel, as a result in its format."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import FP16, FP32

from ..common.adders import Adders
from ..common.fp_convert import FpConvert
from ..common.fp_mul import FpMul
from ..common.pipeline import register

__all__ = ["ChannelScale"]


class ChannelScale(wiring.Component):
    """Output lane: ``result`` of one sum, times ``scale`` (with ``channel_scale``), NaN if
    ``invalid``, FP16 if asked for; each step rounds once. Latency: a cycle with ``enable``."""

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
