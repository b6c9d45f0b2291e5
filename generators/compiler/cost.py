"""What a program costs: bytes, beats, and cycles by a model of three units that run side by side.

A unit runs its instructions in order, each as long as its bytes or beats take, and waits for
tokens. Fetch and the latency of memory cost nothing here.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from lowbit.golden.accelerator.isa import BLOCK, UNITS, Instruction, Op
from lowbit.golden.accelerator.parameters import AccelParameters

__all__ = ["Cost", "cost"]

_ORDER = ("load", "execute", "store")


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


def _beats(i: Instruction) -> int:
    if i.op is not Op.LMMA:
        return 0
    return i["row_blocks"] * i["groups"] * (i["planes"] + 1 << i["steps"])


def cost(p: AccelParameters, program: Iterable[Instruction]) -> Cost:
    """The cost of a program whose tokens come before they are taken."""
    clock = dict.fromkeys(_ORDER, 0)
    tokens: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)
    beats = read = written = count = 0
    for i in program:
        count += 1
        unit = UNITS.get(i.op)
        if unit is None:
            clock = dict.fromkeys(_ORDER, max(clock.values()))
            tokens.clear()
            continue
        here = _ORDER.index(unit)
        start = clock[unit]
        for flag, other in (("prev", here - 1), ("next", here + 1)):
            if i[f"pop_{flag}"] and 0 <= other < len(_ORDER):
                start = max(start, tokens[_ORDER[other], unit].popleft())
        moved, busy = _traffic(p, i), _beats(i)
        beats += busy
        written, read = (written + moved, read) if unit == "store" else (written, read + moved)
        length = -(-moved * 8 // p.axi_data)
        if busy:
            length = i["row_blocks"] * i["groups"] * max(i["planes"] + 1 << i["steps"], p.drain + 2)
        clock[unit] = start + length
        for flag, other in (("prev", here - 1), ("next", here + 1)):
            if i[f"push_{flag}"] and 0 <= other < len(_ORDER):
                tokens[unit, _ORDER[other]].append(clock[unit])
    return Cost(max(clock.values()), beats, read, written, count)
