"""Place and route with nextpnr (the yowasp packages), and what is read from its report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import CheckFailed, UsageError
from .devices import DEVICES, Device
from .names import Names
from .synthesis import NETLIST

__all__ = ["SlowPath", "Route", "check_fits", "check_tools", "read_route", "route", "run_tool",
           "tool_version"]


@dataclass(frozen=True)
class SlowPath:
    """The slowest path from register to register. Times are in ns from the clock edge."""

    ns: float
    routing_ns: float                       #: the part of it on wires
    start: str
    end: str
    points: tuple[tuple[float, str], ...]   #: when a net that the source names has its value


@dataclass(frozen=True)
class Route:
    """What one run of place and route reached."""

    seed: int
    fmax: float | None              #: MHz; None: no path from register to register
    used: Mapping[str, int]         #: resources that nextpnr counts
    path: SlowPath | None


def tool_version(device: Device) -> str:
    """Name and version of the package, as reports quote it."""
    try:
        return f"{device.tools.package} {version(device.tools.package)}"
    except PackageNotFoundError:
        raise UsageError(f"place and route on {device.name} needs {device.tools.program}, not "
                         f"found; install with: pip install {device.tools.package}") from None


def check_tools(device: Device) -> None:
    """Refuse with one line where the device's tools are missing."""
    if find_spec(device.tools.module) is None:
        raise UsageError(f"place and route on {device.name} needs {device.tools.program}, not "
                         f"found; install with: pip install {device.tools.package}")


def check_fits(needed: Mapping[str, int], device: Device) -> None:
    """Refuse a design that takes more of a resource than there is, and say what would do."""
    for resource, needs in needed.items():
        has = device.totals.get(resource, 0)
        if needs > has:
            # LUTs and flip-flops are alike in all families; the smallest will do, of this one first
            larger = sorted(
                (other.family != device.family, other.totals["LUT"], other.name)
                for other in DEVICES.values() if all(
                    other.totals.get(name, 0) >= count for name, count in needed.items()
                    if name in ("LUT", "FF", resource)))
            advice = f"use --device {larger[0][2]}, or a smaller design" if larger else \
                "make the design smaller; no device here has as many"
            raise UsageError(f"{device.name} is too small: the design needs {needs:,} {resource}, "
                             f"it has {has:,}; {advice}")


def run_tool(package: str, tool: str, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run a tool of a yowasp package in ``folder``; its status and all that it printed."""
    module, function = package.replace("-", "_"), f"run_{tool.replace('-', '_')}"
    code = f"import sys, {module} as tools; sys.exit(tools.{function}(sys.argv[1:]))"
    run = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, check=False,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace")
    return run.returncode, run.stdout


def route(device: Device, folder: Path, names: Names, *, seed: int, clock_mhz: float,
          options: Sequence[str] = ()) -> Route:
    """Place and route the netlist in ``folder``; leaves nextpnr's report and log there."""
    check_tools(device)
    report = f"route_{seed}.json"
    arguments = [*device.options, "--json", NETLIST, "--freq", f"{clock_mhz:g}", "--seed",
                 str(seed), "--report", report, "--timing-allow-fail", *options]
    if device.located:
        (folder / "pins.cst").write_text("".join(
            f'IO_LOC "{port}" {pin};\n' for port, pin in device.located.items()))
        arguments += ["--vopt", "cst=pins.cst"]
    status, log = run_tool(device.tools.package, device.tools.program, arguments, folder)
    (folder / f"nextpnr_{seed}.log").write_text(log)
    if status:
        raise _failure(device, log)
    return read_route(json.loads((folder / report).read_text()), device, names, seed)


def _failure(device: Device, log: str) -> Exception:
    """Why nextpnr gave up: something of which there is too little, else its own words."""
    resources = {name: resource for resource, name in device.tools.placed.items()}
    for name, used, has in re.findall(r"(\w+): +(\d+)/ *(\d+) +\d+%", log):
        if int(used) > int(has):
            return UsageError(f"{device.name} is too small: the design needs {int(used):,} "
                              f"{resources.get(name, name)}, it has {int(has):,}; use a larger "
                              "--device, or a smaller design")
    found = re.findall(r"ERROR: (.*)", log) or log.strip().splitlines()[-1:]
    return CheckFailed(f"{device.tools.program} failed: {found[-1] if found else 'no message'}")


def read_route(report: dict[str, Any], device: Device, names: Names, seed: int) -> Route:
    """What nextpnr's report says, in the source's names."""
    used = {resource: int(report["utilization"].get(name, {}).get("used", 0))
            for resource, name in device.tools.placed.items()}
    clocks = [clock["achieved"] for clock in report["fmax"].values()]
    paths = [_path(path["path"], names) for path in report["critical_paths"]
             if "async" not in path["from"] + path["to"]]
    return Route(seed, round(min(clocks), 2) if clocks else None, used,
                 max(paths, key=lambda path: path.ns) if paths else None)


def _path(steps: Sequence[dict[str, Any]], names: Names) -> SlowPath:
    now, wires = 0.0, 0.0
    points: list[tuple[float, str]] = []
    for step in steps:
        if step["type"] == "routing":
            name = names.of_net(step["net"])
            if name and (not points or points[-1][1] != name):
                points.append((round(now, 2), name))
            wires += step["delay"]
        now += step["delay"]
    ends = (steps[0]["from"], steps[-1]["to"])
    start, end = (names.of_register(end["cell"], end["port"])
                  or names.of_cell(end["cell"]) for end in ends)
    return SlowPath(round(now, 2), round(wires, 2), start, end, tuple(points))
