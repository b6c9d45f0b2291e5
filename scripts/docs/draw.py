#!/usr/bin/env python3
"""Draw the pictures of docs/img.

    .venv/bin/python scripts/docs/draw.py [--check] [--theme light|dark --into FOLDER]

The waveforms come from simulations, the charts from docs/results/*.json. Most pictures have a file
of their family, draw_*.py, beside this one. Same sources, same bytes: ``--check`` has exit status 1
when a picture is not up to date.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import draw_accelerator
import draw_bitmod
import draw_estimate
import draw_group_scale
import draw_schedule
import draw_sweeps
import draw_systolic
import draw_ternary
import numpy as np
from canvas import Canvas
from waves import Trace, record

from lowbit.golden.formats import FP16, FP32
from lowbit.golden.lut.core import operation
from lowbit.golden.lut.packing import weight_beats
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.ports import psum_beats, results_of, table_beats, weight_fields
from lowbit.golden.lut.table import make_tables
from lowbit.hdl.lut.core import LutCore

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "img"
AREA = ROOT / "docs" / "results" / "area.json"


# -- the core -----------------------------------------------------------------------------------
def lut_core() -> Canvas:
    """Block diagram: M = 2 rows, three of the N columns."""
    c = Canvas(900, 452, "The LUT tensor core: M rows times N columns")
    wide, columns, rows = 112, (400, 560, 750), (182, 312)
    names = ("column 0", "column 1", "column N − 1")
    # weight side
    c.label(20, 34, "weight", "bold mono")
    c.label(20, 52, "one bit-plane a beat:", "small")
    c.label(20, 67, "N patterns of K bits,", "small")
    c.label(20, 82, "plane, first, last, table_last", "small")
    c.line([(200, 46), (250, 46)], "bus")
    c.box(250, 30, 74, 32, "yellow", "register")
    c.line([(324, 46), (columns[-1] + wide / 2, 46)], "bus")
    for x, name in zip(columns, names, strict=True):
        c.label(x + wide / 2, 24, name, "dim small", anchor="middle")
        c.arrow((x + wide / 2, 46), (x + wide / 2, 84))
        c.label(x + wide / 2 + 6, 68, "K bits", "dim small")
        c.box(x, 84, wide, 44, "yellow", "decoder", "read lines, sign")
    c.label(695, 110, "…", "big bold", anchor="middle")
    # plane and control
    c.arrow((287, 62), (287, rows[0]))
    c.label(293, 120, "plane", "dim small")
    for number, y in enumerate(rows):
        last = number == len(rows) - 1
        bus = y - 18
        c.label(20, y - 26, f"row {number}", "dim small")
        c.box(20, y, 106, 46, "blue", "table unit", "K activations")
        c.arrow((126, y + 23), (225, y + 23), style="bus")
        c.label(176, y + 14, "table", "mono small", anchor="middle")
        c.label(176, y + 40, "2^(K−1) entries", "dim small", anchor="middle")
        c.box(225, y, 124, 46, "blue", "plane step", "shift by the plane")
        c.line([(349, y + 23), (368, y + 23), (368, bus), (columns[-1] + 20, bus)], "bus")
        for x in columns:
            c.arrow((x + 20, bus), (x + 20, y))
            c.box(x, y, wide, 84, "green", "cell", "read entry", "± by sign", "accumulate")
            side = x + wide + 14
            c.arrow((side, y + 26), (x + wide, y + 26))
            c.dot(x + 20, bus)
        c.label(695, y + 40, "…", "big bold", anchor="middle")
        # results travel to column 0 and through the row's lane
        c.arrow((columns[1], y + 68), (columns[0] + wide, y + 68), style="line dash")
        c.arrow((676, y + 68), (columns[1] + wide, y + 68), style="line dash")
        c.arrow((columns[2], y + 68), (714, y + 68), style="line dash")
        c.arrow((columns[0], y + 68), (349, y + 68), style="line dash")
        c.box(225, y + 52, 124, 36, "purple", "output lane", "normalise, + psum")
        c.arrow((225, y + 61), (112, y + 61))
        c.label(106, y + 65, "result", "bold mono", anchor="end")
        c.arrow((112, y + 80), (225, y + 80))
        c.label(106, y + 84, "psum", "bold mono", anchor="end")
        if last:
            for x in columns:
                side = x + wide + 14
                c.line([(x + wide, 106), (side, 106), (side, y + 26)])
                c.dot(side, rows[0] + 26)
    c.line([(20, 416), (60, 416)], "bus")
    c.label(68, 420, "broadcast to all columns or cells", "small")
    c.line([(300, 416), (340, 416)], "line dash")
    c.label(348, 420, "results shift from column to column after an operation", "small")
    c.label(20, 442, "The table unit is lut_table outside, or inside with "
            "--table-source internal.", "dim small")
    return c


# -- one operation ------------------------------------------------------------------------------
#: what the waveform picture simulates
WAVES = LutCoreParameters(M=2, N=4, K=4, w_bits=2)
CYCLES = 21


def simulate() -> Trace:
    """Port values of each cycle: one operation of two tables, the next one waiting behind it.

    Raises ``AssertionError`` if a result is not the golden model's.
    """
    p, rng = WAVES, np.random.default_rng(0)
    codes = FP16.from_float64(rng.standard_normal((p.M, 2 * p.K)))
    beats = weight_beats(rng.integers(0, 1 << p.w_bits, (p.N, 2 * p.K)), p.w_bits, p.K)
    psum = FP32.from_float64(rng.standard_normal((p.M, p.N)))
    tables = make_tables(codes, p)
    # the same tables and weights again, so that they wait behind the operation shown
    streams = {"table": table_beats(p, tables), "weight": weight_fields(p, beats),
               "psum": psum_beats(p, psum)}
    trace, words = record(LutCore(p), {name: 4 * fields for name, fields in streams.items()},
                          lambda trace: len(trace) == CYCLES,
                          before=[{}])
    got = results_of(p, words[:p.N])
    assert (got == operation(p, tables, beats, psum)).all(), "the simulated core is wrong"
    return trace


def operation_waves() -> Canvas:
    trace, step, left, pitch = simulate(), 36, 150, 27
    rows = ("weight_valid", "weight_ready", "weight_plane", "weight_first", "weight_last",
            "weight_table_last", "", "table_valid", "table_ready", "table_entries", "",
            "psum_valid", "psum_ready", "", "result_valid", "result_values", "result_last")
    top = 50
    places, y = {}, top
    for name in rows:
        if name:
            places[name] = y
        y += pitch if name else 12
    c = Canvas(left + step * CYCLES + 16, y + 44, "One operation, cycle by cycle")
    of_first = [t for t in trace if t["weight_beat"] < 4]
    ends = len(of_first)
    done = next(i for i, t in enumerate(trace) if t["result_valid"] and t["result_last"]) + 1
    for i in range(CYCLES + 1):
        c.line([(left + i * step, top - 12), (left + i * step, y - 2)], "thin")
        if i < CYCLES:
            c.label(left + (i + 0.5) * step, top - 18, str(i), "dim small", anchor="middle")
    c.label(left - 10, top - 18, "cycle", "dim small", anchor="end")
    for name, at in places.items():
        c.label(left - 10, at + 12, name, "mono small", anchor="end")
        if name == "weight_plane":
            _tags(c, left, step, at, [(t["weight_beat"], f"plane {t['weight_plane']}",
                                       t["weight_beat"] < 4) for t in trace])
        elif name == "table_entries":
            _tags(c, left, step, at, [(t["table_beat"], f"table {t['table_beat'] % 2}",
                                       t["table_beat"] < 2) for t in trace])
        elif name == "result_values":
            _tags(c, left, step, at, [
                (t["result_beat"] if t["result_valid"] else -1,
                 f"n={t['result_beat'] % 4}" if t["result_valid"] else "", True)
                for t in trace])
        else:
            c.wave(left, step, at, [t[name] for t in trace])
    at = y + 14
    for first, last, words in ((0, ends, "beats of this operation"),
                               (ends, done, "accumulate, shift out, through the lanes")):
        c.bracket(left + first * step + 2, left + last * step - 2, at, words)
    return c


def _tags(c: Canvas, left: float, step: float, y: float,
          values: list[tuple[int, str, bool]]) -> None:
    """Boxes over runs of equal (key, text, this operation)."""
    start = 0
    for i in range(1, len(values) + 1):
        if i < len(values) and values[i] == values[start]:
            continue
        _, words, ours = values[start]
        if words:
            wide = (i - start) * step
            short = words.replace("plane ", "p") if wide < 50 else words
            short = short.replace("table ", "T") if wide < 50 else short
            c.span(left, step, y, (start, i), "yellow" if ours else "grey", short)
        start = i


# -- the half table -----------------------------------------------------------------------------
def half_table() -> Canvas:
    """Folding for K = 4: eight stored sums, and how the other eight patterns find them."""
    c = Canvas(820, 420, "Half of the table is enough")
    c.label(20, 28, "Stored: the 8 sums with + a3", "bold")
    c.label(430, 28, "Not stored: the 8 sums with − a3", "bold")
    c.label(430, 46, "each is the negative of a stored one", "dim small")
    for i in range(8):
        y, low = 58 + 27 * i, f"{i:03b}"
        signs = [("+" if low[2 - k] == "1" else "−") for k in range(3)]
        c.box(20, y, 44, 23, "blue", low, style="mono")
        c.label(76, y + 16, "a3 " + " ".join(f"{signs[k]} a{k}" for k in (2, 1, 0)), "mono")
        c.arrow((424, y + 12), (262, y + 12), style="line dash")
        c.label(343, y + 8, "minus", "dim small", anchor="middle")
        mirrored = "".join("1" if bit == "0" else "0" for bit in "1" + low)
        flipped = ["−" if s == "+" else "+" for s in signs]
        c.box(430, y, 54, 23, "grey", mirrored, style="mono")
        c.label(496, y + 16, "−a3 " + " ".join(f"{flipped[k]} a{k}" for k in (2, 1, 0)), "mono")
    c.label(20, 46, "index", "dim small")
    c.label(680, 74, "pattern bit k:", "dim small")
    c.label(680, 90, "1 adds a_k,", "dim small")
    c.label(680, 106, "0 subtracts it", "dim small")
    y = 300
    c.label(20, y, "Offline, in the weight packer, for the pattern 0101 (−a3 + a2 − a1 + a0):",
            "bold")
    c.box(20, y + 14, 150, 44, "yellow", "sign", "NOT top bit = 1")
    c.box(182, y + 14, 264, 44, "yellow", "index", "low bits XOR sign = 101 XOR 111 = 010")
    c.arrow((446, y + 36), (480, y + 36))
    c.box(480, y + 14, 320, 44, "green", "hardware",
          "read T[010] = a3 − a2 + a1 − a0, then negate it")
    c.label(20, y + 88, "T[111], the last entry, is the sum of all activations: the zero-point "
            "term reads it.", "small")
    c.label(20, y + 106, "Integers: negation is an inversion and a carry into the accumulator. "
            "Floats: the sign bit flips.", "small")
    return c


# -- areas ----------------------------------------------------------------------------------------
def areas() -> Canvas | None:
    """Bars of the core's areas, None without recorded figures."""
    if not AREA.exists():
        return None
    rows = json.loads(AREA.read_text(encoding="utf-8")).get("core")
    if not rows:
        return None
    pitch, left, room = 46, 16, 560
    c = Canvas(720, 60 + pitch * len(rows), "Area of the LUT tensor core")
    c.label(left, 24, "Area of the core, µm² (table entries as inputs)", "bold")
    largest = max(row["plain"] for row in rows)
    options = [[word.strip() for word in row["design"].split("--")] for row in rows]
    common = set.intersection(*map(set, options))
    for x, name, kind in ((560, "plain", "bar1"), (630, "best", "bar2")):
        c.bar(x, 14, 12, 11, kind)
        c.label(x + 18, 24, name, "small")
    for i, row in enumerate(rows):
        y = 52 + pitch * i
        c.label(left, y, " ".join(f"--{option}" for option in options[i] if option not in common),
                "mono small")
        for k, (name, kind) in enumerate((("plain", "bar1"), ("best", "bar2"))):
            wide = row[name] / largest * room
            c.bar(left, y + 5 + 12 * k, wide, 11, kind)
            c.label(left + wide + 6, y + 14 + 12 * k, f"{row[name]:,.0f}", "small")
    return c


PICTURES: dict[str, Callable[[], Canvas | None]] = {
    "lut_core.svg": lut_core, "lut_group_scale.svg": draw_group_scale.group_scale,
    "operation.svg": operation_waves, "half_table.svg": half_table, "areas.svg": areas,
    "ternary_table.svg": draw_ternary.ternary_table,
    **draw_bitmod.PICTURES, **draw_estimate.PICTURES, **draw_accelerator.PICTURES,
    **draw_systolic.PICTURES, **draw_sweeps.PICTURES,
    "bitmod_schedule.svg": draw_schedule.schedule}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--theme", choices=("both", "light", "dark"), default="both")
    parser.add_argument("--into", type=Path, default=IMAGES, metavar="FOLDER")
    args = parser.parse_args()
    status = 0
    args.into.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        path, canvas = args.into / name, draw()
        if canvas is None:
            continue
        text = canvas.text(args.theme)
        if args.check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                print(f"docs/img/{name} is not up to date; run scripts/docs/draw.py")
                status = 1
        else:
            path.write_text(text, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
