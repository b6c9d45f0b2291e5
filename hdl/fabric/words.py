"""Between the beats of a bus and the words of a buffer."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BeatsToWords", "WordsToBeats"]


def _ratio(large: int, small: int) -> int:
    if large % small:
        raise ValueError(f"words and beats must divide each other; got {large} and {small} bits")
    return large // small


class BeatsToWords(wiring.Component):
    """Beats of a bus to words that are a part or a multiple of them, lowest first.

    Ports: streams ``beat`` and ``word`` (payload: the bits); ``last``, with a beat: words start
    anew after it, what is left of an unfinished one is dropped. Latency 0; the beat of narrow
    words stays until its last word is taken.
    """

    def __init__(self, beat_bits: int, word_bits: int) -> None:
        self.beat_bits, self.word_bits = beat_bits, word_bits
        self.parameters = (beat_bits, word_bits)
        super().__init__({"beat": In(stream.Signature(beat_bits)), "last": In(1),
                          "word": Out(stream.Signature(word_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beat, word = self.beat, self.word
        if self.word_bits == self.beat_bits:
            m.d.comb += [word.valid.eq(beat.valid), word.payload.eq(beat.payload),
                         beat.ready.eq(word.ready)]
            return m
        final = Signal()
        if self.word_bits < self.beat_bits:
            count = _ratio(self.beat_bits, self.word_bits)
            part = Signal(range(count))
            m.d.comb += [final.eq(part == count - 1), word.valid.eq(beat.valid),
                         word.payload.eq(Array(beat.payload[i * self.word_bits:][:self.word_bits]
                                             for i in range(count))[part]),
                         beat.ready.eq(word.ready & final)]
            with m.If(word.valid & word.ready):
                m.d.sync += part.eq(part + 1)
                with m.If(final):
                    m.d.sync += part.eq(0)
            return m
        count = _ratio(self.word_bits, self.beat_bits)
        part = Signal(range(count))
        parts = [Signal(self.beat_bits, name=f"part_{i}", reset_less=True)
                 for i in range(count - 1)]
        m.d.comb += [final.eq(part == count - 1), word.valid.eq(beat.valid & final),
                     word.payload.eq(Cat(*parts, beat.payload)),
                     beat.ready.eq(~final | word.ready)]
        with m.If(beat.valid & beat.ready):
            m.d.sync += part.eq(part + 1)
            with m.If(final | self.last):
                m.d.sync += part.eq(0)
            for i, held in enumerate(parts):
                with m.If(part == i):
                    m.d.sync += held.eq(beat.payload)
        return m


class WordsToBeats(wiring.Component):
    """Words of a buffer to beats of a bus, which are a part or a multiple of them.

    Ports: streams ``word`` and ``beat`` (payload: the bits); ``last``, with a word: a beat that is
    not full yet leaves with it. Latency 0; the word of narrow beats stays until its last beat is
    taken, beats after the last word of a run included.
    """

    def __init__(self, word_bits: int, beat_bits: int) -> None:
        self.word_bits, self.beat_bits = word_bits, beat_bits
        self.parameters = (word_bits, beat_bits)
        super().__init__({"word": In(stream.Signature(word_bits)), "last": In(1),
                          "beat": Out(stream.Signature(beat_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.word_bits >= self.beat_bits:
            m.submodules.parts = parts = BeatsToWords(self.word_bits, self.beat_bits)
            m.d.comb += [parts.beat.valid.eq(self.word.valid),
                         parts.beat.payload.eq(self.word.payload),
                         self.word.ready.eq(parts.beat.ready), parts.last.eq(self.last),
                         self.beat.valid.eq(parts.word.valid),
                         self.beat.payload.eq(parts.word.payload),
                         parts.word.ready.eq(self.beat.ready)]
            return m
        count = _ratio(self.beat_bits, self.word_bits)
        part = Signal(range(count))
        full = Signal()
        parts_held = [Signal(self.word_bits, name=f"part_{i}", reset_less=True)
                      for i in range(count - 1)]
        # what lies above the last word of a run is not written
        places = [Cat(*parts_held[:i], self.word.payload) for i in range(count)]
        m.d.comb += [full.eq((part == count - 1) | self.last),
                     self.beat.valid.eq(self.word.valid & full),
                     self.word.ready.eq(~full | self.beat.ready)]
        with m.Switch(part):
            for i, place in enumerate(places):
                with m.Case(i):
                    m.d.comb += self.beat.payload.eq(place)
        with m.If(self.word.valid & self.word.ready):
            m.d.sync += part.eq(part + 1)
            with m.If(full):
                m.d.sync += part.eq(0)
            for i, held in enumerate(parts_held):
                with m.If(part == i):
                    m.d.sync += held.eq(self.word.payload)
        return m
