#!/usr/bin/env python3
"""FPGA figures: LUTs of Xilinx 7 series, resources and clock of devices; prints a table.

Yosys `synth_xilinx`, and what `gen fpga` does for each device, always inside the scan wrapper, so
that designs with few ports are placed as the others are. The clock is the median of the seeds.
Needs `pip install .[fpga]` and a minute or so for each design, device and seed. Other designs
than the listed ones: `-- lut_core --N 4 ...`. With --json, rows of designs and devices that are
measured anew take the place of those in the file; the others stay where they are of the Verilog,
tools, clock and seeds of today, and go where they are not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from lowbit.generators.errors import USER_ERRORS, UsageError
from lowbit.generators.files import check_target
from lowbit.generators.flow.fpga import DEVICES, find_device
from lowbit.generators.flow.fpga.route import tool_version
from lowbit.generators.flow.fpga.synthesis import xilinx_counts
from lowbit.generators.flow.yosys import yosys_version
from lowbit.generators.options import ArgumentParser, add_parameters, take_parameters
from lowbit.generators.placing import place
from lowbit.generators.registry import find
from lowbit.generators.verilog.emit import emit
from lowbit.generators.wrapping import Wrap
from lowbit.golden.parameters import Parameters

SHAPE = "--M 1 --N 4 --K 4 --a-format int8"
LARGE = "lut_core --M 2 --N 16 --K 4 --a-format int8"
TWO = ("ecp5-85k", "ice40-hx8k")
SMALL_ON = (*TWO, "gw2a-18")
#: design -> devices that it is placed on
DESIGNS = {
    f"lut_core {SHAPE}": SMALL_ON, f"lut_core {SHAPE} --target fpga": SMALL_ON,
    # products of the same activations without a table
    f"dot_core {SHAPE} --w-format int2 --target fpga": TWO,
    f"dot_core {SHAPE} --w-format int4 --target fpga": TWO,
    "bitmod_pe --align cycle": TWO, "bitmod_pe --align cycle --target fpga": TWO,
    "fp16_pe --target fpga": TWO,
    LARGE: ("ecp5-85k",), f"{LARGE} --target fpga": ("ecp5-85k",)}


def parameters_of(words: str) -> Parameters:
    """The parameters of a design, given as the words of ``gen``."""
    name, *flags = words.split()
    parser = ArgumentParser(prog=f"gen {name}")
    cls = find(name).parameter_class()
    add_parameters(parser, cls)
    return take_parameters(parser.parse_args(flags), cls)


def row_of(words: str) -> dict[str, Any]:
    """A design's row without its devices."""
    design = emit(parameters_of(words))
    with tempfile.TemporaryDirectory(prefix="lowbit-fpga-") as folder:
        return {"design": words, "verilog_sha256": design.manifest["verilog_sha256"],
                "xc7": xilinx_counts(design.verilog, design.top, Path(folder)), "devices": {}}


def placed(words: str, device: str, seeds: list[int], clock: float) -> dict[str, Any]:
    """A design's figures on a device."""
    try:
        report = place(parameters_of(words), find_device(device), seeds=seeds, clock_mhz=clock,
                       wrap=Wrap("scan")).report
    except UsageError as error:     # too small, which is a figure as well
        return {"error": str(error)}
    return {key: report[key] for key in ("resources", "fmax_mhz", "fmax_of_seeds", "path")}


def of_today(path: Path | None, conditions: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows of a file that need not be measured anew, by design: same Verilog, tools and seeds."""
    before = json.loads(path.read_text()) if path and path.exists() else {"designs": ()}
    old = before.get("conditions", {})
    if any(old.get(key) != value for key, value in conditions.items() if key != "devices"):
        return {}
    rows = {}
    for row in before["designs"]:
        manifest = emit(parameters_of(row["design"])).manifest
        if manifest["verilog_sha256"] == row["verilog_sha256"]:
            row["devices"] = {name: found for name, found in row["devices"].items()
                              if old["devices"][name] == device_of(name)}
            rows[row["design"]] = row
            conditions["devices"].update({name: device_of(name) for name in row["devices"]})
    return rows


def device_of(name: str) -> dict[str, str]:
    """Conditions of a device's rows."""
    device = find_device(name)
    return {"part": device.part, "options": " ".join(device.options),
            "nextpnr": tool_version(device)}


def line(words: str, device: str, row: dict[str, Any]) -> str:
    """A row of the printed table."""
    if "error" in row:
        return f"{words:64}{device:12}{row['error']}"
    used = {name: x["used"] for name, x in row["resources"].items()}
    cells = "".join(f"{used.get(name, 0):8}" for name in ("LUT", "FF", "carry", "DSP", "RAM"))
    return f"{words:64}{device:12}{cells}{row['fmax_mhz']:8.1f}"


def main() -> int:
    try:
        run()
    except USER_ERRORS as error:
        print(f"bench_fpga.py: {error}", file=sys.stderr)
        return 2
    return 0


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--devices", nargs="+", choices=DEVICES, metavar="NAME",
                        help="only these; default those of each design")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--clock", type=float, default=100, metavar="MHz")
    parser.add_argument("design", nargs="*", help="one design: the words of gen")
    args = parser.parse_args()
    if args.json:
        check_target(args.json, option="--json")
    conditions: dict[str, Any] = {"yosys": f"pyosys {yosys_version()}", "clock_mhz": args.clock,
                                  "seeds": args.seeds, "devices": {}}
    rows = of_today(args.json, conditions)
    own = " ".join(args.design)
    print(f"{'design':64}{'device':12}{'LUT':>8}{'FF':>8}{'carry':>8}{'DSP':>8}{'RAM':>8}{'MHz':>8}")
    for words, usual in ({own: args.devices or SMALL_ON} if own else DESIGNS).items():
        devices = [name for name in usual if name in (args.devices or usual)]
        if not devices:
            continue
        row = row_of(words) | {"devices": rows.get(words, {}).get("devices", {})}
        rows[words] = row
        print(f"{words:64}{'xc7':12}{row['xc7']['lut']:8}{row['xc7']['ff']:8}"
              f"{row['xc7']['carry']:8}{row['xc7']['dsp']:8}")
        for device in devices:
            conditions["devices"][device] = device_of(device)   # refuses where tools are missing
            row["devices"][device] = placed(words, device, args.seeds, args.clock)
            print(line(words, device, row["devices"][device]), flush=True)
            if args.json:   # after every route: the whole takes long
                listed = list(DESIGNS)
                order = sorted(rows, key=lambda words: listed.index(words) if words in DESIGNS
                               else len(listed))
                args.json.write_text(json.dumps(
                    {"conditions": conditions, "designs": [rows[name] for name in order]},
                    indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
