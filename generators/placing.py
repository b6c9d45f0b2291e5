"""A design on an FPGA: resources, clock and slowest path after place and route."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lowbit.golden.parameters import Parameters, TargetParameters

from .errors import UsageError
from .files import void, write_whole
from .flow.fpga import Device
from .flow.fpga.names import Names
from .flow.fpga.report import as_json, as_text
from .flow.fpga.route import check_fits, check_tools, route
from .flow.fpga.synthesis import NETLIST, synthesize
from .progress import Progress
from .verilog.scan import scan_wrapper
from .wrapping import Wrap

__all__ = ["Placement", "check_folder", "place"]

#: instance of the design in the wrapper
_INSIDE = "core"
#: what ``-o`` writes
_FILES = re.compile(rf"design\.v|pins\.cst|{re.escape(NETLIST)}|report\.(json|txt)|yosys\.log"
                    r"|(nextpnr_\d+\.log|route_\d+\.json)")


@dataclass(frozen=True, repr=False)
class Placement:
    """Figures of a placed design; prints as the report of ``gen fpga``."""

    report: dict[str, Any]      #: all figures, JSON-ready

    @property
    def fmax_mhz(self) -> float | None:
        """The clock after place and route, the median of the seeds."""
        return self.report["fmax_mhz"]

    @property
    def used(self) -> dict[str, int]:
        """Resources: LUT, FF, carry, RAM, ..."""
        return {name: row["used"] for name, row in self.report["resources"].items()}

    def __str__(self) -> str:
        return as_text(self.report)

    __repr__ = __str__      # notebooks show it


def check_folder(path: Path) -> None:
    """:class:`UsageError` where the files of a run cannot go: a file, a folder of other things,
    a place where nobody may write."""
    if not path.parent.is_dir():
        raise UsageError(f"-o must lie in an existing directory; {path.parent} does not exist")
    if path.exists() and not path.is_dir():
        raise UsageError(f"-o must name a folder; {path} is a file")
    target = path if path.is_dir() else path.parent
    if not os.access(target, os.W_OK):
        raise UsageError(f"-o must be writable; no permission to write in {target}")
    others = sorted(p.name for p in path.iterdir() if not _FILES.fullmatch(p.name)) \
        if path.is_dir() else []
    if others:
        raise UsageError(f"-o {path} holds what gen fpga did not write ({others[0]}); name another "
                         "folder")


def place(parameters: Parameters, device: Device, *, seeds: Sequence[int] = (1,),
          clock_mhz: float = 100.0, wrap: Wrap | None = None,
          folder: Path | None = None) -> Placement:
    """Synthesise a design, place and route it once for each seed.

    ``wrap``: AXI4-Stream interfaces, which are then part of the design, or a scan wrapper. The
    latter is there as well where it must (more port bits than the package has pins, or no clock);
    it is not counted. ``folder`` keeps the files of the run.
    :class:`UsageError` where a tool is missing or the device is too small.
    """
    check_tools(device)
    if folder is not None:
        check_folder(folder)
    from .verilog.emit import emit  # Amaranth is slow to import; --help does without

    interfaces = wrap if wrap is not None and wrap.kind == "axis" else None
    emitted = emit(parameters, wrap=interfaces)
    manifest = emitted.manifest
    pins = sum(port["width"] for port in manifest["ports"])
    why = _why_scanned(manifest, pins, device, wrap)
    top = "scan_wrapper" if why else emitted.top
    verilog = emitted.verilog + (scan_wrapper(manifest, top) if why else "")
    with Progress() as progress, tempfile.TemporaryDirectory(prefix="lowbit-fpga-") as name:
        work = Path(name)
        progress(f"synthesis of {emitted.top}")
        netlist = synthesize(verilog, top, device, work)
        counted = netlist.count(device)
        check_fits(counted, device)
        names = Names(netlist, _INSIDE if why else "")
        routes = []
        for number, seed in enumerate(seeds, 1):
            progress(f"place and route of {emitted.top}, seed {seed} ({number} of {len(seeds)})")
            routes.append(route(device, work, names, seed=seed, clock_mhz=clock_mhz))
        outputs = sum(port["width"] for port in manifest["ports"]
                      if port["direction"] == "output")
        placed = Placement(as_json(
            {"generator": parameters.generator, "flags": " ".join(
                [parameters.flags(), *([interfaces.flags()] if interfaces else [])]).strip(),
             "parameters": parameters.as_dict(), "clock": manifest["clock"],
             "verilog_sha256": manifest["verilog_sha256"]},
            device, counted, routes, clock_mhz,
            {"why": why, "LUT": outputs,
             "FF": names.registers_from(emitted.verilog.count("\n") + 1, device)} if why else None,
            pins, _hints(parameters)))
        if folder is not None:
            (work / "report.json").write_text(json.dumps(placed.report, indent=2) + "\n")
            (work / "report.txt").write_text(f"{placed}\n")
            _keep(work, folder)
    return placed


def _why_scanned(manifest: Mapping[str, Any], pins: int, device: Device, wrap: Wrap | None) -> str:
    """Why the design goes inside a scan wrapper; empty where it does not."""
    if manifest["clock"] is None:
        return "the design has no clock"
    if device.located:
        return f"the design has {pins:,} port bits, of which nextpnr wants each located"
    if pins > device.pins:
        return f"the design has {pins:,} port bits, the package {device.pins}"
    return "asked for" if wrap is not None and wrap.kind == "scan" else ""


def _hints(parameters: Parameters) -> list[str]:
    if isinstance(parameters, TargetParameters) and parameters.target != "fpga":
        return ["--target fpga chooses structure for carry chains and LUTs (docs/fpga.md)"]
    return []


def _keep(work: Path, folder: Path) -> None:
    """The files of a run in ``folder``, in place of those of an earlier one."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for path in sorted(work.iterdir()):
        if _FILES.fullmatch(path.name):
            data = path.read_bytes()
            write_whole(folder / path.name, partial(_write, data=data))


def _write(path: Path, data: bytes) -> None:
    void(path.write_bytes(data))
