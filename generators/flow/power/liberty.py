"""Groups and attributes of a liberty file, of the cells that a netlist has.

Files are large (ASAP7: 46 MB) and a netlist has some fifty kinds of cells, so only those are
parsed; of the library itself the attributes are read, and no other group.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from ...errors import UsageError

__all__ = ["Group", "read_groups"]

_CELL = re.compile(r'\bcell\s*\(\s*"?([\w.\[\]-]+)"?\s*\)\s*\{')
_STATEMENT = re.compile(r'\s*([^{};"]*(?:"[^"]*"[^{};"]*)*)([{};])')
_GROUP = re.compile(r"(\w+)\s*\((.*)\)\s*\Z", re.S)
_ATTRIBUTE = re.compile(r"(\w+)\s*(?::\s*(.*)|\((.*)\))\s*\Z", re.S)
_COMMENT = re.compile(r"/\*.*?\*/", re.S)


@dataclass
class Group:
    """A group: what it is, its name, its attributes (name -> text) and the groups in it."""

    kind: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    def all(self, *kinds: str) -> Iterator[Group]:
        """Groups of these kinds."""
        return (group for group in self.groups if group.kind in kinds)

    def get(self, name: str, default: str = "") -> str:
        """An attribute's text."""
        return self.attributes.get(name, default)

    def number(self, name: str, default: float | None = None) -> float | None:
        """An attribute as a number; ``default`` where there is none."""
        try:
            return float(self.attributes[name])
        except KeyError:
            return default
        except ValueError:
            raise UsageError(f"--liberty: {self.kind} {self.name} has a {name} that is no number: "
                             f"{self.attributes[name]}") from None

    def numbers(self, name: str) -> list[float]:
        """An attribute's list of numbers (``values``, ``index_1``); [] where there is none."""
        words = re.findall(r"[^\s,\\\"()]+", self.attributes.get(name, ""))
        try:
            return [float(word) for word in words]
        except ValueError:
            raise UsageError(f"--liberty: {self.kind} {self.name} has {name} that are no "
                             f"numbers") from None


def _clean(text: str) -> str:
    return text.replace('"', "").replace("\\\n", " ").strip()


def _add(group: Group, text: str) -> None:
    """Statements that end with a semicolon, or with their line."""
    for line in re.split(r"\n(?=\s*\w+\s*:)", text):
        if match := _ATTRIBUTE.match(line.strip()):
            value = match[2] if match[2] is not None else match[3]
            group.attributes.setdefault(match[1], _clean(value))


def _parse(text: str, at: int, group: Group) -> int:
    """Fill a group whose opening brace ends before ``at``; the place behind its end."""
    stack = [group]
    while stack:
        match = _STATEMENT.match(text, at)
        if match is None:
            raise UsageError(f"--liberty is damaged in {group.kind} {group.name}; fetch it again")
        words, end = match.groups()
        at = match.end()
        if end == "{":
            *before, last = words.rstrip().rsplit("\n", 1)
            found = _GROUP.search(last) or _GROUP.search(words)
            if found is not None and before and found.string is last:
                _add(stack[-1], before[0])
            inner = Group(found[1], _clean(found[2])) if found else Group("", "")
            stack[-1].groups.append(inner)
            stack.append(inner)
            continue
        if words.strip():
            _add(stack[-1], words)
        if end == "}":
            stack.pop()
    return at


@lru_cache(maxsize=8)
def _cleaned(data: bytes) -> tuple[str, dict[str, int]]:
    """A file's text, and where each cell's group begins. Files are read more than once."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").replace("\r\n", "\n")
    text = _COMMENT.sub(" ", text)
    return text, {match[1]: match.end() for match in _CELL.finditer(text)}


def read_groups(data: bytes, names: Collection[str]) -> tuple[Group, dict[str, Group]]:
    """The library's own attributes with its table templates, and the cells of these names."""
    text, found = _cleaned(data)
    cells = {name: Group("cell", name) for name in names if name in found}
    for name, cell in cells.items():
        _parse(text, found[name], cell)
    start = re.search(r"\blibrary\s*\(([^()]*)\)\s*\{", text)
    assert start is not None        # reduce_liberty has refused anything else
    library = Group("library", _clean(start[1]))
    first = _CELL.search(text, start.end())
    head = text[start.end():first.start() if first else len(text)]
    _parse(head + "}", 0, library)
    return library, cells
