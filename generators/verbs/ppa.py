"""``gen ppa``: power of a design's own workload, with the area and the path of the same netlist."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..cost.report import add_estimate, estimate
from ..errors import UsageError
from ..family import Generator
from ..flow.handover import add_file_options, check_files, write_files
from ..measuring import add_library, take_library
from ..options import add_parameters, integer, nanoseconds, take_parameters
from ..powering import ACTIVITIES, measure_power, stimulus_of

SUMMARY = "power with measured activity, and area and longest path of the same netlist"
TAKES_GENERATOR = True


def _load(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"must be a load in fF, 0 or more; got {text}")
    return value


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_parameters(parser, generator.parameter_class())
    if generator.operands:
        generator.operand_options().add(parser)
        for action in parser._actions:
            action.required = False
    else:
        parser.set_defaults(a=None, w=None)
    group = parser.add_argument_group("power, performance, area")
    group.add_argument("--activity", metavar="|".join(ACTIVITIES),
                       help="without --a and --w: operands that are drawn, normal (default), "
                       "uniform or zero; or the vectors of gen verify (bench)")
    group.add_argument("--seed", type=integer, default=1, metavar="INT",
                       help="seed of what is drawn; default 1")
    add_library(group, "cell library with energies", "")
    group.add_argument("--clock", type=nanoseconds, default=1.0, metavar="NS",
                       help="clock that the netlist is sized for; power is at it, or at the "
                       "longest path where that is longer; default 1")
    group.add_argument("--recipe", default="sized", choices=("sized", "booth+sized"),
                       metavar="NAME", help="sized or booth+sized; default sized")
    group.add_argument("--slew", type=nanoseconds, metavar="NS", help="slew of all nets; default "
                       "that of a chain of the smallest inverters that drive four")
    group.add_argument("--wire-load", type=_load, default=0.0, metavar="FF",
                       help="load of the wire to each pin, fF; default 0")
    add_file_options(group)
    add_estimate(group)
    group.add_argument("--build-dir", type=Path, metavar="DIR",
                       help="keep simulator builds here instead of the user's cache")
    group.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    parameters = take_parameters(args, args.generator.parameter_class())
    if args.seed < 0:
        raise UsageError(f"--seed must be 0 or more; got {args.seed}")
    if (args.a is None) != (args.w is None):
        raise UsageError("--a and --w belong together; give both, or --activity")
    if args.a is not None and args.activity is not None:
        raise UsageError("--activity draws operands; leave it out beside --a and --w")
    wanted = check_files(args)
    library = take_library(args)
    if args.estimate:
        if wanted or args.a is not None or args.activity is not None:
            raise UsageError("--estimate has area and path but no power, and makes no netlist; "
                             "leave --a, --w, --activity, --netlist and --sdc out")
        estimated = estimate(parameters, library)
        print(json.dumps(estimated.as_json(), indent=2) if args.json else estimated)
        return 0
    stimulus = stimulus_of(parameters, args, args.activity or "normal", args.seed)
    found = measure_power(parameters, library, stimulus, clock_ns=args.clock, recipe=args.recipe,
                          slew_ns=args.slew, wire_ff=args.wire_load, build_dir=args.build_dir)
    if wanted:
        design = found.report["design"]
        write_files(args, found.path, f"{design['generator']} {design['flags']}", library)
    print(json.dumps(found.report, indent=2) if args.json else found)
    return 0
