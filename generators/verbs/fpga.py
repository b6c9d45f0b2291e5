"""``gen fpga``: a generator on an FPGA: resources, clock, slowest path after place and route."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import UsageError
from ..family import Generator
from ..flow.fpga import DEVICES, find_device
from ..options import add_parameters, integer, megahertz, take_parameters
from ..placing import check_folder, place
from ..wrapping import add_wrap, take_wrap

SUMMARY = "place and route a generator on an FPGA: resources, clock, slowest path"
TAKES_GENERATOR = True
TAKES_WRAP = True
#: nextpnr's seeds are C integers
_SEEDS = 2 ** 31


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    # --clock is a period elsewhere, and a frequency in the words of FPGA tools
    add_parameters(parser, generator.parameter_class())
    group = parser.add_argument_group("place and route")
    group.add_argument("--device", required=True, metavar="NAME", help=f"{', '.join(DEVICES)}")
    group.add_argument("--clock", type=megahertz, default=100.0, metavar="MHz",
                       help="clock to aim at; default 100")
    group.add_argument("--seeds", type=integer, nargs="+", default=[1], metavar="INT",
                       help="place and route once for each; the clock is the median; default 1")
    group.add_argument("--json", action="store_true", help="print as JSON")
    group.add_argument("-o", type=Path, metavar="DIR",
                       help="keep the files of the run: Verilog, netlist, logs, report")
    add_wrap(group)


def run(args: argparse.Namespace) -> int:
    parameters = take_parameters(args, args.generator.parameter_class())
    device = find_device(args.device)
    seeds = list(dict.fromkeys(args.seeds))
    for seed in seeds:
        if not 0 <= seed < _SEEDS:
            raise UsageError(f"--seeds must be 0 or more and below {_SEEDS}; got {seed}")
    if args.o is not None:
        check_folder(args.o)
    placed = place(parameters, device, seeds=seeds, clock_mhz=args.clock, wrap=take_wrap(args),
                   folder=args.o)
    print(json.dumps(placed.report, indent=2) if args.json else placed)
    return 0
