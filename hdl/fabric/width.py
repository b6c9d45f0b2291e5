"""Between beats of a narrow and of a wide stream, with the ends of packets.

Unlike :class:`.words.BeatsToWords`, which cuts runs of known length, these carry ``last`` across
and never put parts of two packets in one word.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ..common.struct import StructComponent

__all__ = ["Gather", "Scatter", "part_layout", "word_layout"]


def part_layout(bits: int) -> data.StructLayout:
    """Payload of the narrow stream: ``data``, and ``last`` of a packet."""
    return data.StructLayout({"data": bits, "last": 1})


def word_layout(bits: int, count: int) -> data.StructLayout:
    """Payload of a wide stream some of whose parts may be missing: ``data``, ``keep`` (which parts
    are there, from the lowest on without a gap), and ``last`` of a packet."""
    return data.StructLayout({"data": bits * count, "keep": count, "last": 1})


class Gather(StructComponent):
    """``count`` parts to a word, the first one lowest; fewer where a packet ends.

    Ports: streams ``part`` (in) and ``word`` (out), both ``data`` and ``last``. Parts that are
    missing are 0. A part a cycle; latency 0 from the last part of a word. ``part.ready`` follows
    ``part.last`` and ``word.ready``.
    """

    def __init__(self, bits: int, count: int) -> None:
        if count < 2:
            raise ValueError(f"count must be at least 2; got {count}")
        self.bits, self.count = bits, count
        self.parameters = (bits, count)
        super().__init__({"part": In(stream.Signature(part_layout(bits))),
                          "word": Out(stream.Signature(part_layout(bits * count)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        part, word, count = self.part, self.word, self.count
        place = Signal(range(count))
        complete = Signal()
        moves = Signal()
        m.d.comb += [
            complete.eq((place == count - 1) | part.payload.last),
            word.valid.eq(part.valid & complete), word.payload.last.eq(part.payload.last),
            part.ready.eq(word.ready | ~complete), moves.eq(part.valid & part.ready)]
        with m.If(moves):
            m.d.sync += place.eq(Mux(complete, 0, place + 1))
        parts = []
        for i in range(count):
            now = Signal(self.bits, name=f"part_{i}")
            with m.If(place == i):
                m.d.comb += now.eq(part.payload.data)
            if i < count - 1:       # the last place is never held
                held = Signal(self.bits, name=f"held_{i}", reset_less=True)
                with m.If(moves & (place == i)):
                    m.d.sync += held.eq(part.payload.data)
                with m.If(place > i):
                    m.d.comb += now.eq(held)
            parts.append(now)
        m.d.comb += word.payload.data.eq(Cat(parts))
        return m


class Scatter(StructComponent):
    """A word's parts one after another, the lowest first, up to the last one that is there.

    Ports: streams ``word`` (in) and ``part`` (out). A word stays, valid, until its last part is
    taken; its lowest part always counts as there. A part a cycle; latency 0. ``part.valid`` and
    its payload follow those of ``word``.
    """

    def __init__(self, bits: int, count: int) -> None:
        if count < 2:
            raise ValueError(f"count must be at least 2; got {count}")
        self.bits, self.count = bits, count
        self.parameters = (bits, count)
        super().__init__({"word": In(stream.Signature(word_layout(bits, count))),
                          "part": Out(stream.Signature(part_layout(bits)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, part, count = self.word, self.part, self.count
        place = Signal(range(count))
        ends = Signal()
        # of each place: is the next one there?
        more = Array([*(word.payload.keep[i] for i in range(1, count)), 0])
        follows = Signal()
        m.d.comb += [
            follows.eq(more[place]), ends.eq(~follows),
            part.valid.eq(word.valid), part.payload.last.eq(word.payload.last & ends),
            part.payload.data.eq(Array(word.payload.data.word_select(i, self.bits)
                                       for i in range(count))[place]),
            word.ready.eq(part.ready & ends)]
        with m.If(part.valid & part.ready):
            m.d.sync += place.eq(Mux(ends, 0, place + 1))
        return m
