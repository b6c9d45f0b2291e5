"""``gen area``: cell area, gate equivalents, flip-flops and longest path of a generator."""

from __future__ import annotations

import argparse
import json

from ..cost.report import add_estimate, estimate
from ..errors import UsageError
from ..family import Generator
from ..flow.handover import add_file_options, check_files, write_files
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
    add_estimate(group)
    group.add_argument("--json", action="store_true", help="print as JSON")
    add_wrap(group)


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
        found = estimate(parameters, library)
        print(json.dumps(found.as_json(), indent=2) if args.json else found)
        return 0
    measured = measure(parameters, library, recipe=args.recipe, clock_ns=args.clock,
                       flatten=args.flatten, timing=wanted or args.timing, wrap=wrap)
    if wanted:
        design = measured.report["design"]
        write_files(args, measured.path, f"{design['generator']} {design['flags']}", library)
    print(json.dumps(measured.report, indent=2) if args.json else measured)
    return 0
