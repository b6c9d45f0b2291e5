"""Designs whose bundles are tested, their files, and programs that read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lowbit.generators.bundle.kinds import bundle_files
from lowbit.generators.flow.tools import tool_environment, verilator_program
from lowbit.generators.registry import GENERATORS, find
from lowbit.generators.verilog.emit import Emitted
from lowbit.tb.support.designs import LINES, emitted, parameters

__all__ = ["CORE", "DESIGNS", "SMALL", "VERILATOR", "bundle", "run", "stub", "write"]

#: the first line of every generator, and those with another reset, other ports, no clock
DESIGNS = tuple(dict.fromkeys(
    [next(line for line in LINES if line.split()[0] == name) for name in GENERATORS]
    + [line for line in LINES if line.split()[0] in ("lut_core", "dot_core")
       and "async_low" in line]))
SMALL = "lut_dot --a-format int8"
CORE = "lut_core --N 2"
#: no Verilator: a program that is not there is told so by the test that wants it
VERILATOR = str(verilator_program())


def bundle(line: str) -> dict[str, str]:
    return bundle_files(emitted(line), parameters(line), find(line.split()[0]))


def stub(design: Emitted) -> str:
    """The top module with nothing inside."""
    text = design.verilog
    start = text.index(f"module {design.top} (")
    return text[start:text.index(");", start) + 2] + "\nendmodule\n"


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def run(words: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, env=tool_environment() | variables, text=True,
                          capture_output=True, timeout=300)
