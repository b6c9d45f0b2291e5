"""The BitMoD engine: a tile behind the ports of an engine.

Words of patterns have two bits of each code, the lowest first: those of a step are collected, and
enter the tile with the last one, together with the step's activations and, at a group's first step,
its scales. Rows of results come one after another; partial sums are added on the way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value

from lowbit.golden.accelerator.bitmod_layout import PLANE_BITS, SCALE_ENTRY_BITS
from lowbit.golden.accelerator.isa import FLOAT_CODES
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.formats import FP16, FP32
from lowbit.golden.group_scale import Codes

from ..bitmod.exponent_scan import ExponentScan
from ..bitmod.streams import CODE_BITS, SCALE_BITS, SELECTOR_BITS
from ..bitmod.tile import BitmodTile
from ..common.adders import Adders
from ..common.fp_add import FpAdd
from ..common.pipeline import register
from ..common.shared import Shared
from .engine import Engine

__all__ = ["BitmodEngine"]

#: the channel scale of weights without
ONE = int(FP32.from_float64(np.array(1.0)))


class BitmodEngine(Engine):
    """The tile runs a word of patterns a cycle. ``special``: four special values, a byte each,
    which are written to the tile in turn, all the time."""

    notes = ("planes", "steps", "keep")
    frees = ("weights", "scales", "offsets")
    tells_fresh = True

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.tile = tile = Shared(BitmodTile(p.tile), "bitmod_tile")
        entry = Signal(SELECTOR_BITS)
        m.d.sync += entry.eq(entry + 1)
        value = Signal(len(tile.sv_value))
        values = Array(self.special.word_select(i, 8)[:len(value)] for i in range(1 << len(entry)))
        m.d.comb += [value.eq(values[entry]), tile.sv_write.eq(1), tile.sv_index.eq(entry),
                     tile.sv_value.eq(value)]
        self._operands(m, tile)
        if p.o_word:
            channel, word = tile.channel, self.offset
            m.d.comb += [
                channel.valid.eq(word.valid), word.ready.eq(channel.ready),
                Value.cast(channel.payload["scales"]).eq(
                    Mux(word.payload.offsets, word.payload.word,
                        Const(ONE, FP32.bits).replicate(p.chains)))]
        self._results(m, tile)
        return m

    def _operands(self, m: Module, tile: Any) -> None:
        """Chunks of weights and activations, and groups, all that begin together."""
        p, compute = self.parameters, self.parameters.compute
        weight, activation, scale = self.weight, self.activation, self.scale
        note = weight.payload
        floating = Signal()
        collects = Signal()
        m.d.comb += [floating.eq(note.codes == FLOAT_CODES),
                     collects.eq(weight.valid & ~note.table_last)]
        # words of the step so far, the newest first
        words: list[Value] = [note.word]
        for i in range(1, compute.planes):
            words.append(register(m, words[-1], f"word_{i}", enable=collects))
        codes = Signal(p.N * p.K * CODE_BITS)
        by_length = {planes: self._codes(words, planes, floating)
                     for planes in range(2, compute.planes + 1)}
        with m.Switch(note.planes):
            for planes, found in by_length.items():
                with m.Case(planes - 1):
                    m.d.comb += codes.eq(found)
            with m.Default():       # does not come
                m.d.comb += codes.eq(by_length[compute.planes])

        opens = Signal()            # the chunk begins a group
        there = Signal()
        room = Signal()
        moves = Signal()
        m.d.comb += [
            opens.eq(activation.payload.first),
            there.eq(weight.valid & note.table_last & activation.valid & (scale.valid | ~opens)),
            room.eq(tile.weight.ready & tile.activation.ready & (tile.group.ready | ~opens)),
            moves.eq(there & room),
            weight.ready.eq(~note.table_last | moves), activation.ready.eq(moves),
            scale.ready.eq(moves & opens),
            tile.weight.valid.eq(moves), tile.activation.valid.eq(moves),
            tile.group.valid.eq(moves & opens),
            Value.cast(tile.weight.payload["codes"]).eq(codes),
            Value.cast(tile.activation.payload["values"]).eq(activation.payload["values"])]
        group = tile.group.payload
        entries = [scale.payload.word.word_select(i, SCALE_ENTRY_BITS) for i in range(p.N)]
        m.d.comb += [
            Value.cast(group["scales"]).eq(Cat(each[:SCALE_BITS] for each in entries)),
            Value.cast(group["selectors"]).eq(Cat(
                each[SCALE_BITS:SCALE_BITS + SELECTOR_BITS] for each in entries)),
            group["floating"].eq(floating), group["terms"].eq(note.planes),
            group["chunks"].eq((1 << note.steps) - 1),
            group["last"].eq(note.finish & ~note.keep),
            Value.cast(group["exponents"]).eq(activation.payload.exponents)]

    def _codes(self, words: list[Value], planes: int, floating: Value) -> Value:
        """Codes of 8 bits of a step of so many words, integers with their signs extended."""
        codes = []
        for i in range(self.parameters.N * self.parameters.K):
            parts = [word.word_select(i, PLANE_BITS) for word in words[:planes]]
            code = Cat(reversed(parts))
            sign = code[-1] & ~floating
            codes.append(Cat(code, sign.replicate(CODE_BITS - len(code))))
        return Cat(codes)

    def _results(self, m: Module, tile: Any) -> None:
        """Words of all rows, from rows that come one after another."""
        p, rows = self.parameters, self.parameters.M
        outcome, partial = tile.result, self.partial
        row = Signal(range(rows))
        row_last = Signal()
        takes = Signal()
        sums = Signal(p.p_word)
        of_rows = Array(partial.payload.word_select(i, p.p_word) for i in range(rows))
        m.d.comb += [row_last.eq(row == rows - 1), sums.eq(of_rows[row])]
        values = []
        for i in range(p.chains):
            m.submodules[f"sum_{i}"] = add = Shared(FpAdd(FP32, adders=Adders(p.adder)),
                                                    "bitmod_partial_sum")
            came = Value.cast(outcome.payload["values"]).word_select(i, FP32.bits)
            m.d.comb += [add.a.eq(sums.word_select(i, FP32.bits)), add.b.eq(came)]
            values.append(Mux(self.fresh, came, add.sum))
        now = Signal(p.p_word)
        m.d.comb += now.eq(Cat(values))
        word = []
        for i in range(rows - 1):
            held = Signal(p.p_word, name=f"row_{i}", reset_less=True)
            with m.If(takes & (row == i)):
                m.d.sync += held.eq(now)
            word.append(held)
        m.d.comb += [
            self.result.valid.eq(outcome.valid & partial.valid & row_last),
            self.result.payload.eq(Cat(*word, now)),
            takes.eq(outcome.valid & partial.valid & (~row_last | self.result.ready)),
            outcome.ready.eq(partial.valid & (~row_last | self.result.ready)),
            partial.ready.eq(takes & row_last)]
        with m.If(takes):
            m.d.sync += row.eq(Mux(row_last, 0, row + 1))

    @classmethod
    def refuses(cls, p: AccelParameters, lmma: Any) -> Value:
        codes, planes = lmma.codes, lmma.planes
        return (~planes.any() | ((codes != Codes.SIGNED) & (codes != FLOAT_CODES))
                | ((codes == FLOAT_CODES) & (planes != 1)))

    @classmethod
    def scan(cls, m: Module, p: AccelParameters, word: Value, take: Value, first: Value,
             last: Value) -> Value:
        m.submodules.exponents = scan = ExponentScan(p.K)
        fields = [word.word_select(i, FP16.bits)[FP16.mbits:-1] for i in range(p.K)]
        m.d.comb += [scan.fields.eq(Cat(fields)), scan.take.eq(take), scan.first.eq(first)]
        return scan.exponent
