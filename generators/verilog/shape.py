"""The look of a Verilog module's lines: natural order, width, comments."""

from __future__ import annotations

import re
import textwrap

__all__ = ["WIDTH", "comment", "natural", "unwrap", "wrap"]

#: characters of the longest line; a longer name stands alone on its line
WIDTH = 120


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key: ``column_2`` before ``column_10``."""
    return [(int(part), "") if part.isdigit() else (-1, part)
            for part in re.split(r"(\d+)", name)]


def comment(text: str, indent: str = "") -> str:
    """``text`` as comment lines."""
    lines = textwrap.wrap(text, WIDTH - 20, initial_indent=f"{indent}// ",
                          subsequent_indent=f"{indent}// ")
    return "".join(f"{line}\n" for line in lines)


def wrap(text: str) -> str:
    """Break lines that are too long at spaces. :func:`unwrap` undoes it."""
    lines = []
    for line in text.splitlines():
        if len(line) < WIDTH or line.lstrip().startswith("//"):
            lines.append(line)
            continue
        indent = line[:len(line) - len(line.lstrip())]
        lines += textwrap.wrap(line, WIDTH - 1, subsequent_indent=f"{indent}    ",
                               break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def unwrap(text: str) -> str:
    """One line a statement and a pin, for programs that read the text line by line."""
    lines: list[str] = []
    joined = ""
    for line in text.splitlines():
        joined = f"{joined} {line.lstrip()}" if joined else line
        opened = sum(joined.count(x) for x in "({[") - sum(joined.count(x) for x in ")}]")
        assigns = re.match(r" +(assign )?\w+(\[[\d:]+\])? <?= ", joined)
        is_open = opened > 0 and not joined.endswith(" (")
        if not joined.lstrip().startswith("//") and (
                is_open or (assigns and not joined.endswith(";"))):
            continue
        lines.append(joined)
        joined = ""
    return "\n".join([*lines, *([joined] if joined else [])]) + "\n"
