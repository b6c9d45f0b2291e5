"""Table of docs/ppa.md from docs/results/power.json. Used by figures.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tables import number, table

__all__ = ["RECORDED", "RESULTS"]

Json = Any

RESULTS = {"power.json": "studies/bench_power.py --liberty sky130hd_tt.lib.gz -o"}


def power(r: Json) -> str:
    c = r["designs"][0]["conditions"]
    libraries = ", ".join(f"{x['library']} (sha256 {x['sha256'][:12]})" for x in c["libraries"])
    head = (f"Conditions: {c['yosys']}, {libraries}, {c['volt']:g} V, slew {c['slew_ns']:.3f} ns, "
            f"sized for {r['clock_ns']:g} ns; power at that clock, or at the path's where it is "
            "longer. *MAC*: energy of a multiply-accumulate, leakage included; *a cycle*: all "
            "energy of a cycle.")
    rows = []
    for x in r["designs"]:
        cycle = x["clock"]["power_at_ns"] * 1e-9
        parts = [x["power"][f"{name}_w"] * cycle * 1e12 for name in
                 ("switching", "internal", "clock")]
        rows.append((f"`{x['design']}`", x["activity"], number(x["area"], 0),
                     number(x["path_ns"], 2), number(x["power"]["total_w"] * 1e3, 3),
                     *(number(part, 2) for part in parts),
                     number(x["j_per_cycle"] * 1e12, 2), number(x["macs_per_cycle"], 2),
                     number(x["j_per_mac"] and x["j_per_mac"] * 1e12, 3)))
    return head + "\n\n" + table(
        ("design", "activity", "µm²", "path, ns", "mW", "switching, pJ", "internal, pJ",
         "clock, pJ", "a cycle, pJ", "MACs a cycle", "MAC, pJ"), rows)


RECORDED: dict[str, tuple[str, Callable[[Json], str]]] = {"power": ("power.json", power)}
