#!/usr/bin/env python3
"""Area of the LUT core with ternary weights (``--radix 3``).

    .venv/bin/python scripts/studies/bench_ternary.py [--liberty FILE ...] [--only core,...]

Tables: ``column``: a column of the core (decoders, and the cells of M = 2 rows: read, sign, sum,
accumulate) for each weight and cycle; ``core``: the whole core, over its cells and, for each weight
and cycle, over an FP16 multiply-accumulate unit; ``unpack``: the decoders of packed trits.

An interrupted run goes on where it was: see :mod:`measure`. "best" is the smallest area of the
recipes named in the heading, the same on both sides of every ratio. Cores are mapped module by
module: a distinct module once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from measure import Measure, Row, Table, main, parts

from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.hdl.lut.column import LutColumn

#: twelve weights a column and beat
SHAPE = dict(radix=3, K=2, groups=6, M=2)
#: activations: INT8 with a 24-bit accumulator; FP16 as integers of 15 and 25 bits, whose pairs have
#: entries of a bit more
KINDS = {"int8, 24-bit accumulator": dict(a_format="int8", acc_width=24),
         "15 bits": dict(a_format="fp16", entry_width=16),
         "25 bits": dict(a_format="fp16", entry_width=26)}
#: the ternary cell of the prototype, without decoders (um2, SKY130)
PROTOTYPE = {"int8, 24-bit accumulator": 336.0, "15 bits": 526.0, "25 bits": 811.0}


def column_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Columns, for each weight and cycle."""
    rows: list[Row] = []
    for kind, options in KINDS.items():
        p = LutCoreParameters(**SHAPE, N=64, **options)    # type: ignore[arg-type]
        command = f"column of lut_core {p.flags()}"
        measure.add(command, emit_component(LutColumn(p), top="lut_column"))
        best = measure.areas(command, names)["best"]
        each = best / (p.M * p.K * p.groups)
        rows.append({"design": f"{kind}: {command}", "best": best, "each": each,
                     "prototype": PROTOTYPE[kind]})
    return rows


def core_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Whole cores, module by module."""
    rows: list[Row] = []
    n = 8 if quick else 64
    for flags in ("--a-format int8", "--acc fp16", "--acc fp32"):
        command = f"lut_core --radix 3 --K 2 --groups 6 --M 2 --N {n} {flags}"
        areas = parts(measure, command, names, {"lut_cell": "cells"})["best"]
        whole = sum(areas.values())
        row: Row = {"design": command, "cells": areas["cells"], "whole": whole,
                    "over_cells": whole / areas["cells"], "each": whole / (2 * n * 12)}
        if "int8" not in flags:
            acc = "fp16" if "--acc fp16" in flags else "fp32"
            row["fp16_pe"] = measure.areas(f"fp16_pe --acc {acc}", names)["best"]
            row["over_fp16_pe"] = row["each"] / row["fp16_pe"]
        rows.append(row)
    return rows


def unpack_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Decoders of one word."""
    return [{"design": command, "best": measure.areas(command, names)["best"]}
            for command in ("weight_unpack --code trits5", "weight_unpack --code sherry")]


TABLES = {
    "column": Table("A column of the core, um2 for each weight and cycle", column_rows,
                    {"best": "9.0f", "each": "8.1f", "prototype": "10.0f"},
                    "prototype: the cell alone, without decoders and the way out of the results"),
    "core": Table("The whole core", core_rows,
                  {"cells": "10.0f", "whole": "10.0f", "over_cells": "11.3f", "each": "8.1f",
                   "fp16_pe": "8.0f", "over_fp16_pe": "13.3f"},
                  "each: um2 for each weight and cycle; fp16_pe: one FP16 multiply and add; tables "
                  "come from outside"),
    "unpack": Table("Decoders of packed trits, um2", unpack_rows, {"best": "8.1f"},
                    "one word: five trits in a byte, four in five bits"),
}


if __name__ == "__main__":
    sys.exit(main("bench_ternary", __doc__ or "", TABLES, "cores of 8 columns"))
