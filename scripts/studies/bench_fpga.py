#!/usr/bin/env python3
"""FPGA figures: LUTs of Xilinx 7 series, resources and clock of devices; prints a table.

Yosys `synth_xilinx`, and what `gen fpga` does for each device, always inside the scan wrapper, so
that designs with few ports are placed as the others are. The clock is the median of the seeds.
Needs `pip install .[fpga]` and a minute or so for each design, device and seed. Other designs
than the listed ones: `-- lut_core --N 4 ...`. With --json, rows of designs and devices that are
measured anew take the place of those in the file, the others stay.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from lowbit.generators.errors import UsageError
from lowbit.generators.flow.fpga import DEVICES, find_device
from lowbit.generators.flow.fpga.route import tool_version
from lowbit.generators.flow.fpga.synthesis import xilinx_counts
from lowbit.generators.flow.yosys import yosys_version
from lowbit.generators.options import ArgumentParser, add_parameters, take_parameters
from lowbit.generators.placing import place
from lowbit.generators.registry import find
from lowbit.generators.verilog.emit import emit
from lowbit.golden.parameters import Parameters

CORE = "lut_core --M 1 --N 4 --K 4 --a-format int8"
DESIGNS = (CORE, f"{CORE} --target fpga", "bitmod_pe --align cycle",
           "bitmod_pe --align cycle --target fpga", "fp16_pe --target fpga")


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
                       wrap=True).report
    except UsageError as error:     # too small, which is a figure as well
        return {"error": str(error)}
    return {key: report[key] for key in ("resources", "fmax_mhz", "fmax_of_seeds", "path")}


def line(words: str, device: str, row: dict[str, Any]) -> str:
    """A row of the printed table."""
    if "error" in row:
        return f"{words:56}{device:12}{row['error']}"
    used = {name: x["used"] for name, x in row["resources"].items()}
    cells = "".join(f"{used.get(name, 0):8}" for name in ("LUT", "FF", "carry", "DSP", "RAM"))
    return f"{words:56}{device:12}{cells}{row['fmax_mhz']:8.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--devices", nargs="+", default=["ecp5-85k", "ice40-hx8k", "gw2a-18"],
                        choices=DEVICES, metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--clock", type=float, default=100, metavar="MHz")
    parser.add_argument("design", nargs="*", help="one design: the words of gen")
    args = parser.parse_args()
    before = json.loads(args.json.read_text()) if args.json and args.json.exists() else {}
    rows = {row["design"]: row for row in before.get("designs", ()) if "devices" in row}
    conditions = {"yosys": f"pyosys {yosys_version()}", "clock_mhz": args.clock,
                  "seeds": args.seeds, "devices": before.get("conditions", {}).get("devices", {})}
    print(f"{'design':56}{'device':12}{'LUT':>8}{'FF':>8}{'carry':>8}{'DSP':>8}{'RAM':>8}{'MHz':>8}")
    for words in ([" ".join(args.design)] if args.design else DESIGNS):
        row = row_of(words)
        old = rows.get(words, {})
        if old.get("verilog_sha256") == row["verilog_sha256"]:
            row["devices"] = old["devices"]
        rows[words] = row
        print(f"{words:56}{'xc7':12}{row['xc7']['lut']:8}{row['xc7']['ff']:8}"
              f"{row['xc7']['carry']:8}{row['xc7']['dsp']:8}")
        for device in args.devices:
            row["devices"][device] = placed(words, device, args.seeds, args.clock)
            print(line(words, device, row["devices"][device]), flush=True)
            known = find_device(device)
            conditions["devices"][device] = {
                "part": known.part, "options": " ".join(known.options),
                "nextpnr": tool_version(known)}
            if args.json:   # after every route: the whole takes long
                order = sorted(rows, key=lambda words: (words not in DESIGNS, DESIGNS.index(words)
                                                        if words in DESIGNS else 0))
                args.json.write_text(json.dumps(
                    {"conditions": conditions, "designs": [rows[name] for name in order]},
                    indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
