"""The LUT engine: the core behind the ports of an engine."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Value

from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.shared import Shared
from ..lut.core import LutCore
from ..lut.scan import ExponentScan
from .engine import Engine

__all__ = ["LutEngine"]


class LutEngine(Engine):
    """The core takes the last scales of an operation after its last weights: they free the slots.
    It has the rows of a column together, where words of results have the columns of a row."""

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.core = core = Shared(LutCore(p.core), "lut_core")
        weight, beat = core.weight, self.weight
        m.d.comb += [weight.valid.eq(beat.valid), beat.ready.eq(weight.ready),
                     Value.cast(weight.payload["patterns"]).eq(beat.payload.word)]
        for name in ("plane", "first", "last", "table_last", "codes", "start", "finish"):
            if name in weight.payload.shape().members:
                m.d.comb += weight.payload[name].eq(beat.payload[name])
        activation, values = core.activation, self.activation
        m.d.comb += [activation.valid.eq(values.valid), values.ready.eq(activation.ready),
                     Value.cast(activation.payload["values"]).eq(values.payload["values"])]
        if p.core.is_aligned:
            m.d.comb += [activation.payload["first"].eq(values.payload.first),
                         Value.cast(activation.payload["exponent"]).eq(values.payload.exponents)]
        scale, word = core.scale, self.scale
        m.d.comb += [scale.valid.eq(word.valid), word.ready.eq(scale.ready),
                     Value.cast(scale.payload["scale"]).eq(word.payload.word)]
        if p.o_word:
            m.d.comb += Value.cast(scale.payload["offset"]).eq(
                Mux(word.payload.offsets, word.payload.offset, 0))
        chains, rows = p.chains, p.M
        m.d.comb += [
            core.psum.valid.eq(self.partial.valid), self.partial.ready.eq(core.psum.ready),
            Value.cast(core.psum.payload["values"]).eq(
                _turned(self.partial.payload, rows, chains)),
            self.result.valid.eq(core.result.valid), core.result.ready.eq(self.result.ready),
            self.result.payload.eq(
                _turned(Value.cast(core.result.payload["values"]), chains, rows))]
        return m

    @classmethod
    def scan(cls, m: Module, p: AccelParameters, word: Value, take: Value, first: Value,
             last: Value) -> Value:
        m.submodules.exponents = scan = ExponentScan(p.core)
        m.d.comb += [
            scan.scan.eq(take), scan.restart.eq(take & last),
            scan.codes.eq(Cat(word.word_select(i, p.a_bits)[:-1] for i in range(p.per_beat)))]
        return scan.exponent


def _turned(values: Value, outer: int, inner: int) -> Value:
    """FP32 values [outer][inner] as [inner][outer]."""
    return Cat(values.word_select(o * inner + i, 32) for i in range(inner) for o in range(outer))
