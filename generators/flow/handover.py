"""The sized netlist and its constraints as files, for whoever goes on with them."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from ..errors import CheckFailed, UsageError
from ..files import MARK, check_target, void, write_whole
from ..version import version
from .liberty import Library
from .synthesis import Synthesis
from .yosys import yosys_version

__all__ = ["add_file_options", "check_files", "write_files"]

#: option -> what the file must end in
_ENDS = {"netlist": ".v", "sdc": ".sdc"}


def add_file_options(group: argparse._ArgumentGroup) -> None:
    """The options ``--netlist`` and ``--sdc``."""
    group.add_argument("--netlist", metavar="FILE.v", type=Path, help="write the netlist that has "
                       "the longest path: cells of the library, buffered and sized for --clock")
    group.add_argument("--sdc", metavar="FILE.sdc", type=Path, help="write the constraints under "
                       "which it was sized: clock, input and output delays, driving cell, load")
    group.add_argument("--force", action="store_true",
                       help="overwrite files that gen did not write")


def check_files(args: argparse.Namespace) -> bool:
    """Refuse files that cannot be written; whether any is asked for."""
    for option, end in _ENDS.items():
        path = getattr(args, option)
        if path is None:
            continue
        if path.suffix != end:
            raise UsageError(f"--{option} must end in {end}; got {path}")
        check_target(path, force=args.force, option=f"--{option}")
    return any(getattr(args, option) is not None for option in _ENDS)


def write_files(args: argparse.Namespace, path: Synthesis | None, design: str,
                library: Library) -> list[Path]:
    """Write what is asked for; ``path`` is the run that gave the longest path."""
    if path is None or not path.netlist:
        raise CheckFailed("no netlist was sized, so none is written")
    head = [f"{MARK} {version()}: gen {design}".rstrip(),
            f"pyosys {yosys_version()}, recipe {path.recipe} for {path.clock_ns:g} ns",
            *(f"library {item['library']}, sha256 {item['sha256']}"
              for item in library.describe())]
    written = []
    for option, mark in (("netlist", "//"), ("sdc", "#")):
        file = getattr(args, option)
        if file is not None:
            body = path.netlist.partition("*/\n")[2] if option == "netlist" else path.sdc
            text = "".join(f"{mark} {line}\n" for line in head) + body
            write_whole(file, partial(lambda temporary, text: void(temporary.write_text(text)),
                                      text=text))
            written.append(file)
    return written
