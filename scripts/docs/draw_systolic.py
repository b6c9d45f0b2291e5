"""Pictures of the systolic array in its two dataflows. Run by draw.py."""

from __future__ import annotations

from collections.abc import Callable

from canvas import Canvas

__all__ = ["PICTURES"]

WIDE, HIGH = 780, 410
#: left and upper edge of the elements, their size, and from one to the next
LEFT, TOP, SIZE, PITCH = 296, 110, 80, 116


def _elements(c: Canvas, *lines: str) -> None:
    for i in range(2):
        for j in range(3):
            c.box(LEFT + PITCH * j, TOP + PITCH * i, SIZE, SIZE, "green", *lines)
        for j in range(2):
            y = TOP + PITCH * i + 20
            c.arrow((LEFT + PITCH * j + SIZE, y), (LEFT + PITCH * (j + 1), y), style="bus")


def _delay(c: Canvas, x: float, y: float, count: int, *, down: bool) -> None:
    """Registers of the skew, so many."""
    for i in range(count):
        c.box(x + (0 if down else 26 * i), y + (18 * i if down else 0), 22, 14, "grey")


def _activations(c: Canvas) -> None:
    """What enters from the left, each row a cycle later than the one above."""
    for i in range(2):
        y = TOP + PITCH * i + 20
        _delay(c, 236, y - 7, i, down=False)
        c.arrow((150, y), (236, y) if i else (LEFT, y), style="bus")
        if i:
            c.arrow((258, y), (LEFT, y), style="bus")
        c.label(156, y - 6, f"row {i}", "dim small")


def output_stationary() -> Canvas:
    """Operands right and down; sums stay, and leave upwards, row after row."""
    c = Canvas(WIDE, HIGH, "The output-stationary array: R rows times C columns")
    _elements(c, "PE", "digit rows", "one tree", "sum stays")
    c.label(20, 34, "operand", "bold mono")
    c.label(20, 52, "activations of R rows,", "small")
    c.label(20, 67, "weights of C columns, last", "small")
    _activations(c)
    for j in range(3):
        x = LEFT + PITCH * j + 20
        c.label(x + 12, 22, f"column {j}", "dim small")
        c.box(x - 14, 74, 40, 20, "yellow", "digits")
        _delay(c, x - 4, 30, j, down=True)
        if j == 0:
            c.arrow((x + 6, 26), (x + 6, 74), style="bus")
        else:
            c.arrow((x + 6, 30 + 18 * j - 4), (x + 6, 74), style="bus")
        c.arrow((x + 6, 94), (x + 6, TOP), style="bus")
        c.arrow((x + 6, TOP + SIZE), (x + 6, TOP + PITCH), style="bus")
        # the way out
        side = LEFT + PITCH * j + 60
        c.arrow((side, TOP + PITCH), (side, TOP + SIZE), style="line dash")
    for j in range(3):
        x = LEFT + PITCH * j
        c.line([(x + 66, TOP), (x + 66, TOP - 8), (x + 86, TOP - 8), (x + 86, 316)], "line dash")
        c.arrow((x + 86, 316), (x + 86, 330), style="line dash")
        c.box(x + 50, 330, 72, 30, "purple", "lane")
    c.arrow((LEFT + 2 * PITCH + 122, 345), (680, 345))
    c.label(686, 349, "result", "bold mono")
    c.label(20, 340, "scale", "bold mono")
    c.label(20, 356, "with --out-format int8", "dim small")
    c.arrow((170, 345), (LEFT + 50, 345))
    c.label(20, 388, "Grey: registers of the skew. Dashed: with --drain shift the sums move up, a "
            "row a beat; the lanes resolve carries and offset.", "dim small")
    return c


def weight_stationary() -> Canvas:
    """Weights stay, activations right, sums down."""
    c = Canvas(WIDE, HIGH, "The weight-stationary array: R rows times C columns")
    _elements(c, "PE", "weights stay,", "next ones", "beside them")
    c.label(20, 34, "weight", "bold mono")
    c.label(20, 52, "one row a beat, the last row first", "small")
    c.label(20, 96, "activation", "bold mono")
    c.label(20, 112, "a vector a beat", "small")
    _activations(c)
    for j in range(3):
        x = LEFT + PITCH * j + 20
        c.label(x - 6, 22, f"column {j}", "dim small")
        c.box(x - 14, 44, 40, 20, "yellow", "digits")
        c.arrow((x + 6, 28), (x + 6, 44), style="bus")
        c.arrow((x + 6, 64), (x + 6, TOP), style="bus")
        c.arrow((x + 6, TOP + SIZE), (x + 6, TOP + PITCH), style="bus")
        side = LEFT + PITCH * j + 56
        c.arrow((side, TOP + SIZE), (side, TOP + PITCH))
        foot = TOP + PITCH + SIZE
        start = foot + 4
        c.line([(side, foot), (side, start)])
        _delay(c, side - 11, start, 2 - j, down=True)
        c.arrow((side, start + 18 * (2 - j) - (4 if j < 2 else 0)), (side, 356))
        c.box(side - 36, 356, 72, 26, "purple", "lane")
    c.arrow((LEFT + 2 * PITCH + 92, 369), (680, 369))
    c.label(686, 373, "result", "bold mono")
    c.label(20, 362, "psum", "bold mono")
    c.label(20, 378, "of earlier slices", "dim small")
    c.arrow((150, 369), (LEFT + 20, 369))
    c.label(20, 402, "Grey: registers of the skew. Sums move down a row a step; the array steps on "
            "or stops as a whole.", "dim small")
    return c


PICTURES: dict[str, Callable[[], Canvas]] = {
    "systolic_os.svg": output_stationary, "systolic_ws.svg": weight_stationary}
