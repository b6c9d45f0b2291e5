"""Building the shared library.

Builds lie in the cache of simulator builds (:mod:`..builds`), under a hash of the Verilog, the
options and the tools.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...files import rename_folder
from ...verilog.emit import Emitted
from ..builds import (
    BuildError,
    build_folder,
    compiler_version,
    prune,
    short_log,
    tool_versions,
)
from ..tools import need_programs, tool_environment, verilator_program

__all__ = ["Native", "SOURCES", "build_native"]

#: folder of board.h, which C programs include, and of the other sources
SOURCES = Path(__file__).parent
_LIBRARY = "libboard.so"
_VERILATOR = ("-O3", "--x-assign", "fast", "--x-initial", "unique", "-Wno-fatal", "-Wno-lint",
              "--no-timing", "-CFLAGS", "-fPIC")


@dataclass(frozen=True)
class Native:
    """A built library, and the seconds that it took (0 when it came from the cache)."""

    library: Path
    build_seconds: float = 0.0


def build_native(design: Emitted, *, optimize: str = "-O2", threads: int = 1,
                 build_dir: Path | None = None,
                 progress: Callable[[str], None] = lambda phase: None) -> Native:
    """Build ``design`` (of the generator ``accel``), or take it from the cache.

    ``optimize``: the C++ compiler's option for the model; ``threads`` that a model runs on.
    ``build_dir`` replaces the cache. Raises :class:`UsageError` for a missing tool,
    :class:`BuildError` if the build fails.
    """
    need_programs("verilator")
    cache = build_folder(build_dir)
    sources = {path.name: path.read_text() for path in sorted(SOURCES.iterdir())
               if path.suffix in (".cpp", ".h")}
    reset = design.manifest["reset"]
    defines = [f"-DLOWBIT_RESET={reset['port']}",
               f"-DLOWBIT_RESET_ACTIVE={int(reset['active'] == 'high')}"]
    options = [*_VERILATOR, *(("--threads", str(threads)) if threads > 1 else ())]
    if optimize == "-O0":       # one file: headers are most of the work
        options += ["--output-split", "0"]
    key = json.dumps([design.verilog, design.top, sources, defines, options, optimize,
                      tool_versions("verilator"), str(verilator_program()), compiler_version()])
    final = cache / f"native-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    if final.is_dir():
        os.utime(final)
        return Native(final / _LIBRARY)
    progress("building")
    start = time.monotonic()
    work = Path(tempfile.mkdtemp(dir=cache, prefix=".native-"))
    try:
        _build(design, work, options, defines, optimize)
        for path in work.iterdir():
            if path.name != _LIBRARY:
                path.unlink()
        rename_folder(work, final)
        prune(cache)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Native(final / _LIBRARY, time.monotonic() - start)


def _build(design: Emitted, work: Path, options: list[str], defines: list[str],
           optimize: str) -> None:
    (work / "design.v").write_text(design.verilog)
    _call(["verilator", "--cc", "--prefix", "Vtop", "--top-module", design.top, "-Mdir", str(work),
           *options, str(work / "design.v")], work)
    # The wheel's makefile does not say how a precompiled header is included. OPT_SLOW: what runs
    # once. The run-time library counts as well: the evaluation loop is in it.
    python = sys.executable.replace(" ", "\\ ")
    _call(["make", "-s", "-j", str(os.cpu_count() or 1), "-f", "Vtop.mk", f"OPT_FAST={optimize}",
           "OPT_SLOW=-O0", f"OPT_GLOBAL={optimize}", "CFG_CXXFLAGS_PCH_I=-include",
           f"PYTHON3={python}", "Vtop__ALL.a", "libverilated.a"], work)
    root = re.search(r"^VERILATOR_ROOT *= *(.*)$", (work / "Vtop.mk").read_text(), re.M)
    include = Path(root[1] if root else "") / "include"
    _call(["c++", "-std=c++17", "-shared", "-fPIC", "-O2", *defines, f"-I{work}", f"-I{include}",
           f"-I{include / 'vltstd'}", f"-I{SOURCES}", "-o", str(work / _LIBRARY),
           str(SOURCES / "board.cpp"), "Vtop__ALL.a", "libverilated.a", "-pthread"], work)


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=tool_environment(), capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise BuildError(f"{command[0]} could not build the native model:\n"
                         f"{short_log(done.stdout + done.stderr)}")
