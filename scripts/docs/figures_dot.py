"""Tables of direct cores from their record. Used by figures.py."""

from __future__ import annotations

from typing import Any

from tables import number, table

__all__ = ["RECORDED", "RESULTS"]

Json = Any

#: result file -> the command that writes it
RESULTS = {"dot_area.json": "studies/bench_dot.py --liberty sky130hd_tt.lib.gz --recipes plain "
           "--only core --json >"}


def cores(r: Json) -> str:
    c = r["conditions"]
    libraries = ", ".join(f"{x['library']} (sha256 {x['sha256'][:12]})" for x in c["libraries"])
    return "\n\n".join((
        f"{c['yosys']}, {libraries}, best of {', '.join(c['recipes'])}. Whole cores, module by "
        "module, over `fp16_pe --acc fp32`:",
        table(("core", "µm²", "over its cells", "a multiply-add", "over an FP16 PE"),
              [(f"`{x['design']}`", number(x["area"], 0), number(x["over_cells"], 2),
                number(x["per_mac"], 0), number(x["to_pe"], 3)) for x in r["core"]])))


#: table -> result file and its text
RECORDED = {"dot cores": ("dot_area.json", cores)}
