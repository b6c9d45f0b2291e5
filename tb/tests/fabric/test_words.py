"""Words of results and the beats that are put together of them, whole words and halves."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from lowbit.hdl.fabric.axi import Axi4
from lowbit.hdl.fabric.words import WordsToParts

#: bits of a word and of a beat
WIDTHS = ((32, 64), (64, 64), (128, 64), (256, 64), (32, 512), (512, 256))


def beats_of(words: list[int], word_bits: int, beat_bits: int, half: bool) -> list[int]:
    """The beats of a run; what lies above its last word is 0."""
    bits = word_bits // 2 if half else word_bits
    line = sum((word & (1 << bits) - 1) << i * bits for i, word in enumerate(words))
    count = -(-len(words) * bits // beat_bits)
    return [line >> i * beat_bits & (1 << beat_bits) - 1 for i in range(count)]


@pytest.mark.parametrize(("word_bits", "beat_bits"), WIDTHS)
def test_parts(word_bits: int, beat_bits: int) -> None:
    dut = WordsToParts(word_bits, Axi4(beat_bits))
    rng = random.Random(word_bits + beat_bits)
    width = beat_bits // dut.count

    async def drive(ctx: Any) -> None:
        for half in (0, 1, 0, 1):
            words = [rng.getrandbits(word_bits) for _ in range(rng.randrange(1, 40))]
            found, beat, given = [], 0, 0
            ctx.set(dut.half, half)
            while given < len(words):
                ctx.set(dut.word.valid, rng.random() < 0.7)
                ctx.set(dut.word.payload, words[given])
                ctx.set(dut.last, given == len(words) - 1)
                ctx.set(dut.data.ready, rng.random() < 0.7)
                moves = ctx.get(dut.data.valid & dut.data.ready)
                data = ctx.get(dut.data.payload.data)
                if moves and dut.count == 1:
                    found.append(data)
                elif moves:
                    for i in range(dut.count):
                        if ctx.get(dut.data.payload.places[i]):
                            part = ((1 << width) - 1) << i * width
                            assert not beat & part
                            beat |= data & part
                    if ctx.get(dut.data.payload.full):
                        found.append(beat)
                        beat = 0
                given += ctx.get(dut.word.valid & dut.word.ready)
                await ctx.tick()
            assert found == beats_of(words, word_bits, beat_bits, bool(half))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
