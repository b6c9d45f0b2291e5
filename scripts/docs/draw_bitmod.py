"""Pictures of the BitMoD page. Run by draw.py.

Grids, codes and terms come from the golden model, widths from the parameter objects, areas from
docs/results/bitmod_area.json; the schedule is in draw_schedule.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from canvas import Canvas

from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.terms import terms_of
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters

__all__ = ["PICTURES"]

AREA = Path(__file__).resolve().parents[2] / "docs" / "results" / "bitmod_area.json"
TILE = BitmodTileParameters()


def _number(value: float) -> str:
    """A value with a proper minus sign."""
    return f"{value:g}".replace("-", "−")


def _power(exponent: int) -> str:
    """A power of two."""
    return "2" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


# -- data types ----------------------------------------------------------------------------
def types() -> Canvas:
    """Every value of FP3, FP4, INT3 and INT4 with its code."""
    c = Canvas(944, 388, "BitMoD data types: values and codes")
    left, unit, pitch = 116, 50, 76

    def place(value: float) -> float:
        return left + (value + 8) * unit

    c.label(20, 30, "value", "dim small")
    for value in range(-8, 9):
        c.label(place(value), 30, _number(value), "dim small", anchor="middle")
        c.line([(place(value), 40), (place(value), 46 + 4 * pitch - 18)], "thin")
    names = (("bitmod3", "FP3"), ("bitmod4", "FP4"), ("int3", "INT3"), ("int4", "INT4"))
    for row, (name, title) in enumerate(names):
        dtype, y = get_data_type(name), 62 + row * pitch
        c.label(20, y + 10, title, "bold big")
        c.label(20, y + 27, f"{dtype.terms} terms", "dim small")
        c.line([(place(-8) - 14, y + 12), (place(8) + 14, y + 12)], "thin")

        def value_box(value: float, code: int, kind: str, y: float = y) -> None:
            c.box(place(value) - 11, y, 22, 24, kind, f"{code:X}", style="mono")
            if value != int(value) or kind in ("green", "purple"):
                c.label(place(value), y + 38, _number(value), "small", anchor="middle")

        for code, value2x in enumerate(dtype.values2x()):
            if dtype.kind == "int":
                lowest = code == dtype.sv_code
                value_box(value2x / 2, code, "grey" if lowest else "blue")
            elif code != dtype.sv_code:
                value_box(value2x / 2, code, "blue")
        for value in dtype.special_values:
            inside = abs(value) * 2 < dtype.magnitudes2x[-1]
            value_box(value, dtype.sv_code, "green" if inside else "purple")
    y = 62 + 4 * pitch + 2
    for x, kind, words in ((20, "blue", "value and its code (hexadecimal)"),
                           (252, "green", "special value, extra resolution"),
                           (476, "purple", "special value, extra range"),
                           (672, "grey", "a code that the quantiser does not use")):
        c.box(x, y - 12, 16, 16, kind)
        c.label(x + 23, y + 1, words, "small")
    return c


# -- terms ---------------------------------------------------------------------------------
def terms() -> Canvas:
    """Worked examples: fixed-point values in two terms, an INT6 value in three Booth digits."""
    c = Canvas(944, 470, "Weights as bit-serial terms")
    dtype, cell, left, pitch = get_data_type("bitmod4"), 40, 150, 36
    c.label(20, 28, "FP4 and FP3: leading one, then the next", "bold")
    for i, weight in enumerate(("8", "4", "2", "1", "½")):
        c.label(left + (i + 0.5) * cell, 54, weight, "dim small", anchor="middle")
    for x, words in ((400, "cycle 0, bsig 0"), (560, "cycle 1, bsig −1"), (730, "together")):
        c.label(x, 54, words, "dim small")
    for row, (value, note) in enumerate(((1.5, ""), (3.0, ""), (5.0, "special"), (6.0, ""),
                                         (0.5, ""), (7.0, "special"))):
        table = terms_of(dtype, value)
        code = dtype.sv_code if note else int(np.flatnonzero(dtype.values2x() == 2 * value)[0])
        sign, exp, man = (x[code] for x in (table.sign, table.exp, table.man))
        y = 62 + row * pitch
        c.label(20, y + 19, _number(value), "bold big")
        c.label(62, y + 18, note, "dim small")
        bits = int(2 * value)
        powers = [int(exp[t]) + int(table.bsig[t]) + 1 for t in range(2)]
        for i in range(5):
            place = 4 - i
            one = bits >> place & 1
            owner = [t for t in range(2) if man[t] and powers[t] == place and not sign.any()]
            kind = ("blue", "yellow")[owner[0]] if one and owner else "grey"
            c.box(left + i * cell, y, cell - 3, 27, kind, str(one), style="mono")
        text = []
        for t, (x, kind) in enumerate(((400, "blue"), (560, "yellow"))):
            if man[t]:
                words = (f"{'−' if sign[t] else '+'} {_power(int(exp[t]))} · "
                         f"{_power(int(table.bsig[t]))}")
                c.box(x, y, 132, 27, kind, words, style="mono")
                amount = 2.0 ** (int(exp[t]) + int(table.bsig[t]))
                text.append(("− " if sign[t] else "+ " if text else "") + f"{amount:g}")
            else:
                c.label(x + 66, y + 18, "nothing", "dim small", anchor="middle")
        total = _number(table.values2x()[code] / 2)
        c.label(730, y + 18, f"{' '.join(text)} = {total}" if len(text) > 1 else total, "mono")
        if sign.any():
            c.label(816, y + 18, "(a run of three ones)", "dim small")
    _booth(c, 27, 310)
    return c


def _booth(c: Canvas, value: int, top: float) -> None:
    """An INT6 value: bits, overlapping triples, digits."""
    dtype, cell, left = get_data_type("int6"), 40, 150
    table = terms_of(dtype)
    code = value & (1 << dtype.bits) - 1
    c.label(20, top, "INT6: radix-4 Booth digits of overlapping triples, the lowest first", "bold")
    y = top + 34
    c.label(20, y + 19, str(value), "bold big")
    weights = ["−32", "16", "8", "4", "2", "1", ""]
    bits = [code >> i & 1 for i in reversed(range(dtype.bits))] + [0]
    for i, (bit, weight) in enumerate(zip(bits, weights, strict=True)):
        x = left + i * cell
        c.label(x + cell / 2 - 2, y - 6, weight, "dim small", anchor="middle")
        c.box(x, y, cell - 3, 27, "grey" if i == dtype.bits else "blue", str(bit), style="mono")
    total = []
    for t in range(dtype.terms):
        first = dtype.bits - 2 - 2 * t
        x0, x1 = left + first * cell + 5, left + (first + 3) * cell - 8
        under = y + 42 + 22 * (t % 2)
        digit = int(table.values2x()[code] and (-1) ** table.sign[code, t]
                    * (int(table.man[code, t]) << int(table.exp[code, t])))
        c.line([(x0, under - 6), (x0, under), (x1, under), (x1, under - 6)])
        c.label((x0 + x1) / 2, under + 14, f"digit {t}", "dim small", anchor="middle")
        x = 470 + 158 * t
        c.label(x, y - 6, f"cycle {t}, bsig {table.bsig[t]}", "dim small")
        c.box(x, y, 142, 27, ("yellow", "green", "purple")[t],
              f"{_number(digit)} · {_power(int(table.bsig[t]))}", style="mono")
        total.append(f"{_number(digit * 4 ** t)}")
    sum_ = int(table.values2x()[code]) // 2
    c.label(470, y + 54, f"{' + '.join(total).replace('+ −', '− ')} = {sum_}", "mono")
    c.label(20, y + 112, "One term a cycle; the four lanes of a PE share bsig. INT8 has four "
            "digits, INT4 and INT3 two.", "dim small")


# -- the processing element ------------------------------------------------------------------
def pe() -> Canvas:
    """The row-aligned PE, the aligners before it, and behind it what finishes a group."""
    p = TILE.pe
    c = Canvas(944, 452, "The BitMoD processing element")
    for x, words in ((150, "1  align"), (330, "2  multiply by a term"), (600, "3  add")):
        c.label(x, 24, words, "bold")
    c.frame(316, 38, 610, 292)
    c.label(330, 58, "PE", "bold")
    top, pitch = 82, 58
    for i in range(p.lanes):
        y = top + i * pitch
        c.box(20, y - 2, 96, 22, "blue", f"a{i}: FP16", style="small")
        c.arrow((116, y + 9), (150, y + 9))
        c.box(150, y - 2, 124, 22, "purple", f"round to {p.align_bits} bits", style="small")
        c.arrow((274, y + 9), (344, y + 9))
        c.box(150, y + 24, 124, 22, "yellow", f"w{i}: sign, exp, man", style="small")
        c.arrow((274, y + 35), (344, y + 35))
        c.box(344, y, 104, 44, "green", "× 1, 2, 4, 8", "or 0")
        c.arrow((448, y + 22), (470, y + 22))
        c.box(470, y, 70, 44, "green", "± sign")
        c.arrow((540, y + 22), (566, y + 22))
    last = top + (p.lanes - 1) * pitch
    c.label(20, last + 36, "one exponent for", "dim small")
    c.label(20, last + 50, "a row and group", "dim small")
    c.label(150, last + 66, "once for a row of PEs", "dim small")
    middle = top + ((p.lanes - 1) * pitch + 44) / 2
    tree = p.align_bits + 4 + (p.lanes - 1).bit_length()
    c.box(566, top, 62, (p.lanes - 1) * pitch + 44, "green", "adder", "tree", f"{tree} bits")
    c.arrow((628, middle), (660, middle))
    c.box(660, middle - 26, 84, 52, "green", "× 1, 2, 16", "bsig")
    c.arrow((744, middle), (776, middle))
    c.box(776, middle - 26, 122, 52, "green", "add exactly", f"integer, {p.row_bits} bits")
    c.arrow((898, middle + 14), (914, middle + 14), (914, middle + 50), (837, middle + 50),
            (837, middle + 26))
    # a finished group
    y = 372
    c.label(196, y - 22, "4  a finished group, one PE a cycle", "bold")
    c.line([(800, middle + 26), (800, y)])
    c.arrow((800, y - 1), (800, y))
    for x, wide, kind, words in (
            (718, 104, "grey", ("capture", "group sum")),
            (556, 132, "purple", ("× scale", f"{p.row_bits} + 8 bits, exact")),
            (384, 142, "purple", ("round once", "to FP32")),
            (196, 158, "purple", ("add", "FP32 partial sum"))):
        c.box(x, y, wide, 46, kind, *words)
    for x0, x1 in ((718, 688), (556, 526), (384, 354)):
        c.arrow((x0, y + 23), (x1, y + 23))
    c.arrow((196, y + 23), (150, y + 23))
    c.label(142, y + 20, "× channel's Δ,", "small", anchor="end")
    c.label(142, y + 35, "result", "small bold", anchor="end")
    c.label(196, y + 66, "not in the PE: a few of these serve all PEs of a tile", "dim small")
    return c


# -- tile and array --------------------------------------------------------------------------
def array() -> Canvas:
    """The mesh of tiles on the left, a tile on the right."""
    p = BitmodArrayParameters()
    c = Canvas(944, 504, "The BitMoD array and its tile")
    c.label(20, 26, f"Array: {p.tile_rows} × {p.tile_columns} tiles, {p.pes:,} PEs", "bold")
    left, top, size, pitch = 104, 126, 58, 80
    c.label(20, 66, "weights", "bold small")
    c.label(20, 134, "activations", "bold small")
    for j in range(p.tile_columns):
        x = left + j * pitch
        c.box(x, 46, size, 22, "grey", f"bank {j}", style="small")
        c.arrow((x + size / 2, 68), (x + size / 2, 82))
        c.box(x, 82, size, 22, "yellow", "terms", style="small")
    for i in range(p.tile_rows):
        y = top + i * pitch
        c.box(20, y + 18, 54, 22, "blue", f"bank {i}", style="small")
        for j in range(p.tile_columns):
            x = left + j * pitch
            c.arrow((x - (pitch - size if j else 30), y + size / 2), (x, y + size / 2))
            c.arrow((x + size / 2, y - 22), (x + size / 2, y))
            c.box(x, y, size, size, "green", "tile", f"+ {i + j}")
    bottom = top + (p.tile_rows - 1) * pitch + size
    c.label(left, bottom + 24, "+ n: cycles that the tile runs behind the first one", "dim small")
    c.label(left, bottom + 41, "terms move down, activations to the right", "dim small")
    _tile(c, 470)
    return c


def _tile(c: Canvas, x0: float) -> None:
    p = TILE
    c.label(x0, 26, f"Tile: {p.rows} × {p.columns} PEs, {p.lanes} lanes each", "bold")
    c.line([(x0 - 22, 14), (x0 - 22, 486)], "thin")
    columns, rows, wide = (x0 + 120, x0 + 218, x0 + 360), (146, 204, 284), 72
    right = columns[-1] + wide
    c.box(x0, 58, 96, 46, "grey", "sequencer", "term by term")
    c.line([(x0 + 96, 68), (columns[-1] + wide / 2, 68)], "line dash")
    for x, name in zip(columns, ("column 0", "column 1", f"column {p.columns - 1}"), strict=True):
        c.label(x + wide / 2, 59, name, "dim small", anchor="middle")
        c.arrow((x + wide / 2, 68), (x + wide / 2, 82), style="line dash")
        c.box(x, 82, wide, 24, "yellow", "terms")
        side = x + wide + 13
        c.line([(x + wide, 94), (side, 94), (side, rows[-1] + 16)])
    for y, name in zip(rows, ("row 0", "row 1", f"row {p.rows - 1}"), strict=True):
        c.box(x0, y, 96, 36, "blue", name, f"{p.lanes} × FP16")
        bus = y - 15
        c.line([(x0 + 96, y + 18), (x0 + 108, y + 18), (x0 + 108, bus), (columns[-1] + 12, bus)],
               "bus")
        for x in columns:
            c.arrow((x + 12, bus), (x + 12, y))
            c.dot(x + 12, bus)
            c.box(x, y, wide, 36, "green", "PE")
            c.arrow((x + wide + 13, y + 16), (x + wide, y + 16))
            if y != rows[-1]:
                c.dot(x + wide + 13, y + 16)
    between = (columns[1] + columns[2] + wide + 13) / 2
    for y in rows:
        c.label(between, y + 22, "…", "big bold", anchor="middle")
    for x in (x0 + 48, *(x + wide / 2 for x in columns)):
        c.label(x, 258, "⋮", "big bold", anchor="middle")
    for x in columns:
        c.arrow((x + wide / 2, rows[-1] + 36), (x + wide / 2, 350), style="line dash")
    c.box(columns[0], 350, right - columns[0], 34, "purple", "× scale, round, add")
    c.arrow((columns[0] + wide / 2, 384), (columns[0] + wide / 2, 404))
    c.arrow((right - wide / 2, 404), (right - wide / 2, 384))
    c.box(columns[0], 404, right - columns[0], 34, "purple",
          f"partial sums: {p.rows} × {p.columns} × FP32")
    c.arrow((columns[0], 421), (x0 + 96, 421))
    c.box(x0, 398, 96, 46, "purple", "output", "× Δ, format")
    c.arrow((x0 + 48, 444), (x0 + 48, 468))
    c.label(x0 + 48, 484, "result", "bold mono", anchor="middle")
    c.line([(x0 + 120, 464), (x0 + 154, 464)], "bus")
    c.label(x0 + 162, 468, "broadcast to the PEs of a row", "small")
    c.line([(x0 + 120, 482), (x0 + 154, 482)], "line dash")
    c.label(x0 + 162, 486, "group sums leave; control", "small")


# -- areas ---------------------------------------------------------------------------------
PART_COLOURS = {"pe": "green", "decoders": "blue", "aligners": "purple", "encoders": "yellow",
                "capture": "blue", "dequantiser": "purple", "sums": "yellow", "other": "grey"}
PART_NAMES = {"pe": "PEs", "decoders": "decoders", "aligners": "aligners", "encoders": "terms",
              "capture": "capture", "dequantiser": "scales", "sums": "partial sums",
              "other": "everything else"}


def areas() -> Canvas | None:
    """What the area of a tile consists of, beside the baseline; None without recorded figures."""
    recorded = json.loads(AREA.read_text(encoding="utf-8")) if AREA.exists() else {}
    if "tile" not in recorded:
        return None
    found = {row["part"]: row for row in recorded["tile"]}
    base = found["baseline pe"]["best"]
    bars = [(found["whole"]["design"], [(part, found[part]["best"]) for part in PART_COLOURS]),
            (found["baseline whole"]["design"],
             [("pe", base), ("other", found["baseline whole"]["best"] - base)])]
    c = Canvas(944, 198, "Area of the BitMoD tile and of the FP16 tile")
    c.label(20, 26, "Area of a tile (best), in units of the FP16 tile's PEs", "bold")
    room = 780 / max(sum(area for _, area in parts) for _, parts in bars)
    for i, (name, parts) in enumerate(bars):
        y = 38 + 80 * i
        c.label(20, y + 14, name, "mono small")
        x = 20.0
        for part, area in parts:
            wide = area * room
            c.box(x, y + 22, wide, 26, PART_COLOURS[part])
            if wide > 26:
                c.label(x + wide / 2, y + 39, f"{area / base:.2f}", "small", anchor="middle")
            if wide > 6 * len(PART_NAMES[part]):
                c.label(x + wide / 2, y + 62, PART_NAMES[part], "dim small", anchor="middle")
            x += wide
        c.label(x + 8, y + 40, f"{sum(area for _, area in parts) / base:.2f}", "bold")
    return c


PICTURES = {"bitmod_types.svg": types, "bitmod_terms.svg": terms, "bitmod_pe.svg": pe,
            "bitmod_array.svg": array, "bitmod_areas.svg": areas}
