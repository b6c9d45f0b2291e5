"""``gen verify GENERATOR [parameters]``: emit, simulate, compare with the golden model."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import CheckFailed, UsageError
from ..family import Generator
from ..files import check_target
from ..flow.simulate import SIMULATORS
from ..options import add_parameters, integer, positive, take_parameters
from ..verifying import verify
from ..wrapping import add_wrap, take_wrap

SUMMARY = "simulate a generator's Verilog against the golden model"
TAKES_GENERATOR = True
TAKES_WRAP = True


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_parameters(parser, generator.parameter_class())
    group = parser.add_argument_group("verification")
    group.add_argument("--sim", metavar="|".join(SIMULATORS), default="verilator",
                       choices=SIMULATORS, help="simulator; default verilator (random start "
                       "state); icarus starts with X and suits small designs")
    group.add_argument("--seed", type=integer, default=1, metavar="INT",
                       help="seed of vectors, stalls and start state; 0 or more; default 1")
    group.add_argument("--vectors", type=positive, default=256, metavar="INT",
                       help="output words to check, at least; default 256")
    group.add_argument("--waves", metavar="FILE.vcd", help="write a VCD trace")
    group.add_argument("--build-dir", metavar="DIR", help="keep simulator builds here instead of "
                       "the user's cache")
    group.add_argument("--json", action="store_true", help="print the result as JSON")
    add_wrap(group)


def run(args: argparse.Namespace) -> int:
    parameters = take_parameters(args, args.generator.parameter_class())
    if args.seed < 0:
        raise UsageError(f"--seed must be 0 or more; got {args.seed}")
    waves = Path(args.waves) if args.waves else None
    if waves is not None:
        if waves.suffix != ".vcd":
            raise UsageError(f"--waves must end in .vcd; got {waves}")
        check_target(waves, option="--waves")
    found = verify(parameters, simulator=args.sim, seed=args.seed, vectors=args.vectors,
                   waves=waves, build_dir=Path(args.build_dir) if args.build_dir else None,
                   wrap=take_wrap(args))
    if args.json:
        print(json.dumps(found.as_dict(), indent=2))
        return 0 if found.passed else 1
    print(found)
    if not found.passed:
        raise CheckFailed(f"verification failed: {found.message}")
    return 0
