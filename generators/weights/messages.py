"""Pieces of messages about the tensors of a file."""

from __future__ import annotations

import difflib

__all__ = ["line", "listed", "near"]


def near(name: str, names: list[str]) -> list[str]:
    """Names like ``name``: those that contain it, then those spelled alike."""
    near = [n for n in names if name in n] + difflib.get_close_matches(name, names, n=5, cutoff=0.5)
    return list(dict.fromkeys(near))[:5] or names[:5]


def listed(names: list[str]) -> str:
    return f"; there is {', '.join(names)}" if names else ""


def line(error: object) -> str:
    """A message on one line."""
    return " ".join(str(error).split())
