"""Picture of a table for ternary weights. Run by draw.py."""

from __future__ import annotations

from itertools import product

from canvas import Canvas

from lowbit.golden.lut.reads import pattern_reads
from lowbit.golden.lut.table import pattern_signs

__all__ = ["ternary_table"]

K = 2
#: trit -> how it is written, and its two bits
TRITS = {1: ("+", "10"), 0: ("0", "00"), -1: ("−", "11")}


def _sum(signs: list[int]) -> str:
    words = [f"{TRITS[sign][0]} a{k}" for k, sign in enumerate(signs) if sign]
    return " ".join(words).removeprefix("+ ").replace("− a0", "−a0") if words else "nothing"


def ternary_table() -> Canvas:
    """K = 2: four stored sums, and what each of the nine patterns reads."""
    c = Canvas(820, 340, "A table for ternary weights")
    entries = pattern_signs(K, "half", 3).tolist()
    index, sign = pattern_reads(K, "half", 3)
    c.label(20, 28, "Stored: the first that counts has a plus", "bold")
    c.label(430, 28, "Patterns, a0's trit first", "bold")
    c.label(430, 46, "two bits a trit: non-zero, negative", "dim small")
    places = [70 + 62 * i for i in range(len(entries))]
    for y, signs in zip(places, entries, strict=True):
        c.box(20, y, 130, 26, "blue", _sum(signs), style="mono")
    for i, trits in enumerate(product((1, 0, -1), repeat=K)):
        y = 56 + 28 * i
        bits = [TRITS[trit][1] for trit in trits]
        pattern = sum(int(b, 2) << 2 * k for k, b in enumerate(bits))
        c.box(430, y, 96, 23, "grey" if not sign[pattern] else "yellow",
              " ".join(TRITS[trit][0] for trit in trits) + "   " + " ".join(bits), style="mono")
        if sign[pattern]:
            to = places[int(index[pattern])] + 13
            c.line([(426, y + 12), (152, to)], "line dash" if sign[pattern] < 0 else "line")
        word = "nothing" if not sign[pattern] else \
            ("minus " if sign[pattern] < 0 else "") + f"T[{index[pattern]}]"
        c.label(540, y + 16, word, "mono")
    c.label(640, 72, "line: the entry itself,", "dim small")
    c.label(640, 88, "dashed: its negative", "dim small")
    c.label(20, 328, "The entry is selected one-hot; its sign is an inversion and a carry into the "
            "sum of all tables.", "small")
    return c
