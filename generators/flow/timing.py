"""Longest path of a mapped netlist by OpenSTA, with ideal wires and an ideal clock; and the
constraints (SDC) under which it is the longest."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckFailed
from .liberty import Library

__all__ = ["LongestPath", "Step", "abc_delay_ns", "constraints", "find_sta", "longest_path",
           "sta_version"]

LOAD_FF = 5.0                #: load of every output, and what abc is told


@dataclass(frozen=True)
class Step:
    """A pin on a path: when the signal is there, which pin of which cell."""

    ns: float
    pin: str
    cell: str


@dataclass(frozen=True)
class LongestPath:
    """Longest path: its length and ends; ``tool`` says who computed it. ``steps``: the outputs
    of cells along it."""

    ns: float
    start: str
    end: str
    tool: str
    steps: tuple[Step, ...] = ()


def find_sta() -> str | None:
    """The OpenSTA executable (``sta`` or ``opensta``), or None."""
    return shutil.which("sta") or shutil.which("opensta")


def sta_version(executable: str) -> str:
    """Version of OpenSTA."""
    run = subprocess.run([executable, "-version"], capture_output=True, text=True,
                         stdin=subprocess.DEVNULL, timeout=60)
    words = (run.stdout or run.stderr).split()
    return words[-1] if words else "unknown"


def constraints(library: Library, clocks: Sequence[str], clock_ns: float, netlist: str) -> str:
    """What sizing and the longest path of a ``netlist`` (Verilog) assume, as SDC, in the units of
    the library."""
    found = re.findall(r"^\s*input\s+(\[[^]]*\]\s*)?(\w+)\s*;", netlist, re.M)
    source = f"[get_ports {{{' '.join(clocks)}}}]" if clocks else ""      # else a virtual clock
    # a clock port must not get an input delay
    data = " ".join(name + "[*]" * bool(bits) for bits, name in found if name not in clocks)
    return "\n".join([
        f"create_clock -name clock -period {clock_ns / library.time_unit_ns:g} {source}",
        *([f"set_input_delay 0 -clock clock [get_ports {{{data}}}]",
           f"set_driving_cell -lib_cell {library.driver.name} [get_ports {{{data}}}]"]
          if data else []),
        "set_output_delay 0 -clock clock [all_outputs]",
        f"set_load {LOAD_FF / library.load_unit_ff:g} [all_outputs]", ""])


def _script(library: Library, liberty: Sequence[str], top: str, clocks: Sequence[str],
            clock_ns: float, netlist: str, text: str) -> str:
    return "\n".join([
        *(f"read_liberty {name}" for name in liberty),
        f"read_verilog {netlist}",
        f"link_design {{{top}}}",
        constraints(library, clocks, clock_ns, text),
        # asynchronous resets are in a path group of their own
        "report_checks -path_delay max -path_group clock -format full -digits 6",
        "exit", ""])


def _register(netlist: str, name: str) -> str:
    """The net that flip-flop ``name`` drives, where it has one that the design named."""
    cell = re.search(rf"^ *\S+ {re.escape(name)} \((.*?)\);$", netlist, re.M | re.S)
    nets = re.findall(r"\.Q\w*\(\\?(\S[^()]*?)\s*\)", cell[1]) if cell else []
    return next((net for net in nets if not re.fullmatch(r"_\d+_", net)), name)


def longest_path(library: Library, liberty: Sequence[str], top: str, clocks: Sequence[str],
                 clock_ns: float, folder: Path, netlist: str = "netlist.v") -> LongestPath | None:
    """Longest path of ``netlist`` in ``folder``: clock target minus worst slack.

    A path to a register includes the clock-to-output delay and the set-up time. Inputs arrive
    at 0 through the library's smallest buffer, outputs carry 5 fF. Asynchronous resets are not
    part of it. None where the design has no path.
    """
    executable = find_sta()
    if executable is None:
        raise CheckFailed("OpenSTA is not installed (sta or opensta on PATH)")
    text = (folder / netlist).read_text()
    script = folder / "sta.tcl"
    script.write_text(_script(library, liberty, top, clocks, clock_ns, netlist, text))
    run = subprocess.run([executable, "-no_splash", "-no_init", "-exit", script.name], cwd=folder,
                         capture_output=True, text=True, stdin=subprocess.DEVNULL)
    log = run.stdout + run.stderr
    # OpenSTA goes on after an error and leaves with status 0: read what it says
    errors = re.findall(r"^Error: (.*)$", log, re.M)
    if errors or run.returncode:
        raise CheckFailed(f"OpenSTA failed: {errors[0] if errors else f'status {run.returncode}'}")
    slack = re.search(r"^\s*(-?[\d.]+)\s+slack", log, re.M)
    if slack is None:
        return None
    ends = [re.search(rf"^{what}: (\S+)", log, re.M) for what in ("Startpoint", "Endpoint")]
    start, end = (_register(text, match[1]) if match else "" for match in ends)
    # delay, time, edge, pin (cell), up to the arrival
    found = re.findall(r"^ +-?[\d.]+ +(-?[\d.]+) +[v^] (\S+) \((\w+)\)$",
                       log.partition("data arrival time")[0], re.M)
    steps = tuple(Step(float(time) * library.time_unit_ns, pin, cell)
                  for time, pin, cell in found if cell in library.cells)
    return LongestPath(clock_ns - float(slack[1]) * library.time_unit_ns, start, end,
                       f"OpenSTA {sta_version(executable)}", steps)


def abc_delay_ns(log: str) -> float | None:
    """abc's own estimate in a ``sized`` run (combinational part of the slowest module)."""
    found = re.findall(r"^ABC:.*\bDelay =\s*([\d.]+) ps", log, re.M)
    return max(map(float, found)) / 1000 if found else None
