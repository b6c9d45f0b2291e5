"""Packed ternary weights to trits: decoders side by side."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from lowbit.golden.timing import Timing
from lowbit.golden.unpack.parameters import UnpackParameters

from ..common.design import Design
from ..common.field import Field
from ..common.shared import Shared
from ..common.trit_decoder import NEGATIVE, NONZERO, TritDecoder

__all__ = ["WeightUnpack"]


class WeightUnpack(Design[UnpackParameters]):
    """``words`` (lane) to ``trits`` (lane, trit of the word), combinational."""

    def __init__(self, p: UnpackParameters) -> None:
        code = p.trit_code
        super().__init__(p, {
            "words": In(Field(code.bits, f"packed weights, {code.name}", name=code.name,
                              axes={"lane": p.lanes})),
            "trits": Out(Field(p.trit_bits, f"weights, bit {NONZERO} non-zero, bit {NEGATIVE} "
                               "negative (of a zero it means nothing)", name="ternary",
                               axes={"lane": p.lanes, "trit": code.trits}))})

    def timing(self) -> Timing:
        return Timing(0, 1, "words to trits, combinational")

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        words, trits = self.words.as_value(), self.trits.as_value()
        for lane in range(p.lanes):
            m.submodules[f"decoder_{lane}"] = decoder = Shared(TritDecoder(p.trit_code),
                                                               "trit_decoder", key=p.code)
            m.d.comb += [decoder.word.eq(words.word_select(lane, len(decoder.word))),
                         trits.word_select(lane, len(decoder.trits)).eq(decoder.trits)]
        return m
