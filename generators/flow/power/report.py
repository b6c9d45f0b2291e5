"""The report of ``gen ppa``: a JSON object, and the text made from it."""

from __future__ import annotations

from typing import Any

from ...version import version
from ..liberty import Library
from ..report import table_lines
from ..synthesis import Synthesis
from ..timing import LOAD_FF
from ..yosys import yosys_version
from .activity import Activity
from .energy import Energy

__all__ = ["as_json", "as_text"]

Report = dict[str, Any]


def as_json(design: Report, library: Library, path: Synthesis, activity: Activity, energy: Energy,
            modules: dict[str, dict[str, float]], stimulus: str, macs: int | None,
            wire_ff: float, recipe: str) -> Report:
    """JSON-ready report: areas in ``area_unit``, times in ns, energies in J, power in W."""
    target = path.clock_ns or 0.0
    clock = max(target, path.path_ns or 0.0)
    power = energy.power(clock)
    cycle = sum(energy.per_cycle().values())
    total = cycle * activity.cycles + energy.leakage * clock * 1e-9 * activity.cycles
    rows = [{"module": name, "gates": int(x["gates"]), "area": x["area"],
             "dynamic_w": x["dynamic"] / (clock * 1e-9), "leakage_w": x["leakage"]}
            for name, x in modules.items()]
    nets = (energy.inputs + energy.clock_net) / (clock * 1e-9)
    return {
        "design": design,
        "area_unit": path.area_unit, "area": path.area,
        "gate_equivalents": path.gate_equivalents, "cells": sum(path.cells.values()),
        "flip_flops": path.flip_flops, "cells_by_type": path.cells,
        "path": {"ns": path.path_ns, "from": path.path_ends[0], "to": path.path_ends[1],
                 "tool": path.path_tool,
                 "cells": [{"ns": step.ns, "pin": step.pin, "cell": step.cell}
                           for step in path.path_steps]},
        "clock": {"target_ns": target, "achievable_ns": path.path_ns, "power_at_ns": clock,
                  "met": path.path_ns is None or path.path_ns <= target},
        "power": {f"{name}_w": watts for name, watts in power.items()},
        "energy": {"dynamic_j_per_cycle": cycle, "leakage_w": energy.leakage,
                   "cycles": activity.cycles, "macs": macs, "total_j": total,
                   "j_per_mac": total / macs if macs else None},
        "modules": sorted(rows, key=lambda row: (-row["dynamic_w"] - row["leakage_w"],
                                                 row["module"])),
        "port_nets_w": nets,
        "activity": {"stimulus": stimulus, "cycles": activity.cycles,
                     "output_bits_compared": activity.compared,
                     "output_bits_unknown": activity.unknown,
                     "toggles_per_net_and_cycle": float(activity.toggles.sum())
                     / max(len(activity.toggles) - 2, 1) / max(activity.cycles, 1)},
        "conditions": {"lowbit": version(), "yosys": f"pyosys {yosys_version()}",
                       "libraries": library.describe(), "recipe": recipe, "flatten": path.flatten,
                       "volt": energy.volt, "slew_ns": energy.slew_ns, "wire_ff": wire_ff,
                       "port_load_ff": LOAD_FF, "delays": "none: no glitches",
                       "clock_tree": "none: an ideal net"},
    }


def _si(value: float, unit: str) -> str:
    """A value with a prefix: 3.21 mW."""
    for power, prefix in ((1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"),
                          (1e-15, "f")):
        if abs(value) >= power:
            return f"{value / power:.3g} {prefix}{unit}"
    return f"{value / 1e-18:.3g} a{unit}" if value else f"0 {unit}"


def _modules(report: Report) -> list[str]:
    whole = report["power"]["total_w"]
    head = ("module", "gates", report["area_unit"], "dynamic", "leakage", "share")
    rows = [(m["module"], str(m["gates"]), f"{m['area']:.1f}", _si(m["dynamic_w"], "W"),
             _si(m["leakage_w"], "W"), f"{(m['dynamic_w'] + m['leakage_w']) / whole:.1%}")
            for m in report["modules"]]
    rows.append(("nets of input ports and clock", "", "", _si(report["port_nets_w"], "W"), "",
                 f"{report['port_nets_w'] / whole:.1%}"))
    return table_lines([head, *rows])


def as_text(report: Report) -> str:
    """The report for people."""
    design, path, clock, c = (report[name] for name in ("design", "path", "clock", "conditions"))
    energy, activity = report["energy"], report["activity"]
    power = {name.removesuffix("_w"): watts for name, watts in report["power"].items()}
    lines = [f"{design['generator']} {design['flags']}".rstrip(), "", *_modules(report), ""]
    lines += [f"area              {report['area']:.1f} {report['area_unit']}, "
              f"{report['gate_equivalents']:.0f} gate equivalents, {report['cells']} cells, "
              f"{report['flip_flops']} flip-flops"]
    if path["ns"] is None:
        lines.append("longest path      none")
    else:
        ends = f", {path['from']} to {path['to']}" if path["from"] else ""
        lines.append(f"longest path      {path['ns']:.3f} ns{ends}; {path['tool']}")
        lines += [f"                  {step['ns']:8.3f}  {step['pin']}  {step['cell']}"
                  for step in path["cells"]]
    at = f"{clock['power_at_ns']:.4g} ns ({1e3 / clock['power_at_ns']:.4g} MHz)"
    lines.append(f"clock             {at}" + ("" if clock["met"] else
                 f"; the {clock['target_ns']:g} ns asked for are not met"))
    lines.append(f"power             {_si(power['total'], 'W')}: " + ", ".join(
        f"{name} {_si(power[name], 'W')}" for name in ("switching", "internal", "clock",
                                                       "leakage")))
    per = f"; {_si(energy['j_per_mac'], 'J')} a multiply-accumulate ({energy['macs']} of them)" \
        if energy["j_per_mac"] is not None else ""
    lines.append(f"energy            {_si(energy['dynamic_j_per_cycle'], 'J')} a cycle{per}")
    lines += [f"activity          {activity['stimulus']}: {activity['cycles']} cycles, "
              f"{activity['toggles_per_net_and_cycle']:.3f} toggles a net and cycle; "
              f"{activity['output_bits_compared']} output bits equal the RTL's, "
              f"{activity['output_bits_unknown']} not written yet",
              "", f"assumed           {c['volt']:g} V, slew {c['slew_ns']:.3g} ns, "
              f"wires {c['wire_ff']:g} fF a pin, {c['port_load_ff']:g} fF at outputs, no delays "
              "(no glitches), no clock tree",
              f"recipe            {c['recipe']} for {clock['target_ns']:g} ns, one flat netlist",
              f"tools             {c['yosys']}, lowbit {c['lowbit']}"]
    lines += [f"library           {item['library']}, sha256 {item['sha256'][:16]}"
              for item in c["libraries"]]
    return "\n".join(lines)
