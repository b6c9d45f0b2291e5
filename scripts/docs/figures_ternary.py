"""Tables of cores with ternary weights from their record. Used by figures.py."""

from __future__ import annotations

from typing import Any

from tables import number, table

__all__ = ["RECORDED", "RESULTS"]

Json = Any

#: result file -> the command that writes it
RESULTS = {"ternary.json": "studies/bench_ternary.py --liberty sky130hd_tt.lib.gz "
           "--recipes plain,amap --json >",
           "smollm2_ternary.json": "demos/demo_smollm2.py --ternary --json >"}


def areas(r: Json) -> str:
    """Columns, whole cores and decoders; those that were measured."""
    c = r["conditions"]
    libraries = ", ".join(f"{x['library']} (sha256 {x['sha256'][:12]})" for x in c["libraries"])
    found = [f"{c['yosys']}, {libraries}, best of {', '.join(c['recipes'])}."]
    if "column" in r:
        found += ["A column is its decoders and the cells of two rows, the way out of the results "
                  "included; 12 weights a beat:",
                  table(("column", "µm²", "for each weight and cycle"),
                        [(x["design"].partition(":")[0], number(x["best"], 0),
                          number(x["each"], 1)) for x in r["column"]])]
    if "core" in r:
        found += ["Whole cores, module by module, tables from outside, over `fp16_pe` with the "
                  "same accumulator:",
                  table(("core", "µm²", "over its cells", "for each weight and cycle",
                         "over an FP16 multiply-add"),
                        [(f"`{x['design']}`", number(x["whole"], 0), number(x["over_cells"], 2),
                          number(x["each"], 1), number(x.get("over_fp16_pe"), 3))
                         for x in r["core"]])]
    if "unpack" in r:
        found.append("Decoders of packed trits: " + "; ".join(
            f"`{x['design']}` {x['best']:.1f} µm²" for x in r["unpack"]) + ".")
    return "\n\n".join(found)


#: table -> result file and its text
RECORDED = {"ternary": ("ternary.json", areas)}
