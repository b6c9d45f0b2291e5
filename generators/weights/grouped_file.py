"""The file that ``gen quantize --keep`` writes: one matrix of codes in groups.

A NumPy .npz archive without pickles. ``codes``, ``scale`` and, where the weights have them,
``zero``, ``minimum``, ``order`` and ``levels`` are those of
:class:`lowbit.golden.grouped.GroupedWeights`; ``group_size`` 0 is one group a channel.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from lowbit.golden.grouped import GroupedWeights

from ..errors import UsageError
from ..files import MARK, check_source, write_whole
from ..version import version
from .messages import line

__all__ = ["FORMAT", "VERSION", "is_grouped", "load_grouped", "save_grouped"]

FORMAT = "lowbit-grouped-weights"
VERSION = 1
ARRAYS = ("codes", "scale", "zero", "minimum", "order", "levels")


def save_grouped(path: Path, weights: GroupedWeights, name: str, source: str) -> None:
    """Write the file, whole. Equal contents give equal bytes."""
    entries: dict[str, Any] = {
        # first, so that the mark of our files stands near the start
        "generated_by": np.bytes_(f"{MARK} {version()} (gen quantize --keep)"),
        "format": FORMAT, "version": VERSION, "name": name, "source": source,
        "bits": weights.bits, "group_size": weights.group_size or 0}
    entries |= {key: getattr(weights, key) for key in ARRAYS if getattr(weights, key) is not None}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **entries)
    write_whole(path, write)


def is_grouped(path: Path) -> bool:
    """Whether a file says that it is one of these; False for what cannot be read."""
    check_source(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return str(file["format"]) == FORMAT
    except Exception:       # whatever else it is, its own reader says
        return False


def load_grouped(path: Path) -> GroupedWeights:
    """Read a file; :class:`UsageError` where it is none, of another version, or damaged."""
    check_source(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["format"]) != FORMAT or int(file["version"]) != VERSION:
                raise ValueError(f"it is {file['format']} {file['version']}, this program reads "
                                 f"{FORMAT} {VERSION}: write it again")
            entries = {f.name: file[f.name] for f in fields(GroupedWeights) if f.name in file.files}
        entries |= {"bits": int(entries["bits"]), "group_size": int(entries["group_size"]) or None}
        return GroupedWeights(**{"zero": None, **entries}).check()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:      # of the archive, its compression, an array's header
        raise UsageError(f"{path} is not a readable file of gen quantize --keep: "
                         f"{line(error)}") from None
