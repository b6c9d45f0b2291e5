"""``gen area``: cell area, gate equivalents, flip-flops and longest path of a generator."""

from __future__ import annotations

import argparse
import json

from lowbit.golden.parameters import Parameters

from ..cost.model import FIGURES, CostModel
from ..cost.terms import terms_of
from ..errors import UsageError
from ..family import Generator
from ..flow.handover import add_file_options, check_files, write_files
from ..flow.liberty import Library
from ..flow.recipes import RECIPES
from ..measuring import PATH_LIMIT_GE, add_library, measure, take_library
from ..options import add_parameters, nanoseconds, take_parameters
from ..wrapping import add_wrap, take_wrap

SUMMARY = "synthesise a generator: area, gate equivalents, flip-flops, longest path"
TAKES_GENERATOR = True
TAKES_WRAP = True


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_parameters(parser, generator.parameter_class())
    group = parser.add_argument_group("synthesis")
    add_library(group)
    group.add_argument("--recipe", default="plain", metavar="NAME",
                       help=f"{', '.join(RECIPES)}, or best: the smallest area "
                            "with those for which the library "
                            "has the cells; default plain")
    group.add_argument("--clock", type=nanoseconds, default=1.0, metavar="NS",
                       help="clock target of the sized recipe and of the longest path; default 1")
    group.add_argument("--flatten", action="store_true",
                       help="one flat netlist (slow on large designs) in place of each distinct "
                            "module mapped once")
    group.add_argument("--timing", action=argparse.BooleanOptionalAction, default=None,
                       help="longest path from a sized, flattened netlist; default on up to "
                            f"{PATH_LIMIT_GE} gate equivalents")
    add_file_options(group)
    group.add_argument("--estimate", action="store_true", help="area and longest path by the cost "
                       "model, without synthesis (docs/sweep.md)")
    group.add_argument("--json", action="store_true", help="print as JSON")
    add_wrap(group)


def _estimate(parameters: Parameters, library: Library, *, as_json: bool) -> int:
    """By the cost model, with the errors that it has on designs outside of its fit; a figure
    without a fit for the library is left out."""
    terms_of(parameters, "area")        # says which option has no model
    model = CostModel(library)
    model.fit(parameters.generator, "area")
    figures = [name for name in FIGURES if (parameters.generator, name) in model.fits]
    found = {name: model.estimate(parameters, name) for name in figures}
    fits = {name: model.fit(parameters.generator, name) for name in figures}
    if as_json:
        print(json.dumps({"generator": parameters.generator, "flags": parameters.flags(),
                          "area_unit": library.area_unit, **found, "errors": {
                              name: {"median": fit.median_error, "p95": fit.p95_error}
                              for name, fit in fits.items()}}, indent=2))
        return 0
    print(f"{parameters.generator} {parameters.flags()}".rstrip())
    for name, value in found.items():
        fit, unit = fits[name], library.area_unit if name == "area" else "ns"
        print(f"{name:6}{value:12.4g} {unit:4} estimated; errors on {fit.tested} designs outside "
              f"of the fit: median {fit.median_error:.1%}, 95 % below {fit.p95_error:.1%}")
    return 0


def run(args: argparse.Namespace) -> int:
    parameters = take_parameters(args, args.generator.parameter_class())
    wanted, wrap = check_files(args), take_wrap(args)
    if wanted and args.timing is False:
        raise UsageError("--netlist and --sdc are of the netlist that has the longest path; leave "
                         "--no-timing out")
    library = take_library(args)
    if args.estimate:
        if wanted or wrap or args.timing is False:
            raise UsageError("--estimate is of a design itself, and makes no netlist; leave "
                             "--netlist, --sdc, --wrap and --no-timing out")
        return _estimate(parameters, library, as_json=args.json)
    found = measure(parameters, library, recipe=args.recipe, clock_ns=args.clock,
                    flatten=args.flatten, timing=wanted or args.timing, wrap=wrap)
    if wanted:
        design = found.report["design"]
        write_files(args, found.path, f"{design['generator']} {design['flags']}", library)
    print(json.dumps(found.report, indent=2) if args.json else found)
    return 0
