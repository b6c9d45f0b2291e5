"""Tables of the recorded sweeps, for docs/sweep.md. Used by figures.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tables import table

from lowbit.generators.sweep.metrics import METRICS

__all__ = ["RECORDED", "RESULTS"]

Json = Any

RESULTS = {"sweeps.json": "studies/bench_sweeps.py --liberty sky130hd_tt.lib.gz -o"}


def _rows(sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """The front; of a sweep with three metrics all designs, as few are beaten in all of them."""
    return [row for row in sweep["designs"] if row["front"] or len(sweep["metrics"]) > 2]


def fronts(record: Json) -> str:
    """What no other design beats, sweep by sweep, with the commands."""
    library = ", ".join(f"{item['library']} (sha256 {item['sha256'][:12]})"
                        for item in record["library"])
    parts = [f"Conditions: {library}."]
    for sweep in record["sweeps"].values():
        rows, metrics = _rows(sweep), sweep["metrics"]
        units = {name: METRICS[name].unit.replace("area", "µm²") for name in metrics}
        head = [*sweep["axes"], *(f"{name}, {unit}" if unit else name
                                  for name, unit in units.items())]
        all_of = len(rows) == len(sweep["designs"])
        parts.append(f"**{sweep['shows'].capitalize()}**: " + (
            f"all {len(rows)} designs; *front*: no other one is as good in all three."
            if all_of else f"the front, {len(rows)} of {len(sweep['designs'])} designs."))
        parts.append(table(
            (*head, "front") if all_of else head,
            [(*(row[axis] for axis in sweep["axes"]),
              *(f"{row[name]:,.4g}" if row[name] < 1000 else f"{row[name]:,.0f}"
                for name in metrics),
              *(["yes" if row["front"] else ""] if all_of else [])) for row in rows]))
        parts.append(f"```sh\n{sweep['command']}\n```")
    return "\n\n".join(parts)


RECORDED: dict[str, tuple[str, Callable[[Json], str]]] = {"sweeps": ("sweeps.json", fronts)}
