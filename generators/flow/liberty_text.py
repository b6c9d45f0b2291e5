"""The text of a liberty file: checked, and reduced to what synthesis and timing need.

Commercial tools take files that abc refuses: a function without quotes (``enable : (CLK);``), a
second semicolon, a byte-order mark. :func:`reduce_liberty` writes such things in the form that
every reader knows, and leaves out what this flow does not use (power, noise, current sources),
which is most of some files. What it meets on the way that Yosys does not keep (units, cells not to
be used) is in the :class:`Reduced` it returns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..errors import UsageError

__all__ = ["Reduced", "reduce_liberty"]

_COMMENT = re.compile(r"/\*.*?\*/", re.S)
# what stands before a brace or a semicolon; these mean nothing inside quotes
_STATEMENT = re.compile(r'([^{};"]*(?:"[^"]*"[^{};"]*)*)([{};])')
_GROUP = re.compile(r'(\w+)\s*\(\s*([^()]*?)\s*\)\s*\Z')
_SIMPLE = re.compile(r'^([ \t]*)(\w+)([ \t]*:[ \t]*)([^\s"][^"\n]*?)[ \t]*$', re.M)
_WORD = re.compile(r"[\w.+-]+")
#: attributes of one line that end with it, without a semicolon
_POWER_DOWN = re.compile(r"^[ \t]*power_down_function[ \t]*:[^\n]*$", re.M)
# abc ignores the default wire load; OpenSTA would apply it, although the flow promises ideal wires
_WIRE_LOAD = re.compile(r"^[ \t]*default_wire_load\w*[ \t]*:[^\n]*$", re.M)

#: groups that neither Yosys, abc nor OpenSTA's longest path reads
_UNREAD = re.compile(r"internal_power|leakage_power|pg_pin|power_lut_template|(in|out)put_voltage|"
                     r"dynamic_current|intrinsic_parasitic|leakage_current|electromigration|"
                     r"em_lut_template|.*(ccs|ccb|noise|driver_waveform|receiver_capacitance|"
                     r"output_current|ocv_sigma|propagated).*|test_cell|switching_group")


@dataclass
class Reduced:
    """One file: the name of its library, the text for the tools, and what Yosys does not keep."""

    name: str = ""
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)    #: of the library itself
    cells: list[str] = field(default_factory=list)
    dont_use: set[str] = field(default_factory=set)
    areas: dict[str, float] = field(default_factory=dict)
    clock_gates: set[str] = field(default_factory=set)


def _quoted(match: re.Match[str]) -> str:
    """An attribute whose value is more than a word, in quotes."""
    space, name, colon, value = match.groups()
    return match[0] if _WORD.fullmatch(value) else f'{space}{name}{colon}"{value}"'


def _keep(found: Reduced, groups: list[str], cell: str, words: str, shown: str) -> None:
    """Note what a statement of the library or of a cell says that Yosys does not keep."""
    for line in words.splitlines():
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip().strip('"').strip()
        if len(groups) == 1:
            if colon:
                found.attributes.setdefault(name, value)
            elif listed := re.match(r"\s*capacitive_load_unit\s*\((.*)\)", line):
                found.attributes.setdefault("capacitive_load_unit", listed[1])
        elif name == "dont_use" and value == "true":
            found.dont_use.add(cell)
        elif name == "clock_gating_integrated_cell":
            found.clock_gates.add(cell)
        elif name == "area":
            if not _is_area(value):
                raise UsageError(f"--liberty {shown} is damaged: cell {cell} has area {value}; "
                                 "fetch it again")
            found.areas[cell] = float(value)


def _is_area(value: str) -> bool:
    try:
        return 0 <= float(value) < float("inf")
    except ValueError:
        return False


def reduce_liberty(data: bytes, shown: str) -> Reduced:
    """Reduce the bytes of one file (not compressed); ``shown`` names it in messages.

    Raises :class:`UsageError` (one line) for what is no liberty file, or is damaged.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").replace("\r\n", "\n")
    text = _COMMENT.sub(" ", text)
    found, kept = Reduced(), []
    groups: list[str] = []       # those that are open
    skipping = 0                 # so many of them, from the innermost, are left out
    at = 0
    cell = ""
    if not re.search(r"\blibrary\s*\([^()]*\)\s*\{", text[:100_000]):
        raise UsageError(f"--liberty {shown} is not a liberty file: no library (...) group in it")
    for match in _STATEMENT.finditer(text):
        if match.start() != at:
            break                # a quote that nothing closes
        at = match.end()
        words, end = match.groups()
        if skipping:
            skipping += {"{": 1, "}": -1, ";": 0}[end]
            continue
        group = _GROUP.search(words) if end == "{" else None
        head = words[:group.start()] if group else words
        if head.strip():
            if len(groups) <= 2:
                _keep(found, groups, cell, head, shown)
            head = _SIMPLE.sub(_quoted, _WIRE_LOAD.sub("", _POWER_DOWN.sub("", head)))
            if head.strip():
                kept.append(head if end == "{" else head + (";" if end == ";" else ""))
        if end == "{":
            kind = group[1] if group else ""
            if _UNREAD.fullmatch(kind):
                skipping = 1
                continue
            groups.append(kind)
            kept.append(words[len(words[:group.start()] if group else ""):] + "{")
            name = group[2].strip('"') if group else ""
            if kind == "library":
                found.name = name
            elif kind == "cell":
                cell = name
                found.cells.append(name)
        elif end == "}":
            kept.append("\n}")
            if not groups:
                at = -1
                break
            groups.pop()
    opened = len(groups) + skipping
    if opened or at < 0 or text[at:].strip():
        raise UsageError(f"--liberty {shown} is damaged or cut short: " + (
            f"{opened} groups are not closed" if opened else
            "a brace or a quote has no partner") + "; fetch it again")
    if not found.cells:
        raise UsageError(f"--liberty {shown} holds no cells")
    found.text = "".join(kept) + "\n"
    return found
