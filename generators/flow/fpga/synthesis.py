"""Synthesis for an FPGA: Yosys' cells of a family, and the netlist for place and route."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..yosys import run_yosys
from .devices import Device

__all__ = ["NETLIST", "Netlist", "synthesize", "xilinx_counts"]

#: file of the netlist in the folder of a run
NETLIST = "netlist.json"

#: Marks what Yosys must not forget when it makes names of its own: nets that the source names, and
#: those that are registers there.
_MARK = ("hierarchy -check -top {top}", "proc", "setattr -set source 1 w:* w:$* %d",
         "setattr -set register 1 t:$*dff* %co1:+[Q] w:* %i w:$* %d")


@dataclass(frozen=True)
class Netlist:
    """A synthesised design."""

    top: str
    module: dict[str, Any]          #: of Yosys' JSON netlist: ports, cells, netnames
    cells: dict[str, int]           #: by type

    def count(self, device: Device) -> dict[str, int]:
        """Resources that the cells take, by the rules of the device's family."""
        return {resource: math.ceil(sum(
            weight * count for pattern, weight in patterns.items()
            for cell, count in self.cells.items() if re.fullmatch(pattern, cell)))
            for resource, patterns in device.tools.cells.items()}


def synthesize(verilog: str, top: str, device: Device, folder: Path) -> Netlist:
    """Map ``top`` to cells of the device's family; leaves ``NETLIST`` in ``folder``."""
    tools = device.tools
    _yosys(verilog, folder, [
        *(command.format(top=top) for command in _MARK),
        f"{tools.synthesis} {device.synthesis} -top {top} -json {NETLIST}"])
    module = json.loads((folder / NETLIST).read_text())["modules"][top]
    cells: dict[str, int] = {}
    for cell in module["cells"].values():
        if cell["type"] != "$scopeinfo":
            cells[cell["type"]] = cells.get(cell["type"], 0) + 1
    return Netlist(top, module, dict(sorted(cells.items())))


def xilinx_counts(verilog: str, top: str, folder: Path) -> dict[str, int]:
    """LUT, FF, CARRY4 and DSP48 cells of ``synth_xilinx -family xc7``, flattened, no pads."""
    _yosys(verilog, folder, [f"synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -top {top}",
                             "tee -q -o stat.json stat -json"])
    stat = json.loads((folder / "stat.json").read_text())
    counts = dict(lut=0, ff=0, carry=0, dsp=0)
    kinds = (("lut", r"LUT\d|INV$"), ("ff", r"FD[RSCP]E"), ("carry", "CARRY4"), ("dsp", "DSP48"))
    for cell, count in stat["modules"][f"\\{top}"]["num_cells_by_type"].items():
        for kind, pattern in kinds:
            if re.match(pattern, cell):
                counts[kind] += int(count)
    return counts


def _yosys(verilog: str, folder: Path, commands: list[str]) -> None:
    (folder / "design.v").write_text(verilog)
    run_yosys(["read_verilog design.v", *commands], folder)
