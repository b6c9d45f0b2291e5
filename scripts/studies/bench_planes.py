#!/usr/bin/env python3
"""Area of LUT cores that read several bit-planes a beat (``--parallel-planes``).

    .venv/bin/python scripts/studies/bench_planes.py [--liberty FILE ...] [--only column,core]

A core gets more weights a cycle by more planes of the same tables, or by more tables of the same
plane (``--groups``). Tables: ``column``: a column (decoders, and the cells of M = 2 rows: reads,
sum, accumulator), for each multiply-accumulate a cycle; ``core``: the whole core of 16 columns with
its tables made inside, for each multiply-accumulate a cycle. Ratios are to the core of one plane
and one table.

An interrupted run goes on where it was: see :mod:`measure`. "best" is the smallest area of the
recipes named in the heading, the same on both sides of every ratio. Cores are mapped module by
module: a distinct module once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from measure import Measure, Row, Table, main, parts

from lowbit.generators.compare.measurements import parse
from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.hdl.lut.column import LutColumn

#: weight bits, activations, and planes and tables of a beat
KINDS = ("--a-format int8", "--acc fp16")
BEATS = {2: ((1, 1), (2, 1), (1, 2)), 4: ((1, 1), (2, 1), (4, 1), (1, 2), (1, 4))}


def _commands(n: int) -> list[tuple[str, LutCoreParameters]]:
    """The cores, those of one kind and weight together, one plane and one table first."""
    found = []
    for kind in KINDS:
        for bits, beats in BEATS.items():
            for planes, groups in beats:
                more = (f" --parallel-planes {planes}" if planes > 1 else "") + \
                    (f" --groups {groups}" if groups > 1 else "")
                command = f"lut_core --M 2 --N {n} --K 4 --w-bits {bits} {kind}{more} " \
                    "--table-source internal"
                p = parse(command)
                assert isinstance(p, LutCoreParameters)
                found.append((command, p))
    return found


def _row(rows: list[Row], command: str, p: LutCoreParameters, area: float, work: float) -> None:
    """Append the figures of a design that does ``work`` multiply-accumulates a cycle."""
    plain = p.parallel_planes == p.groups == 1
    each = area / work
    base = each if plain else next(row["each"] for row in reversed(rows) if row["to_one"] == 1)
    rows.append({"design": command, "w_bits": p.w_bits, "planes": p.parallel_planes,
                 "groups": p.groups, "a_format": p.a_format, "best": area, "each": each,
                 "to_one": each / base})


def column_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Columns alone."""
    rows: list[Row] = []
    for core, p in _commands(16)[:3 if quick else None]:
        command = f"column of {core}"
        measure.add(command, emit_component(LutColumn(p), top="lut_column"))
        work = p.M * p.K * p.groups * p.parallel_planes / p.w_bits
        _row(rows, command, p, measure.areas(command, names)["best"], work)
    return rows


def core_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Whole cores, module by module."""
    rows: list[Row] = []
    for command, p in _commands(16)[:3 if quick else None]:
        areas = parts(measure, command, names, {"lut_column": "columns", "lut_table": "tables"})
        work = p.M * p.N * p.K * p.groups * p.parallel_planes / p.w_bits
        _row(rows, command, p, sum(areas["best"].values()), work)
        rows[-1] |= {"columns": areas["best"]["columns"], "tables": areas["best"]["tables"]}
    return rows


TABLES = {
    "column": Table("A column of the core, um2", column_rows,
                    {"best": "9.0f", "each": "9.1f", "to_one": "8.3f"},
                    "each: for a multiply-accumulate a cycle; to_one: over one plane, one table"),
    "core": Table("The whole core, tables made inside, um2", core_rows,
                  {"columns": "10.0f", "tables": "10.0f", "best": "10.0f", "each": "9.1f",
                   "to_one": "8.3f"},
                  "columns: those of the 16 columns; tables: the table unit; each and to_one as "
                  "above"),
}


if __name__ == "__main__":
    sys.exit(main("bench_planes", __doc__ or "", TABLES, "INT8 with weights of two bits"))
