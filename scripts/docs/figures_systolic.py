"""Tables of docs/systolic.md from docs/results/systolic_area.json. Used by figures.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tables import number, table

__all__ = ["RECORDED", "RESULTS"]

Json = Any

RESULTS = {"systolic_area.json": "studies/bench_systolic.py --liberty sky130hd_tt.lib.gz "
           "--only elements,arrays,bars --json >"}


def _conditions(r: Json) -> str:
    c = r["conditions"]
    libraries = ", ".join(f"{x['library']} (sha256 {x['sha256'][:12]})" for x in c["libraries"])
    return (f"Conditions: {c['yosys']}, {libraries}; *best* is the smallest of "
            f"{', '.join(c['recipes'])}; *sized* for {c['clock_ns']:g} ns, "
            f"{'OpenSTA ' + c['opensta'] if c['opensta'] else 'abc'}, ideal wires. Areas in µm².")


def _name(design: str) -> str:
    kind, found, flags = design.partition(" of systolic ")
    return f"{kind} `{flags}`" if found else f"`{design}`" if "systolic" in design else design


def elements(r: Json) -> str:
    rows = [(_name(x["design"]), number(x["best"], 0), number(x["per_mac"], 0),
             number(x["to_plain"], 3), number(x["sized"], 0), number(x["path"], 2),
             number(x["to_compressed"], 3)) for x in r["elements"]]
    return _conditions(r) + "\n\n" + table(
        ("element", "best", "per product", "to plain", "sized", "path, ns", "to compressed"), rows)


def arrays(r: Json) -> str:
    rows = [(_name(x["design"]), number(x["best"], 0), number(x["elements"], 0),
             number(x["lanes"], 0), number(x["rest"], 0), number(x["to_plain"], 3))
            for x in r["arrays"]]
    return table(("array", "best", "elements", "lanes", "rest", "to plain elements"), rows)


def bars(r: Json) -> str:
    rows = [(_name(x["design"]), number(x["figure"], 3), number(x["bar"], 2),
             number(x["goal"], 2), x["met"]) for x in r["bars"]]
    return table(("figure", "measured", "bar", "goal", "met"), rows)


RECORDED: dict[str, Callable[[Json], str]] = {
    "systolic elements": elements, "systolic arrays": arrays, "systolic bars": bars}
