"""Markdown tables and numbers, for the scripts that fill the pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["number", "table"]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; columns after the first that hold numbers are right-aligned."""
    cells = [[str(cell) for cell in row] for row in rows]
    right = [i and all(re.fullmatch(r"[-–−\d.,e]*", row[i]) for row in cells)
             for i in range(len(head))]
    rule = ["--:" if r else "---" for r in right]
    lines = [head, rule, *([cell.replace("|", "\\|") for cell in row] for row in cells)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, digits: int) -> str:
    """With thousands separated; a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"
