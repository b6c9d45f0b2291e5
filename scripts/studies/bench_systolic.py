"""Area and path of systolic elements and arrays beside an open multiply-accumulate element.

    python scripts/studies/bench_systolic.py [--liberty FILE ...] [--quick] [--json]
        [--only elements,...]

Tables: ``elements``: an element of every kind against the plain one (multiplier, adder, registers
that pass the operands on) and against the published compressed one; ``formats``: elements of other
weight formats; ``arrays``: R x C elements with skew, drain and lanes, against so many plain
elements; ``bars``: figures of the other tables that have a bar, and whether it is met.

An interrupted run goes on where it was: see :mod:`measure`. "best" is the smallest area of the
recipes named in the heading, the same on both sides of every ratio; "sized" has its buffers and
gates for the clock target, again on both sides.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from measure import Design, Measure, Row, Table, main, parts

from lowbit.generators.compare.measurements import parse
from lowbit.generators.compare.plain import plain_mac
from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.systolic.parameters import SystolicParameters
from lowbit.hdl.systolic.lane import OutputLane
from lowbit.hdl.systolic.output_pe import OutputPe
from lowbit.hdl.systolic.weight_pe import WeightPe

#: SKY130, of the compressed element (OPT1) of the authors of the bit-weight dimension (HPCA 2025):
#: best area (um2), and area and path (ns) sized for 1 ns. Measured once with this flow; that RTL is
#: not part of this repository, so no command here prints the figures again.
COMPRESSED_BEST, COMPRESSED_SIZED, COMPRESSED_PATH = 4_982, 5_868, 3.22
#: the plain INT8 element: what a ``*`` and a ``+`` are mapped to, operands passed on
PLAIN_NAME = "plain multiply-accumulate element"
#: elements alone have no drain: an array with ``--drain mux`` reads them where they are
ELEMENTS = ("--drain mux", *(f"--drain mux {more}" for more in (
    "--segment 0", "--segment 1", "--dot 4", "--weights broadcast")), "--drain shift",
    "--dataflow ws")
FORMATS = ("int4", "int2", "ternary", "e2m1", "bitmod4", "shift4")
ARRAYS = ("", " --skew out", " --weights broadcast", " --weights broadcast --skew out")


def _element(measure: Measure, flags: str) -> tuple[Design, SystolicParameters]:
    """The element of an array, alone."""
    name = f"element of systolic {flags}"
    p = parse(f"systolic {flags}")
    assert isinstance(p, SystolicParameters)
    pe = OutputPe(p) if p.dataflow == "os" else WeightPe(p)
    return measure.add(name, emit_component(pe, top="systolic_pe")), p


def _areas(measure: Measure, design: Design, names: Sequence[str]) -> Row:
    """Area with every recipe; sized area and path, and their product."""
    found = {name: float(measure(design, name)["area"]) for name in names}
    sized = measure(design, "sized")
    product = sized["area"] * sized["path_ns"] if sized["path_ns"] else None
    return {"plain": found["plain"], "best": min(found.values()), "sized": sized["area"],
            "path": sized["path_ns"], "area_path": product}


def _plain(measure: Measure) -> Design:
    return measure.designs.setdefault(PLAIN_NAME, Design(
        PLAIN_NAME, plain_mac(8, 8, 32, passed=True), "plain_mac"))


def element_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """INT8 elements over the plain one and the published compressed one."""
    rows: list[Row] = [{"design": PLAIN_NAME, "macs": 1, **_areas(measure, _plain(measure), names)}]
    for flags in ELEMENTS[:2] if quick else ELEMENTS:
        design, p = _element(measure, flags)
        rows.append({"design": design.command, "macs": p.dot, **_areas(measure, design, names)})
    for row in rows:
        row["per_mac"] = row["best"] / row["macs"]
        row["to_plain"] = row["per_mac"] / rows[0]["best"]
        row["to_compressed"] = row["area_path"] / row["macs"] / (
            COMPRESSED_SIZED * COMPRESSED_PATH) if row["area_path"] else None
    return rows


def format_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Elements of other weight formats, activations of eight bits."""
    rows: list[Row] = []
    for name in FORMATS[:1] if quick else FORMATS:
        design, p = _element(measure, f"--drain mux --w-format {name} --dot 4")
        found = _areas(measure, design, names)
        rows.append({"design": design.command, **found, "per_mac": found["best"] / p.dot})
    return rows


