"""Picture of the LUT core with group scales inside. Run by draw.py."""

from __future__ import annotations

from canvas import Canvas

__all__ = ["group_scale"]

WIDE, HIGH = 1010, 500


def group_scale() -> Canvas:
    """Streams, cells in chains, one lane in detail, and the way round of the sums."""
    c = Canvas(WIDE, HIGH, "The LUT core with group scales")
    _streams(c)
    _cells(c)
    _lane(c)
    c.label(20, 474, "D = M × N / (lanes × C) output beats a group. A beat of scales comes with "
            "each of them, and the sums of the groups before come round in as many.", "small")
    c.label(20, 490, "One row is drawn; A is added up once a row, and every lane has all five "
            "steps.", "dim small")
    return c


def _streams(c: Canvas) -> None:
    for y, name, *words in (
            (34, "weight", "patterns, plane, first, last,", "table_last; codes, start, finish"),
            (112, "table", "entries, exponent"), (348, "scale", "d, m: one of each chain a beat"),
            (396, "psum", "FP32")):
        c.label(20, y, name, "bold mono")
        for i, line in enumerate(words):
            c.label(20, y + 16 + 14 * i, line, "dim small")


def _cells(c: Canvas) -> None:
    """Weights and tables to the cells, which stand in chains."""
    left, right = 380, 664
    wide, pitch, y = 62, 70, 104
    xs = [x + pitch * i for x in (left, right) for i in range(3)]
    names = ("0", "1", "N/C − 1", "N − N/C", "…", "N − 1")
    c.line([(220, 38), (xs[-1] + 18, 38)], "bus")
    c.label(226, 30, "one bit-plane a beat", "dim small")
    c.arrow((76, 108), (200, 108), style="bus")
    c.box(200, 88, 116, 42, "blue", "plane step", "shift by plane")
    c.line([(316, 109), (344, 109), (344, 74), (xs[-1] + 44, 74)], "bus")
    for x, name in zip(xs, names, strict=True):
        c.arrow((x + 18, 38), (x + 18, y))
        c.arrow((x + 44, 74), (x + 44, y))
        c.dot(x + 44, 74)
        c.box(x, y, wide, 48, "green", "cell", name)
    for x in (left, right):
        for i in (1, 2):
            c.arrow((x + pitch * i, y + 38), (x + pitch * (i - 1) + wide, y + 38),
                    style="line dash")
        c.frame(x - 10, y - 8, 2 * pitch + wide + 20, 64)
    c.label(left + 222, y + 70, "chain 0", "dim small", anchor="end")
    c.label(right + 222, y + 70, "chain C − 1", "dim small", anchor="end")
    # its results, and the row's sum of activations
    c.arrow((right + 18, y + 48), (right + 18, 184))
    c.box(right - 14, 184, 152, 24, "purple", "lanes of its own")
    c.arrow((left + 18, y + 48), (left + 18, 240))
    c.label(left + 24, 214, "R", "bold small")
    c.dot(150, 108)
    c.arrow((150, 108), (150, 240))


def _lane(c: Canvas) -> None:
    y, high = 240, 46
    middle, below = y + high / 2, y + high
    c.box(70, y, 160, high, "blue", "row sum", "A = Σ all-ones entries")
    c.arrow((230, middle), (310, middle))
    c.label(236, middle - 6, "A", "bold small")
    steps = ((310, 116, "(R + c A) / 2", "exact integer"), (452, 90, "to FP32", "Q"),
             (568, 84, "× d", "FP32"), (678, 92, "+ m A", "FP32"), (796, 84, "+ y", "FP32"))
    for i, (x, wide, name, what) in enumerate(steps):
        c.box(x, y, wide, high, "purple", name, what)
        if i:
            before, its = steps[i - 1][:2]
            c.arrow((before + its, middle), (x, middle))
    c.frame(298, y - 14, 594, high + 24)
    c.label(468, y - 20, "a lane", "dim small")
    # offsets, scales
    c.line([(270, middle), (270, 312), (702, 312)])
    c.arrow((702, 312), (702, below))
    c.label(276, 327, "A, rounded to FP32", "dim small")
    c.label(316, 302, "codes: c", "dim small")
    c.dot(270, middle)
    c.line([(76, 344), (610, 344)], "line")
    c.arrow((610, 344), (610, below))
    c.line([(610, 344), (744, 344)])
    c.arrow((744, 344), (744, below))
    c.dot(610, 344)
    c.label(616, 332, "d", "bold small")
    c.label(750, 332, "m", "bold small")
    # the sums go round
    c.box(784, 376, 108, 40, "grey", "y", "first group: psum")
    c.arrow((838, 376), (838, below))
    c.arrow((76, 392), (784, 392))
    c.box(560, 424, 308, 34, "green", "line of sums: D − 2 beats in registers")
    c.line([(560, 441), (530, 441), (530, 406), (770, 406)])
    c.arrow((770, 406), (784, 406))
    c.arrow((880, middle), (934, middle))
    c.label(940, middle + 5, "result", "bold mono")
    c.label(940, middle + 21, "of the last", "dim small")
    c.label(940, middle + 35, "group", "dim small")
    c.line([(910, middle), (910, 441)])
    c.arrow((910, 441), (868, 441))
    c.dot(910, middle)
