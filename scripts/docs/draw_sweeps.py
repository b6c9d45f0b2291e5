"""Pictures of docs/sweep.md, from docs/results/sweeps.json. Run by draw.py."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from canvas import Canvas

__all__ = ["PICTURES"]

RECORD = Path(__file__).resolve().parents[2] / "docs" / "results" / "sweeps.json"
KINDS = ("bar1", "bar2", "head")

Row = dict[str, Any]


def _designs(name: str) -> list[Row] | None:
    """The designs of a recorded sweep; None where it is not recorded."""
    if not RECORD.exists():
        return None
    sweep = json.loads(RECORD.read_text())["sweeps"].get(name)
    return None if sweep is None else list(sweep["designs"])


def _scale(values: list[float], low: float, high: float) -> Callable[[float], float]:
    """Logarithmic, from the smallest value at ``low`` to the largest at ``high``."""
    first, last = math.log(min(values)), math.log(max(values))
    return lambda value: low + (math.log(value) - first) / (last - first) * (high - low)


def _ticks(values: list[float]) -> list[float]:
    """1, 1.5, 2, 3, 5, 7 times powers of ten between the smallest and the largest."""
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [m * 10.0 ** p for p in powers for m in (1, 1.5, 2, 3, 5, 7)
            if low <= m * 10.0 ** p <= high]


def table_size() -> Canvas | None:
    """Area of a multiply-accumulate a cycle over K: a line for each number of columns."""
    rows = _designs("k")
    if rows is None:
        return None
    c = Canvas(820, 400, "Area over the activations of a table")
    top, bottom, wide = 70, 330, 300
    values = [row["area_per_mac"] for row in rows]
    y_of, ks = _scale(values, bottom, top), sorted({row["K"] for row in rows})
    c.label(16, 26, "Area of a 1-bit multiply-accumulate a cycle, µm², over K, activations a table",
            "bold")
    for panel, a_format in enumerate(dict.fromkeys(row["a_format"] for row in rows)):
        left = 70 + panel * (wide + 90)
        c.label(left, 54, f"{a_format.upper()} activations", "small bold")
        for tick in _ticks(values):
            c.line([(left, y_of(tick)), (left + wide, y_of(tick))], "thin")
            c.label(left - 8, y_of(tick) + 4, f"{tick:,.0f}", "dim small", anchor="end")
        x_of = {k: left + 10 + i * (wide - 60) / (len(ks) - 1) for i, k in enumerate(ks)}
        for k, x in x_of.items():
            c.label(x, bottom + 34, f"K = {k}", "dim small", anchor="middle")
        for n, kind in zip(sorted({row["N"] for row in rows}), KINDS, strict=True):
            line = [(x_of[row["K"]], y_of(row["area_per_mac"])) for row in
                    sorted(rows, key=lambda row: int(row["K"]))
                    if row["N"] == n and row["a_format"] == a_format]
            c.line(line)
            least = max(line, key=lambda at: at[1])
            for x, y in line:
                c.bar(x - 4, y - 4, 8, 8, kind)
            c.label(least[0], least[1] + 18, "least", "dim small", anchor="middle")
            c.label(line[-1][0] + 10, line[-1][1] + 4, f"N = {n}", "small")
    c.label(16, 384, "Tables are made inside the core, and N columns share them.", "small")
    return c


def tile_shape() -> Canvas | None:
    """Area against energy of a multiply-accumulate; tiles of the same work are connected."""
    rows = _designs("mnk")
    if rows is None:
        return None
    c = Canvas(820, 460, "Area and energy over M, N and K")
    left, right, top, bottom = 80, 740, 70, 400
    across, up = ([row[name] for row in rows] for name in ("area_per_mac", "energy"))
    x_of, y_of = _scale(across, left + 20, right - 40), _scale(up, bottom - 15, top + 10)
    c.label(16, 26, "A 2-bit by INT8 multiply-accumulate: energy, pJ, over area a cycle, µm²",
            "bold")
    for tick in _ticks(across):
        c.line([(x_of(tick), top), (x_of(tick), bottom)], "thin")
        c.label(x_of(tick), bottom + 18, f"{tick:,.0f}", "dim small", anchor="middle")
    for tick in _ticks(up):
        c.line([(left, y_of(tick)), (right, y_of(tick))], "thin")
        c.label(left - 8, y_of(tick) + 4, f"{tick:g}", "dim small", anchor="end")
    kinds = dict(zip(sorted({row["M"] for row in rows}), KINDS, strict=True))
    for i, (m, kind) in enumerate(kinds.items()):
        c.bar(left + 90 * i, 40, 10, 10, kind)
        c.label(left + 16 + 90 * i, 50, f"M = {m}", "small")
    least = min(rows, key=lambda row: float(row["area_per_mac"] * row["energy"]))["K"]
    named = [row for row in rows if row["K"] == least]
    for work in {row["M"] * row["N"] for row in named}:
        c.line([(x_of(row["area_per_mac"]), y_of(row["energy"])) for row in named
                if row["M"] * row["N"] == work], "line dash")
    for row in rows:
        x, y = x_of(row["area_per_mac"]), y_of(row["energy"])
        if row["K"] == least:
            c.bar(x - 5, y - 5, 10, 10, kinds[row["M"]])
            c.label(x + 8, y + 16, f"M{row['M']} N{row['N']}", "small")
        else:
            c.bar(x - 2, y - 2, 4, 4, kinds[row["M"]])
    c.label(16, 444, f"Large, with their names: K = {least}; small: the others. Dashed: tiles that "
            "do the same work a cycle.", "small")
    return c


PICTURES = {"sweep_k.svg": table_size, "sweep_mnk.svg": tile_shape}
