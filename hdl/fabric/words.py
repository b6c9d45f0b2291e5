"""Between the beats of a bus and the words of a buffer."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .axi import Axi4
from .dma_write import write_data_layout

__all__ = ["BeatsToWords", "WordsToParts", "beat_parts"]


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


def beat_parts(word_bits: int, beat_bits: int) -> int:
    """Parts of a beat that halves of words fill one after another; 1: a word has more than one."""
    return max(2 * beat_bits // word_bits, 1)


class WordsToParts(wiring.Component):
    """Words of a buffer, or their lower halves, to a beat's parts that wait in the write engine.

    Ports: stream ``word``; with a word, and steady while it waits, ``half``: only its lower half
    counts, and ``last`` of a run: the beat leaves as it is. Stream ``data``, of the engine with
    :func:`beat_parts` parts. Latency 0, no register but a counter; a word of more than one beat
    stays until its last beat is taken.
    """

    def __init__(self, word_bits: int, bus: Axi4) -> None:
        self.word_bits, self.bus = word_bits, bus
        self.count = beat_parts(word_bits, bus.data_bits)
        self.parameters = (word_bits, bus)
        super().__init__({"word": In(stream.Signature(word_bits)), "half": In(1), "last": In(1),
                          "data": Out(stream.Signature(write_data_layout(bus, self.count)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, out, beat_bits = self.word, self.data, self.bus.data_bits
        final = Signal()
        m.d.comb += out.valid.eq(word.valid)
        if self.count == 1:
            beats = _ratio(self.word_bits // 2, beat_bits)
            part = Signal(range(2 * beats))
            m.d.comb += [
                final.eq(part == Mux(self.half, beats - 1, 2 * beats - 1)),
                word.ready.eq(out.ready & final),
                out.payload.data.eq(Array(word.payload.word_select(i, beat_bits)
                                          for i in range(2 * beats))[part])]
        else:
            width = _ratio(beat_bits, self.count)
            part = Signal(range(self.count))
            low, high = word.payload[:width], word.payload[width:]
            odd = Signal(width)
            # of a whole word two parts are taken, and ``part`` is even
            m.d.comb += [
                odd.eq(Mux(self.half, low, high)), word.ready.eq(out.ready),
                out.payload.data.eq(Cat(low, odd).replicate(self.count // 2)),
                final.eq(self.last | (part == Mux(self.half, self.count - 1, self.count - 2))),
                out.payload.full.eq(final)]
            m.d.comb += [out.payload.places[i].eq(
                (part == i) | (~self.half & (part == (i & ~1)))) for i in range(self.count)]
        step = 1 if self.count == 1 else Mux(self.half, 1, 2)
        with m.If(out.valid & out.ready):
            m.d.sync += part.eq(Mux(final, 0, part + step))
        return m