def array_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Arrays over their elements as plain ones."""
    size = "--R 4 --C 4" if quick else "--R 16 --C 16"
    plain = min(float(measure(_plain(measure), name)["area"]) for name in names)
    rows: list[Row] = []
    for flags in ARRAYS[:1] if quick else ARRAYS:
        command = f"systolic {size}{flags}"
        p = parse(command)
        assert isinstance(p, SystolicParameters)
        lane = measure.add(f"lane of {command}",
                           emit_component(OutputLane(p), top="systolic_lane"))
        element, _ = _element(measure, f"{size}{flags}")
        elements, lanes = (count * min(float(measure(part, name)["area"]) for name in names)
                           for part, count in ((element, p.R * p.C), (lane, p.C)))
        rest = parts(measure, command, ["plain"], {"systolic_pe": "elements",
                                                   "systolic_lane": "lanes"})["plain"]["other"]
        total = elements + lanes + rest
        rows.append({"design": command, "best": total, "elements": elements, "lanes": lanes,
                     "rest": rest, "to_plain": total / (p.R * p.C * p.dot * plain)})
    return rows


#: what is held to a bar: table, design, column, bar, goal
BARS = (
    ("elements", "element of systolic --drain mux", "to_plain", 0.85, 0.80),
    ("elements", "element of systolic --drain mux --segment 1", "to_compressed", 0.70, 0.50),
    ("elements", "element of systolic --drain mux --dot 4", "to_plain", 0.68, 0.61),
    ("arrays", "systolic --R 16 --C 16", "to_plain", 0.92, 0.85),
    ("arrays", "systolic --R 16 --C 16 --skew out", "to_plain", 0.92, 0.85),
    ("arrays", "systolic --R 16 --C 16 --weights broadcast", "to_plain", 0.92, 0.85),
    ("arrays", "systolic --R 16 --C 16 --weights broadcast --skew out", "to_plain", 0.92, 0.85))


def bar_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Figures that have a bar."""
    tables = {"elements": element_rows(measure, names, quick),
              "arrays": array_rows(measure, names, quick)}
    rows: list[Row] = []
    for table, design, column, bar, goal in BARS:
        for row in tables[table]:
            if row["design"] == design and row[column] is not None:
                value = row[column]
                rows.append({"design": f"{design}: {column}", "figure": value, "bar": bar,
                             "goal": goal, "met": "goal" if value <= goal else
                             "bar" if value <= bar else "no"})
    return rows


TABLES: dict[str, Table] = {
    "elements": Table(
        "INT8 elements, accumulators of 32 bits (um2)", element_rows,
        {"plain": "9.0f", "best": "9.0f", "per_mac": "9.0f", "to_plain": "10.3f",
         "sized": "9.0f", "path": "7.2f", "area_path": "11.0f", "to_compressed": "15.3f"},
        "to_plain: best area of a product a beat over that of the first row; to_compressed: sized "
        "area times path (ns) of a product over those of the published compressed element, "
        f"{COMPRESSED_SIZED:,} x {COMPRESSED_PATH} (its best area {COMPRESSED_BEST:,})"),
    "formats": Table(
        "Elements of other weights, activations of eight bits (um2)", format_rows,
        {"plain": "9.0f", "best": "9.0f", "per_mac": "9.0f", "sized": "9.0f", "path": "7.2f"},
        "per_mac: best area of a product a beat"),
    "arrays": Table(
        "Arrays, INT8 (um2)", array_rows,
        {"best": "11.0f", "elements": "11.0f", "lanes": "10.0f",
         "rest": "10.0f", "to_plain": "10.3f"},
        "elements and lanes: best of each alone, times their number; rest: skew, recoders, drain, "
        "control, plain; to_plain: over so many plain elements (best), which "
        "have none of these"),
    "bars": Table("Bars", bar_rows, {"figure": "9.3f", "bar": "7.2f", "goal": "7.2f", "met": "7"},
                  "met: bar, goal or no"),
}

if __name__ == "__main__":
    sys.exit(main("bench_systolic", __doc__ or "", TABLES, "few elements, an array of 4 x 4"))
