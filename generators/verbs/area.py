"""``gen area``: cell area, gate equivalents, flip-flops and longest path of a generator."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..family import Generator
from ..flow import liberty
from ..flow.pdk import PDKS, find_pdk
from ..flow.recipes import AREA_RECIPES, RECIPES, find_recipe
from ..flow.report import as_json, as_text
from ..flow.synthesis import Synthesis, best_of, synthesize
from ..options import add_parameters, take_parameters
from ..progress import Progress

SUMMARY = "synthesise a generator: area, gate equivalents, flip-flops, longest path"
TAKES_GENERATOR = True

#: above this size (in gate equivalents) the longest path is computed on request only
PATH_LIMIT_GE = 200_000


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("must be a time in ns, more than 0 and below 1e6; "
                                         f"got {text}")
    return value


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_parameters(parser, generator.parameter_class())
    group = parser.add_argument_group("synthesis")
    group.add_argument("--liberty", nargs="+", metavar="FILE",
                       help="cell library: one or several liberty files, plain or gzip; "
                            "default an embedded technology-neutral library in gate equivalents")
    group.add_argument("--pdk", metavar="NAME",
                       help=f"cell library of a PDK under PDK_ROOT: {', '.join(PDKS)}")
    group.add_argument("--recipe", default="plain", metavar="NAME",
                       help=f"{', '.join(RECIPES)}, or best: the smallest of "
                            f"{', '.join(AREA_RECIPES)}; default plain")
    group.add_argument("--clock", type=_positive, default=1.0, metavar="NS",
                       help="clock target of the sized recipe and of the longest path; default 1")
    group.add_argument("--flatten", action="store_true",
                       help="one flat netlist (slow on large designs) in place of each distinct "
                            "module mapped once")
    group.add_argument("--timing", action=argparse.BooleanOptionalAction, default=None,
                       help="longest path from a sized, flattened netlist; default on up to "
                            f"{PATH_LIMIT_GE} gate equivalents")
    group.add_argument("--json", action="store_true", help="print as JSON")


def _library(args: argparse.Namespace) -> liberty.Library:
    if args.liberty and args.pdk:
        raise UsageError("--liberty and --pdk exclude each other; give one of them")
    if args.pdk:
        return liberty.load(find_pdk(args.pdk))
    if args.liberty:
        return liberty.load([Path(name) for name in args.liberty])
    return liberty.embedded()


def _measure(args: argparse.Namespace, verilog: str, top: str, library: liberty.Library,
             ) -> tuple[Synthesis, Synthesis | None]:
    """Area with the recipe asked for, and the sized run that gives the longest path."""
    with Progress() as progress:
        progress(f"synthesis of {top}")
        if args.recipe == "best":
            runs = best_of(verilog, top, library, flatten=args.flatten)
            result = next(iter(runs.values()))
        else:
            result = synthesize(verilog, top, library, args.recipe, flatten=args.flatten,
                                clock_ns=args.clock,
                                path=False if args.timing is False else None)
        if result.recipe == "sized" and args.flatten and args.timing is not False:
            return result, result
        if args.timing is False or (args.timing is None
                                    and result.gate_equivalents > PATH_LIMIT_GE):
            return result, None
        progress(f"longest path of {top}")
        return result, synthesize(verilog, top, library, "sized", late=not args.flatten,
                                  clock_ns=args.clock)


def run(args: argparse.Namespace) -> int:
    parameters = take_parameters(args, args.generator.parameter_class())
    # everything that can be refused is refused before the work starts
    if args.recipe != "best":
        find_recipe(args.recipe)
    library = _library(args)
    # Amaranth is slow to import; --help does without
    from ..verilog.emit import emit

    emitted = emit(parameters)
    area, path = _measure(args, emitted.verilog, emitted.top, library)
    design: dict[str, Any] = {"generator": args.generator.name, "flags": parameters.flags(),
                              "parameters": parameters.as_dict()}
    asked = list(AREA_RECIPES) if args.recipe == "best" else [args.recipe]
    report = as_json(design, library, area, path, asked, args.clock)
    print(json.dumps(report, indent=2) if args.json else as_text(report))
    return 0
