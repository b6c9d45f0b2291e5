"""Tables of cores with parallel planes from their record. Used by figures.py."""

from __future__ import annotations

from typing import Any

from tables import number, table

__all__ = ["RECORDED", "RESULTS"]

Json = Any

#: result file -> the command that writes it
RESULTS = {"planes.json": "studies/bench_planes.py --liberty sky130hd_tt.lib.gz "
           "--recipes plain,amap --only column --json >"}


def areas(r: Json) -> str:
    """Columns, and whole cores where they were measured, for each multiply-accumulate a cycle."""
    c = r["conditions"]
    libraries = ", ".join(f"{x['library']} (sha256 {x['sha256'][:12]})" for x in c["libraries"])
    found = [f"{c['yosys']}, {libraries}, best of {', '.join(c['recipes'])}; K = 4, FP16 "
             "activations with `--acc fp16`. *Each*: µm² for a multiply-accumulate a cycle; "
             "*to one*: over one plane and one table a beat."]
    for kind, what in (("column", "A column: decoders and the cells of two rows"),
                       ("core", "The whole core of 2 x 16 outputs, tables made inside")):
        if kind in r:
            found.append(f"{what}:\n\n" + table(
                ("weights", "planes", "tables", "µm²", "each", "to one"),
                [(f"{x['a_format'].upper()}, W{x['w_bits']}", number(x["planes"], 0),
                  number(x["groups"], 0), number(x["best"], 0), number(x["each"], 1),
                  number(x["to_one"], 3)) for x in r[kind]]))
    return "\n\n".join(found)


#: table -> result file and its text
RECORDED = {"planes": ("planes.json", areas)}
