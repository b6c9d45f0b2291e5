"""The report of ``gen fpga``: a JSON object, and the text made from it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Any

from ...version import version
from ..yosys import yosys_version
from .devices import Device
from .route import Route, SlowPath, tool_version

__all__ = ["as_json", "as_text"]


def as_json(design: dict[str, Any], device: Device, counted: Mapping[str, int],
            routes: Sequence[Route], clock_mhz: float, wrapped: Mapping[str, Any] | None,
            pins: int, hints: Sequence[str]) -> dict[str, Any]:
    """JSON-ready report. All but the clock of each seed is of the seed with the median clock.

    ``counted``: resources after synthesis; ``wrapped``: flip-flops of the scan wrapper, its
    multiplexers, and why it is there; None without one; ``pins``: bits of the design's ports.
    """
    clocks = [route.fmax for route in routes if route.fmax is not None]
    chosen = next(route for route in routes if not clocks or route.fmax == median_low(clocks))
    own = wrapped["FF"] if wrapped is not None else 0
    resources = {}
    for name, has in device.totals.items():
        used = chosen.used.get(name, counted.get(name, 0)) - (own if name == "FF" else 0)
        resources[name] = {"used": used, "has": has, "percent": round(100 * used / has, 1)}
    return {
        "design": design,
        "device": {"name": device.name, "part": device.part, "pins": device.pins or None},
        "ports": pins,
        "wrapper": dict(wrapped) if wrapped is not None else None,
        "resources": resources,
        "clock_mhz": clock_mhz,
        "fmax_mhz": chosen.fmax,
        "fmax_of_seeds": {str(route.seed): route.fmax for route in routes},
        "path": _path(chosen.path),
        "conditions": {"lowbit": version(), "yosys": f"pyosys {yosys_version()}",
                       "synthesis": f"{device.tools.synthesis} {device.synthesis}".rstrip(),
                       "nextpnr": tool_version(device), "options": " ".join(device.options),
                       "seeds": [route.seed for route in routes],
                       "python": platform.python_version()},
        "notes": [device.tools.note] if device.tools.note else [],
        "hints": list(hints),
    }


def _path(path: SlowPath | None) -> dict[str, Any] | None:
    if path is None:
        return None
    return {"ns": path.ns, "routing_ns": path.routing_ns, "from": path.start, "to": path.end,
            "points": [{"ns": ns, "net": name} for ns, name in path.points]}


def as_text(report: dict[str, Any]) -> str:
    """The report for people."""
    design, device, wrapper = report["design"], report["device"], report["wrapper"]
    lines = [f"{design['generator']} {design['flags']}".rstrip()
             + f" on {device['name']} ({device['part']})",
             f"{'':12}{'used':>10}{'has':>10}{'%':>8}"]
    lines += [f"{name:12}{row['used']:10,}{row['has']:10,}{row['percent']:8.1f}"
              for name, row in report["resources"].items()]
    if wrapper is not None:
        lines.append(f"{'wrapper':12}{wrapper['why']}: inside a scan wrapper, whose "
                     f"{wrapper['FF']:,} FF are not counted and whose {wrapper['LUT']:,} LUT are")
    lines += [*_clock(report), *_slowest(report["path"])]
    c = report["conditions"]
    lines.append(f"{'conditions':12}{c['yosys']} {c['synthesis']}; {c['nextpnr']} {c['options']}; "
                 f"seed {', '.join(map(str, c['seeds']))}")
    lines += [f"{'note':12}{note}" for note in report["notes"]]
    lines += [f"{'hint':12}{hint}" for hint in report["hints"]]
    return "\n".join(lines)


def _clock(report: dict[str, Any]) -> list[str]:
    reached, aim = report["fmax_mhz"], report["clock_mhz"]
    if reached is None:
        hint = "" if report["wrapper"] else "; --wrap scan puts registers at the ports"
        return [f"{'clock':12}no path from register to register{hint}"]
    seeds = report["fmax_of_seeds"]
    spread = f"; the median of {', '.join(f'{fmax:.1f}' for fmax in seeds.values())}" \
        if len(seeds) > 1 else ""
    return [f"{'clock':12}{reached:.1f} MHz; {aim:g} MHz asked for: "
            f"{'met' if reached >= aim else 'not met'}{spread}"]


def _slowest(path: dict[str, Any] | None) -> list[str]:
    if path is None:
        return []
    return [f"{'path':12}{path['ns']:.2f} ns, {path['routing_ns']:.2f} ns of it wires",
            f"{0:10.2f}  {path['from']}",
            *(f"{point['ns']:10.2f}  {point['net']}" for point in path["points"]
              if point["net"] != path["from"]),
            f"{path['ns']:10.2f}  {path['to']}"]
