"""Tables of cores with parallel planes from their record. Used by figures.py."""

from __future__ import annotations

from typing import Any

from tables import number, table

__all__ = ["RECORDED", "RESULTS"]

Json = Any

#: result file -> the command that writes it
RESULTS = {"planes.json": "studies/bench_planes.py --liberty sky130hd_tt.lib.gz "
           "--recipes plain,amap --json >"}


def areas(r: Json) -> str:
    """Columns and whole cores for each multiply-accumulate a cycle, side by side."""
    c = r["conditions"]
    libraries = ", ".join(f"{x['library']} (sha256 {x['sha256'][:12]})" for x in c["libraries"])
    rows = []
    for column, core in zip(r["column"], r["core"], strict=True):
        rows.append((f"{column['a_format'].upper()}, W{column['w_bits']}",
                     number(column["planes"], 0), number(column["groups"], 0),
                     number(column["each"], 1), number(column["to_one"], 3),
                     number(core["best"], 0), number(core["tables"] / core["best"], 3),
                     number(core["each"], 1), number(core["to_one"], 3)))
    return (f"{c['yosys']}, {libraries}, best of {', '.join(c['recipes'])}. Cores of M = 2, "
            "N = 16, K = 4, tables made inside; FP16 activations with `--acc fp16`. *Each*: µm² "
            "for a multiply-accumulate a cycle; *to one*: over one plane and one table a beat; "
            "*tables*: share of the table unit.\n\n" + table(
                ("weights", "planes", "tables", "column, each", "to one", "core, µm²", "tables",
                 "core, each", "to one"), rows))


#: table -> result file and its text
RECORDED = {"planes": ("planes.json", areas)}
