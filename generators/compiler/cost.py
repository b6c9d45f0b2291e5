"""What a program costs: the bytes that it moves, and cycles by the accelerator's cycle model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lowbit.golden.accelerator.cycles import timeline
from lowbit.golden.accelerator.isa import BLOCK, Instruction, Op
from lowbit.golden.accelerator.parameters import AccelParameters

__all__ = ["LATENCY", "Cost", "cost"]

#: cycles until the memory answers, where nothing else is said
LATENCY = 60


@dataclass(frozen=True)
class Cost:
    """Of one program, or of several one after another."""

    cycles: int = 0
    beats: int = 0              #: cycles in which the core takes a beat of patterns
    bytes_read: int = 0
    bytes_written: int = 0
    instructions: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(a + b for a, b in zip(vars(self).values(), vars(other).values(),
                                            strict=True)))

    @property
    def utilisation(self) -> float:
        """Share of the cycles in which the core works."""
        return self.beats / self.cycles if self.cycles else 0.0


def _traffic(p: AccelParameters, i: Instruction) -> int:
    """Bytes that an instruction moves."""
    if "blocks" in i.fields:
        return i["blocks"] * BLOCK
    word = {Op.LDA: p.a_word, Op.LDP: p.p_word}.get(i.op)
    if word is not None:
        return i["rows"] * -(-i["words"] * word // (8 * BLOCK)) * BLOCK
    if i.op is Op.ST:
        return i["rows"] * i["words"] * p.p_word // (16 if i["fp16"] else 8)
    return 0


def cost(p: AccelParameters, program: Iterable[Instruction], latency: int = LATENCY) -> Cost:
    """The cost of a program on a memory that answers after ``latency`` cycles."""
    instructions = list(program)
    times = timeline(p, instructions, latency)
    written = sum(_traffic(p, i) for i in instructions if i.op is Op.ST)
    read = sum(_traffic(p, i) for i in instructions if i.op is not Op.ST)
    return Cost(times.cycles, times.beats, read, written, len(instructions))
