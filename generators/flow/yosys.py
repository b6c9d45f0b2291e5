"""Run Yosys (the pyosys package) in a fresh process.

Every design gets a process of its own: whatever a Yosys process synthesised before moves the
area of the next design.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import CheckFailed, UsageError
from .worker import MARK

__all__ = ["YosysError", "run_yosys", "yosys_version"]

_ERROR = re.compile(r"^.*?ERROR: (.*)$", re.M)


class YosysError(CheckFailed):
    """Yosys refused ``command``; ``reason`` is its message, ``log`` all that it printed."""

    def __init__(self, command: str, reason: str, log: str = ""):
        super().__init__(f"Yosys failed at '{command}': {reason}")
        self.command, self.reason, self.log = command, reason, log


def yosys_version() -> str:
    """Version of the installed pyosys, as reports quote it."""
    try:
        return version("pyosys")
    except PackageNotFoundError:
        raise UsageError("synthesis needs the pyosys package; pip install pyosys") from None


def run_yosys(commands: Sequence[str], folder: Path) -> str:
    """Run ``commands`` in a fresh process inside ``folder``; returns the log.

    File names in commands are relative to ``folder``. Yosys' cache of converted libraries is
    off: it is keyed by path and date, so that a library replaced by a file with an old date
    would reach abc in its former state.
    Raises :class:`YosysError`.
    """
    yosys_version()
    script, log = folder / "yosys.ys", folder / "yosys.log"
    script.write_text("\n".join(["libcache -scl -disable", *commands]) + "\n")
    with log.open("wb") as out:
        process = subprocess.run([sys.executable, "-m", "lowbit.generators.flow.worker",
                                  script.name], cwd=folder, stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=subprocess.STDOUT, check=False)
    text = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        marks = re.findall(rf"^{re.escape(MARK)}(\d+)", text, re.M)
        command = ["libcache", *commands][int(marks[-1])] if marks else "start of Yosys"
        found = _ERROR.findall(text)
        reason = found[-1] if found else (text.strip().splitlines() or ["no message"])[-1]
        raise YosysError(command, f"{reason} (status {process.returncode})", text)
    return text
