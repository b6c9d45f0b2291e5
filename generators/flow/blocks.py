"""A module that a design repeats, built once: Verilator's libraries (``--lib-create``).

Verilator writes the C++ of a module once for each of its places, so a design of a thousand
processing elements becomes more C++ than a compiler gets through in reasonable time.
As a library the module is translated and compiled once, and all its places run the same code.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import rename_folder
from .tools import tool_environment

__all__ = ["Block", "BlockError", "build_block", "split"]


class BlockError(RuntimeError):
    """The module could not be built; the message holds the build log."""


@dataclass(frozen=True)
class Block:
    """A built module: the wrapper that stands for it in the design, and its objects."""

    wrapper: Path
    objects: tuple[Path, ...]


def _modules(verilog: str) -> dict[str, str]:
    return {m[1]: m[0] for m in re.finditer(r"^module (\w+) *\(.*?^endmodule\n", verilog,
                                            re.M | re.S)}


def split(verilog: str, top: str, block: str) -> tuple[str, str]:
    """(the modules of ``top`` without ``block`` and what only it needs, those of ``block``)."""
    modules = _modules(verilog)
    # an instance: the name of a module, its own name, an opening parenthesis
    below = {name: {word for word in re.findall(r"^ +(\w+) \w+ \($", body, re.M)
                    if word in modules} for name, body in modules.items()}

    def reached(start: str, without: str = "") -> str:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in found and name != without:
                found.add(name)
                waiting += below[name]
        return "".join(body for name, body in modules.items() if name in found)

    return reached(top, block), reached(block)


def build_block(verilog: str, block: str, folder: Path, arguments: Sequence[str],
                optimize: str, versions: Sequence[str], inner: Sequence[Block] = ()) -> Block:
    """Build the module ``block`` of ``verilog``, or take it from ``folder``, where it is kept.

    ``arguments`` of Verilator, ``optimize`` of the C++ compiler, ``inner``: blocks that this one
    has in it. Raises :class:`BlockError`.
    """
    wrappers = [str(part.wrapper) for part in inner]
    key = json.dumps([verilog, block, list(arguments), optimize, list(versions), wrappers])
    final = folder / f"block-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    names = (f"V{block}__ALL.o", f"{block}.o")
    built = Block(final / f"{block}.sv", tuple(final / name for name in names))
    if final.is_dir():
        os.utime(final)         # in use: the cache drops what is old
        return built
    work = Path(tempfile.mkdtemp(dir=folder, prefix=".block-"))
    try:
        (work / "block.v").write_text(verilog)
        _call(["verilator", "--cc", "--lib-create", block, "--top-module", block, "--prefix",
               f"V{block}", "-Mdir", str(work), "--timescale", "1ns/1ps", *arguments,
               str(work / "block.v"), *wrappers], work)
        # the run-time library comes with the design
        _call(["make", "-s", "-f", f"V{block}.mk", f"OPT_FAST={optimize}", *names], work)
        for path in work.iterdir():
            if path.name not in (*names, f"{block}.sv"):
                path.unlink()
        rename_folder(work, final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return built


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=tool_environment(), capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise BlockError(done.stdout + done.stderr)
