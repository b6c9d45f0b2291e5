#!/usr/bin/env python3
"""Energy of a multiply-accumulate: ``gen ppa`` on a list of designs.

    .venv/bin/python scripts/studies/bench_power.py --liberty sky130hd_tt.lib.gz
        [--clock NS] [--only WORD] -o docs/results/power.json

All designs are sized for one clock and run drawn operands (normal, seed 1), ``fp16_dot`` and
``bitmod_pe``, which take no matrices, the vectors of their benches. The file is written after each
design; with ``--only`` the others stay in it as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from lowbit.generators.compare.measurements import parse
from lowbit.generators.errors import USER_ERRORS, CheckFailed
from lowbit.generators.files import void, write_whole
from lowbit.generators.measuring import find_library
from lowbit.generators.powering import measure_power, stimulus_of

LUT = "lut_core --M 1 --N 8 --K 4 --a-format int8 --no-zero-point --no-preload --w-bits"
DOT = "dot_core --M 1 --N 8 --K 4 --a-format int8 --no-preload --w-format"
#: command -> activity
DESIGNS = {f"{LUT} 1": "normal", f"{LUT} 2": "normal", f"{LUT} 4": "normal",
           f"{DOT} int2": "normal", f"{DOT} int4": "normal", f"{DOT} int8": "normal",
           "fp16_tile --rows 1 --columns 2": "normal",
           "bitmod_tile --rows 1 --columns 2": "normal",
           "fp16_dot --K 4": "bench", "bitmod_pe": "bench",
           "lut_core --M 2 --N 64 --K 4": "normal"}


def measured(command: str, activity: str, args: argparse.Namespace) -> dict[str, Any]:
    """A row: the figures of a report that the page shows."""
    parameters = parse(command)
    library = find_library(args.liberty)
    report = measure_power(parameters, library, stimulus_of(parameters, None, activity, 1),
                           clock_ns=args.clock).report
    energy = report["energy"]
    macs = energy["macs"]
    return {"design": command, "activity": activity, "area": report["area"],
            "path_ns": report["path"]["ns"], "clock": report["clock"], "power": report["power"],
            "cycles": energy["cycles"], "macs": macs, "j_per_mac": energy["j_per_mac"],
            "j_per_cycle": energy["total_j"] / energy["cycles"],
            "macs_per_cycle": macs / energy["cycles"] if macs else None,
            "toggles": report["activity"]["toggles_per_net_and_cycle"],
            "conditions": report["conditions"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--liberty", type=Path, nargs="+", required=True, help="cell library")
    parser.add_argument("--clock", type=float, default=10.0, metavar="NS",
                        help="clock that all designs are sized for; default 10")
    parser.add_argument("--only", default="", metavar="WORD",
                        help="designs with this word; the others stay in the file as they are")
    parser.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE.json")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    if args.only and args.output.exists():
        found = {row["design"]: row for row in json.loads(args.output.read_text())["designs"]}
    try:
        for command, activity in DESIGNS.items():
            if args.only not in command:
                continue
            row = found[command] = measured(command, activity, args)
            per = row["j_per_mac"]
            print(f"{command:<72}" + (f"{per * 1e12:9.3f} pJ a MAC" if per else
                                      f"{row['j_per_cycle'] * 1e12:9.3f} pJ a cycle"), flush=True)
            rows = [found[name] for name in DESIGNS if name in found]
            text = json.dumps({"clock_ns": args.clock, "designs": rows}, indent=2) + "\n"
            write_whole(args.output, partial(
                lambda path, text: void(path.write_text(text)), text=text))
    except (*USER_ERRORS, CheckFailed) as error:
        print(f"bench_power: {error}", file=sys.stderr)
        return 1 if isinstance(error, CheckFailed) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
