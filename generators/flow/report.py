"""The report of ``gen area``: a JSON object, and the text made from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..version import version
from . import generic
from .liberty import Library
from .synthesis import ModuleArea, Synthesis
from .yosys import yosys_version

__all__ = ["as_json", "as_text", "table_lines"]


def _module(module: ModuleArea, total: float) -> dict[str, Any]:
    area = module.area * module.instances
    return {"module": module.name, "instances": module.instances, "area_each": module.area,
            "area": area, "share": area / total if total else 0.0,
            "flip_flops_each": module.flip_flops,
            "flip_flops": module.flip_flops * module.instances}


def _path(path: Synthesis | None, library: Library) -> dict[str, Any] | None:
    if path is None:
        return None
    found: dict[str, Any] = {"ns": path.path_ns, "from": path.path_ends[0], "to": path.path_ends[1],
             "tool": path.path_tool, "recipe": path.recipe, "clock_ns": path.clock_ns,
             "flatten": path.flatten, "area": path.area, "driver": library.driver.name}
    if library.area_unit == "GE" and path.path_ns is not None:
        found["fo4"] = path.path_ns / generic.FO4_NS
    return found


def as_json(design: dict[str, Any], library: Library, area: Synthesis, path: Synthesis | None,
            recipes: Sequence[str], clock_ns: float) -> dict[str, Any]:
    """JSON-ready report. Areas in ``area_unit``; a module's area is without its submodules."""
    modules = sorted((_module(m, area.area) for m in area.modules),
                     key=lambda m: (-m["area"], m["module"]))
    return {
        "design": design,
        "area_unit": area.area_unit,
        "area": area.area,
        "gate_equivalents": area.gate_equivalents,
        "nand2": {"cell": library.nand2.name, "area": library.nand2.area},
        "cells": sum(area.cells.values()),
        "flip_flops": area.flip_flops,
        "flip_flop_area": area.flip_flop_area,
        "modules": modules,
        "cells_by_type": area.cells,
        "path": _path(path, library),
        "conditions": {"lowbit": version(), "yosys": f"pyosys {yosys_version()}",
                       "libraries": library.describe(), "recipe": area.recipe,
                       "recipes_tried": list(recipes), "flatten": area.flatten,
                       "clock_ns": clock_ns},
    }


def _table(report: dict[str, Any]) -> list[str]:
    digits = 1 if report["area"] > 100 else 3
    unit = report["area_unit"]
    head = ("module", "instances", f"{unit} each", unit, "share", "flip-flops")
    rows = [(m["module"], str(m["instances"]), f"{m['area_each']:.{digits}f}",
             f"{m['area']:.{digits}f}", f"{m['share']:.1%}", str(m["flip_flops"]))
            for m in report["modules"]]
    return table_lines([head, *rows])


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows, the head first, as lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) if at == 0 else text.rjust(width)
                      for at, (text, width) in enumerate(zip(row, widths, strict=True)))
            for row in rows]


def _path_text(report: dict[str, Any]) -> str:
    path = report["path"]
    if path is None:
        return "not computed (--timing asks for it)"
    if path["ns"] is None:
        return "none: no path from an input or a register to another or to an output"
    length = f"{path['ns']:.3f} ns"
    if "fo4" in path:
        length = f"{path['fo4']:.1f} FO4 ({length} at a nominal {generic.FO4_NS * 1000:g} ps)"
    ends = f", {path['from']} to {path['to']}" if path["from"] else ""
    return (f"{length}{ends}; {path['tool']}, ideal wires, recipe {path['recipe']} for "
            f"{path['clock_ns']:g} ns, {path['area']:.0f} {report['area_unit']}")


def as_text(report: dict[str, Any]) -> str:
    """The report for people: table of modules, totals, conditions."""
    design, conditions = report["design"], report["conditions"]
    digits = 1 if report["area"] > 100 else 3
    tried = conditions["recipes_tried"]
    recipe = conditions["recipe"] + (f", best of {', '.join(tried)}" if len(tried) > 1 else "")
    if conditions["recipe"].endswith("sized"):
        recipe += f" for {conditions['clock_ns']:g} ns"
    how = {"no": "each distinct module once, areas without submodules",
           "early": "one flat netlist", "late": "flattened before mapping"}[conditions["flatten"]]
    share = report["flip_flop_area"] / report["area"] if report["area"] else 0.0
    unit = report["area_unit"]
    lines = [f"{design['generator']} {design['flags']}".rstrip(), "", *_table(report), "",
             f"cell area         {report['area']:.{digits}f} {unit}",
             f"gate equivalents  {report['gate_equivalents']:.0f} "
             f"(NAND2 = {report['nand2']['cell']}, {report['nand2']['area']:g} {unit})",
             f"cells             {report['cells']}",
             f"flip-flops        {report['flip_flops']} ({share:.1%} of the area)",
             f"longest path      {_path_text(report)}", "",
             f"recipe            {recipe}; {how}",
             f"tools             {conditions['yosys']}, lowbit {conditions['lowbit']}"]
    lines += [f"library           {item['library']}, sha256 {item['sha256'][:16]}"
              for item in conditions["libraries"]]
    return "\n".join(lines)
