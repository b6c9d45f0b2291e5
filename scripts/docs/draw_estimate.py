"""Pictures of docs/estimate.md, from what ``gen estimate`` counts. Run by draw.py."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from canvas import Canvas

from lowbit.generators.estimate.engines import accelerator, areas
from lowbit.generators.estimate.report import estimate
from lowbit.generators.estimate.shapes import open_workload
from lowbit.golden.accelerator.parameters import AccelParameters

__all__ = ["PICTURES"]

DESIGN = AccelParameters()
#: rows of activations of the roofline's points, and calls that are drawn
ROWS = (1, 2, 4, 16)
CALLS = {"gate, up": "bar1", "down": "bar2"}


def roofline() -> Canvas:
    """Multiply-accumulates a cycle over those a byte: two calls of Llama-2-7B at W2."""
    c = Canvas(760, 420, "Roofline of the default accelerator, 2-bit weights")
    left, right, top, bottom = 70, 730, 70, 350
    low, high, small, peak = 0.0, 8.0, 4.0, 9.0         # log2 of both axes

    def at(x: float, y: float) -> tuple[float, float]:
        return (left + (math.log2(x) - low) / (high - low) * (right - left),
                bottom - (math.log2(y) - small) / (peak - small) * (bottom - top))

    for power in range(int(low), int(high) + 1):
        x, _ = at(2 ** power, 16)
        c.line([(x, top), (x, bottom)], "thin")
        c.label(x, bottom + 18, f"{2 ** power}", "dim small", anchor="middle")
    for power in range(int(small), int(peak) + 1):
        _, y = at(1, 2 ** power)
        c.line([(left, y), (right, y)], "thin")
        c.label(left - 8, y + 4, f"{2 ** power}", "dim small", anchor="end")
    c.label((left + right) / 2, bottom + 40, "multiply-accumulates a byte read, each byte once",
            "small", anchor="middle")
    c.label(left, 26, "Roofline: multiply-accumulates a cycle of the default accelerator, "
            "2-bit weights", "bold")
    for i, (name, kind) in enumerate(CALLS.items()):
        c.bar(left + 160 * i, 40, 12, 11, kind)
        c.label(left + 160 * i + 18, 50, f"Llama-2-7B, {name}", "small")
    work = open_workload("Llama-2-7B", 2, None)
    work = replace(work, calls=tuple(call for call in work.calls if call.name in CALLS))
    found = {rows: estimate(DESIGN, work, prompt=rows) for rows in ROWS}
    rate, bus = found[1]["macs_a_cycle"]["2"], found[1]["bytes_a_cycle"]
    c.line([at(1, bus), at(rate / bus, rate), at(2 ** high, rate)])
    c.label(*_moved(at(2 ** 6.2, rate), 0, -8), f"core: {rate:g} a cycle", "small")
    c.label(*_moved(at(2, bus * 2), 14, 14), f"memory: {bus} bytes a cycle", "small")
    half = rate / DESIGN.M
    c.line([at(half / bus, half), at(2 ** high, half)], "line dash")
    c.label(*_moved(at(2 ** 6.2, half), 0, -8), "one row: half of the core", "small")
    for rows, report in found.items():
        for line in report["steps"][0]["lines"]:
            macs = rows * line["calls"] * line["k"] * sum(line["n"])
            x, y = at(macs / (line["bytes_bound"] - 4 * rows * line["calls"] * sum(line["n"])),
                      macs / line["cycles"])
            c.bar(x - 5, y - 5, 10, 10, CALLS[line["name"]])
            if line["name"] == "gate, up":
                c.label(x, y + 30, f"{rows} row" + "s" * (rows > 1), "dim small", anchor="middle")
    return c


def _moved(point: tuple[float, float], x: float, y: float) -> tuple[float, float]:
    return point[0] + x, point[1] + y


def layer() -> Canvas:
    """Cycles of the calls of SmolLM2-135M, all layers, beside what no program can beat."""
    work = open_workload("SmolLM2-135M", 4, 32)
    steps: list[dict[str, Any]] = estimate(DESIGN, work, prompt=16)["steps"]
    c = Canvas(820, 36 + 2 * (42 + 34 * len(work.calls)), "Cycles of the layers of SmolLM2-135M")
    left, room, y = 110, 540, 24
    c.label(16, y, "SmolLM2-135M, 4-bit weights in groups of 32: cycles of the calls of "
            f"{work.calls[0].count} layers, and of the head", "bold")
    for x, name, kind in ((560, "cycle model", "bar1"), (680, "bound", "bar2")):
        c.bar(x, 36, 12, 11, kind)
        c.label(x + 18, 46, name, "small")
    for step in reversed(steps):
        largest = max(line["cycles"] for line in step["lines"])
        y += 32
        c.label(16, y, f"{step['name']}, {step['positions']} row" + "s" * (step["positions"] > 1),
                "bold")
        y += 10
        for line in step["lines"]:
            c.label(left - 10, y + 17, line["name"], "small", anchor="end")
            for k, (name, kind) in enumerate((("cycles", "bar1"), ("bound", "bar2"))):
                value = line[name]
                c.bar(left, y + 1 + 13 * k, value / largest * room, 12, kind)
                words = f"{value:,}"
                if k:
                    words += f", {line['limit']}"
                elif line["calls"] > 1:
                    words += f", {value / line['calls']:,.0f} a layer"
                c.label(left + value / largest * room + 6, y + 11 + 13 * k, words, "small")
            y += 34
    return c


def area() -> Canvas:
    """Where the area of the default accelerator is: logic in µm², memories in KiB."""
    row = accelerator(DESIGN)
    frame = sorted(row["frame"].items(), key=lambda part: -part[1])
    panels: list[tuple[str, list[tuple[str, float]], str]] = [
        ("logic: the core, and what is around it", [("core", row["core"]), *frame], "µm²"),
        ("inside the core", sorted(row["inside_core"].items(), key=lambda part: -part[1]), "µm²"),
        ("memories", [(name, bits / 8192) for name, bits in row["memories"].items()], "KiB")]
    left, room, step = 190, 430, 18
    c = Canvas(820, 40 + sum(40 + step * len(parts) for _, parts, _ in panels),
               "Area of the default accelerator")
    c.label(16, 24, f"Area of the default accelerator ({areas()['library']}, plain recipe)", "bold")
    y = 34
    for k, (title, parts, unit) in enumerate(panels):
        whole = sum(value for _, value in parts)
        largest = max(value for _, value in parts)
        form = "{:,.0f}" if unit == "µm²" else "{:,.1f}"
        y += 24
        c.label(16, y, f"{title}: {form.format(whole)} {unit}", "bold")
        for name, value in parts:
            c.label(left - 10, y + 18, name, "small", anchor="end")
            c.bar(left, y + 8, max(value / largest * room, 0.5), 12, "bar2" if k == 2 else "bar1")
            c.label(left + value / largest * room + 6, y + 18,
                    f"{form.format(value)}, {100 * value / whole:.1f} %", "small")
            y += step
        y += 16
    return c


PICTURES = {"estimate_roofline.svg": roofline, "estimate_layer.svg": layer,
            "estimate_area.svg": area}
