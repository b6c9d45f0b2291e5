"""``gen verify GENERATOR [parameters]``: emit, simulate, compare with the golden model."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lowbit.golden.parameters import Parameters

from ..errors import CheckFailed, UsageError
from ..family import Generator
from ..files import check_target
from ..flow.liberty import Library
from ..flow.simulate import SIMULATORS
from ..measuring import add_library, take_library
from ..options import add_parameters, integer, positive, take_parameters
from ..verifying import Verification, prove_netlist, verify
from ..wrapping import Wrap, add_wrap, take_wrap

SUMMARY = "simulate a generator's Verilog against the golden model"
TAKES_GENERATOR = True
TAKES_WRAP = True


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_parameters(parser, generator.parameter_class())
    group = parser.add_argument_group("verification")
    group.add_argument("--sim", metavar="|".join(SIMULATORS),
                       choices=SIMULATORS, help="simulator; default verilator (random start "
                       "state); icarus starts with X and suits small designs, and is tried "
                       "first for a netlist")
    group.add_argument("--seed", type=integer, default=1, metavar="INT",
                       help="seed of vectors, stalls and start state; 0 or more; default 1")
    group.add_argument("--vectors", type=positive, default=256, metavar="INT",
                       help="output words to check, at least; default 256")
    group.add_argument("--waves", metavar="FILE.vcd", help="write a VCD trace")
    group.add_argument("--build-dir", metavar="DIR", help="keep simulator builds here instead of "
                       "the user's cache")
    group.add_argument("--json", action="store_true", help="print the result as JSON")
    add_wrap(group)
    group = parser.add_argument_group("gate level")
    group.add_argument("--netlist", type=Path, metavar="FILE.v", help="simulate this netlist of "
                       "the design in its RTL's place (gen area --netlist writes one)")
    add_library(group, "the netlist's cell library", "")
    group.add_argument("--prove", action="store_true", help="instead of a simulation, prove by "
                       "induction that the netlist equals the RTL; for small designs")


def _prove(args: argparse.Namespace, parameters: Parameters, library: Library,
           wrap: Wrap | None) -> int:
    """The netlist against the RTL, by induction."""
    verdict = prove_netlist(parameters, args.netlist, library, wrap)
    what = f"{parameters.generator} {parameters.flags()}".rstrip()
    if args.json:
        print(json.dumps({"generator": parameters.generator, "parameters": parameters.as_dict(),
                          "netlist": str(args.netlist), "answer": verdict.answer,
                          "seconds": round(verdict.seconds, 3)}, indent=2))
    else:
        print(f"{what}, netlist {args.netlist}\n  {verdict.answer} in {verdict.seconds:.1f} s")
    if not verdict.proved:
        if args.json:
            return 1
        raise CheckFailed(f"{args.netlist} is not proved equal to the RTL; gen verify without "
                          "--prove looks for an output that differs")
    return 0


def run(args: argparse.Namespace) -> int:
    parameters = take_parameters(args, args.generator.parameter_class())
    if args.seed < 0:
        raise UsageError(f"--seed must be 0 or more; got {args.seed}")
    waves = Path(args.waves) if args.waves else None
    if waves is not None:
        if waves.suffix != ".vcd":
            raise UsageError(f"--waves must end in .vcd; got {waves}")
        check_target(waves, option="--waves")
    library, wrap = None, take_wrap(args)
    if args.netlist is not None:
        library = take_library(args)
        if args.prove:
            return _prove(args, parameters, library, wrap)
    elif args.prove or args.liberty or args.pdk:
        raise UsageError("--prove, --liberty and --pdk belong to a netlist; give --netlist FILE.v")

    def simulated(simulator: str) -> Verification:
        return verify(parameters, simulator=simulator, seed=args.seed, vectors=args.vectors,
                      waves=waves, build_dir=Path(args.build_dir) if args.build_dir else None,
                      netlist=args.netlist, library=library, wrap=wrap)

    found = simulated(args.sim or ("verilator" if args.netlist is None else "icarus"))
    if args.netlist is not None and args.sim is None and found.unknown:
        print("gen: X reaches an output: gates spread it further than the design does; started "
              "again with registers of random value (verilator)", file=sys.stderr)
        found = simulated("verilator")
    if args.json:
        print(json.dumps(found.as_dict(), indent=2))
        return 0 if found.passed else 1
    print(found)
    if not found.passed:
        raise CheckFailed(f"verification failed: {found.message}")
    return 0
