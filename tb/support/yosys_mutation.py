"""Mutations by Yosys: one bit of one cell's port inverted, stuck, or tied to another bit.

:mod:`.mutation` changes a line of the emitted text as a person could get it wrong; Yosys'
``mutate`` draws from all cells of the elaborated design, so that wide arithmetic, which is one
line of text and many bits, gets its share. The text that is simulated is the emitted Verilog after
``proc`` and back: :class:`YosysMutation` holds it without a mutant (``base``), with one
(:meth:`~YosysMutation.alone`) and with all behind the plusarg ``+mutant=n`` (``switched``).
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lowbit.generators.flow.yosys import run_yosys

__all__ = ["YosysMutant", "YosysMutation"]

_SWITCH = "mutant_switch"
_BITS = 16
_OPTION = re.compile(r"-(mode|module|cell|port|portbit|ctrlbit|wire|wirebit) (\S+)")
_SOURCE = re.compile(r"-src \S*?:(\d+)\.")
_WRITE = "write_verilog -noattr"


@dataclass(frozen=True)
class YosysMutant:
    """One ``mutate`` command; ``line`` (from 0) of the emitted text is where its cell stands."""

    kind: str
    module: str
    line: int
    before: str
    after: str
    command: str

    def __str__(self) -> str:
        return (f"{self.module}, line {self.line + 1}, {self.kind} {self.after}: "
                f"{self.before.strip()}")


def _mutant(command: str, lines: list[str]) -> YosysMutant:
    told = dict(_OPTION.findall(command))
    # the last source is the cell's; the others are those of its wires
    line = int(_SOURCE.findall(command)[-1]) - 1
    after = f"{told['cell']}.{told['port']}[{told['portbit']}]"
    if "ctrlbit" in told:
        after += f" by bit {told['ctrlbit']}"
    return YosysMutant(told["mode"], told["module"], line, lines[line], after, command)


def _behind_a_plusarg(verilog: str, top: str) -> str:
    """The control port of the top module becomes a register that the plusarg sets."""
    head, start, body = verilog.partition(f"module {top}(")
    port = re.compile(rf"^ *input (?:wire )?\[{_BITS - 1}:0\] {_SWITCH};\n", re.M)
    # the port list comes first, then a declaration, in some versions two
    ports, end, body = body.partition(");")
    ports, listed = re.subn(rf"\b{_SWITCH},\s*|,\s*{_SWITCH}\b", "", ports)
    body, count = port.subn("", body, count=1)
    register = (f"  reg [{_BITS - 1}:0] {_SWITCH};\n"
                f"  initial if (!$value$plusargs(\"mutant=%d\", {_SWITCH})) {_SWITCH} = 0;\n")
    body, wires = re.subn(rf"^ *wire \[{_BITS - 1}:0\] {_SWITCH};\n", register, body,
                          count=1, flags=re.M)
    assert start and listed == count == wires == 1, "the switch is not where it should be"
    return head + start + ports + end + body


class YosysMutation:
    """``count`` mutants of ``verilog``, drawn by ``seed``; Yosys spreads them over the lines."""

    def __init__(self, verilog: str, top: str, count: int, seed: int) -> None:
        with tempfile.TemporaryDirectory(prefix="lowbit-mutate-") as name:
            folder = Path(name)
            (folder / "design.v").write_text(verilog)
            run_yosys(["read_verilog design.v", f"hierarchy -check -top {top}", "proc",
                       "opt_clean", "write_rtlil base.il", f"{_WRITE} base.v",
                       f"mutate -list {count} -seed {seed} -o list.txt"], folder)
            commands = (folder / "list.txt").read_text().splitlines()
            self.base = (folder / "base.v").read_text()
            self._rtlil = (folder / "base.il").read_text()
            lines = verilog.splitlines()
            self.mutants = [_mutant(command, lines) for command in commands if command]
            run_yosys(["read_rtlil base.il", *(
                f"{mutant.command} -ctrl {_SWITCH} {_BITS} {number}"
                for number, mutant in enumerate(self.mutants, 1)),
                f"{_WRITE} all.v"], folder)
            self.switched = _behind_a_plusarg((folder / "all.v").read_text(), top)

    def alone(self, mutant: YosysMutant) -> str:
        """The Verilog with this mutant in it, without a switch."""
        with tempfile.TemporaryDirectory(prefix="lowbit-mutate-") as name:
            folder = Path(name)
            (folder / "base.il").write_text(self._rtlil)
            run_yosys(["read_rtlil base.il", mutant.command, f"{_WRITE} alone.v"], folder)
            return (folder / "alone.v").read_text()
