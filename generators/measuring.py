"""Area and longest path of a design."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowbit.golden.parameters import Parameters

from .errors import UsageError
from .flow import liberty
from .flow.pdk import PDKS, find_pdk
from .flow.recipes import ALL_AREA_RECIPES, find_recipe
from .flow.report import as_json, as_text
from .flow.synthesis import Synthesis, best_of, synthesize, usable_recipes
from .progress import Progress
from .wrapping import Wrap

__all__ = ["PATH_LIMIT_GE", "Measurement", "add_library", "find_library", "measure",
           "take_library"]

#: above this size (in gate equivalents) the longest path is computed on request only
PATH_LIMIT_GE = 200_000


@dataclass(frozen=True, repr=False)
class Measurement:
    """Area and longest path under stated conditions; prints as the report of ``gen area``."""

    report: dict[str, Any]      #: all figures, JSON-ready
    #: the run of the longest path, with its netlist; None where none was computed
    path: Synthesis | None = None

    @property
    def area(self) -> float:
        """Cell area, in the unit of the library (gate equivalents without one)."""
        return float(self.report["area"])

    @property
    def gate_equivalents(self) -> float:
        return float(self.report["gate_equivalents"])

    @property
    def path_ns(self) -> float | None:
        """Longest path; None where it was not computed or there is none."""
        path = self.report["path"]
        return None if path is None else path["ns"]

    def __str__(self) -> str:
        return as_text(self.report)

    __repr__ = __str__      # notebooks show it


def add_library(group: Any, what: str = "cell library", otherwise: str = "default an embedded "
                "technology-neutral library in gate equivalents") -> None:
    """The options ``--liberty`` and ``--pdk``; ``what`` it is for, and what is there ``otherwise``.
    """
    end = f"; {otherwise}" if otherwise else ""
    group.add_argument("--liberty", nargs="+", type=Path, metavar="FILE", help=f"{what}: one or "
                       f"several liberty files, plain or gzip{end}")
    group.add_argument("--pdk", metavar="NAME",
                       help=f"{what} of a PDK under PDK_ROOT: {', '.join(PDKS)}")


def take_library(args: argparse.Namespace) -> liberty.Library:
    """The cell library of these options."""
    return find_library(args.liberty or (), args.pdk)


def find_library(files: Sequence[Path] = (), pdk: str | None = None) -> liberty.Library:
    """The cell library of liberty files or of a PDK by name; the embedded one for neither."""
    if files and pdk:
        raise UsageError("--liberty and --pdk exclude each other; give one of them")
    if pdk:
        return liberty.load(find_pdk(pdk))
    return liberty.load(list(files)) if files else liberty.embedded()


def measure(parameters: Parameters, library: liberty.Library, *, recipe: str = "plain",
            clock_ns: float = 1.0, flatten: bool = False,
            timing: bool | None = None, wrap: Wrap | None = None) -> Measurement:
    """Synthesise a design, with its wrapper if it has one.

    ``recipe``: a name of ``flow/recipes.py``, or ``best``, the smallest of the area recipes.
    ``timing``: the longest path from a sized, flattened netlist; None: up to ``PATH_LIMIT_GE``.
    """
    if recipe != "best":
        find_recipe(recipe)     # refused before the work starts
    from .verilog.emit import emit  # Amaranth is slow to import; --help does without

    emitted = emit(parameters, wrap=wrap)
    area, path = _measure(emitted.verilog, emitted.top, library, recipe, clock_ns, flatten, timing)
    flags = f"{parameters.flags()} {wrap.flags() if wrap else ''}".strip()
    design: dict[str, Any] = {"generator": parameters.generator, "flags": flags,
                              "parameters": parameters.as_dict()}
    asked = usable_recipes(library, ALL_AREA_RECIPES) if recipe == "best" else [recipe]
    return Measurement(as_json(design, library, area, path, asked, clock_ns), path)


def _measure(verilog: str, top: str, library: liberty.Library, recipe: str, clock_ns: float,
             flatten: bool, timing: bool | None) -> tuple[Synthesis, Synthesis | None]:
    """Area with the recipe asked for, and the sized run that gives the longest path."""
    with Progress() as progress:
        progress(f"synthesis of {top}")
        if recipe == "best":
            runs = best_of(verilog, top, library, flatten=flatten)
            result = next(iter(runs.values()))
        else:
            result = synthesize(verilog, top, library, recipe, flatten=flatten,
                                clock_ns=clock_ns, path=False if timing is False else None)
        if find_recipe(result.recipe).sized and flatten and timing is not False:
            return result, result
        if timing is False or (timing is None and result.gate_equivalents > PATH_LIMIT_GE):
            return result, None
        progress(f"longest path of {top}")
        return result, synthesize(verilog, top, library, "sized", late=not flatten,
                                  clock_ns=clock_ns)
