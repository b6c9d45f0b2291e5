"""Liberty files: find out what a cell library offers, and hand it to Yosys and OpenSTA.

A library may come in several files (ASAP7 keeps its flip-flops, inverters and gates apart),
plain or gzip. Only what the flow needs is read here: units, areas, functions of small cells,
flip-flops. Delay tables are left to abc and OpenSTA.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..files import check_source
from . import generic
from .boolean import truth_table

__all__ = ["Cell", "Library", "load", "embedded"]

_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_VALUES = re.compile(r"\bvalues\s*\([^()]*\)")
_QUOTED = re.compile(r'"[^"]*"')
_LIBRARY = re.compile(r'\blibrary\s*\(\s*"?([^"()]+?)"?\s*\)\s*\{')
_CELL = re.compile(r'^[ \t]*cell\s*\(\s*"?([^"()]+?)"?\s*\)\s*\{', re.M)
_AREA = re.compile(r"\barea\s*:\s*\"?([-+.\deE]+)")
_DONT_USE = re.compile(r'\bdont_use\s*:\s*"?true')
_STATE = re.compile(r"\b(ff|latch|ff_bank|latch_bank|statetable)\s*\(")
_PIN = re.compile(r'\b(?:pin|bus)\s*\(\s*"?([^"()]+?)"?\s*\)\s*\{')
_NEXT_STATE = re.compile(r'\bnext_state\s*:\s*"?\s*([^";]*)')
_DIRECTION = re.compile(r'\bdirection\s*:\s*"?(\w+)')
_FUNCTION = re.compile(r'\bfunction\s*:\s*"([^"]*)"')
_THREE_STATE = re.compile(r"\bthree_state\s*:")
_TIME_UNIT = re.compile(r'\btime_unit\s*:\s*"?\s*([\d.]+)\s*([a-z]+)', re.I)
_LOAD_UNIT = re.compile(r'\bcapacitive_load_unit\s*\(\s*([\d.]+)\s*,\s*"?([a-z]+)', re.I)
_WIRE_LOAD = re.compile(r"^[ \t]*default_wire_load\w*\s*:[^;\n]*;?", re.M)

_SECONDS = {"ns": 1.0, "ps": 1e-3, "us": 1e3, "fs": 1e-6}          #: in ns
_FARADS = {"pf": 1000.0, "ff": 1.0, "nf": 1e6}                     #: in fF


@dataclass(frozen=True)
class Cell:
    """One cell: its area in the library's unit and, for a small gate, its truth table."""

    name: str
    area: float
    state: str = ""                  #: "ff", "latch", ... or "" for a combinational cell
    inputs: int = 0
    table: tuple[bool, ...] = ()     #: of a cell with one output and at most two inputs
    dont_use: bool = False
    enable: bool = False             #: flip-flop whose next state is more than one pin


@dataclass(frozen=True)
class Library:
    """A cell library as the flow sees it.

    ``texts`` are the decompressed files, ``hashes`` the SHA-256 of each (of the content as it
    was given, before compression). Areas are in ``area_unit``.
    """

    names: tuple[str, ...]
    hashes: tuple[str, ...]
    texts: tuple[str, ...] = field(repr=False)
    cells: dict[str, Cell] = field(repr=False)
    time_unit_ns: float
    load_unit_ff: float
    area_unit: str = "um2"

    def smallest(self, table: Sequence[int]) -> Cell | None:
        """Smallest usable cell with this truth table (ties: first by name)."""
        wanted = tuple(bool(bit) for bit in table)
        found = [c for c in self.cells.values() if c.table == wanted and not c.dont_use]
        return min(found, key=lambda c: (c.area, c.name), default=None)

    @property
    def nand2(self) -> Cell:
        """The gate equivalent: the smallest two-input NAND."""
        cell = self.smallest((1, 1, 1, 0))
        assert cell is not None          # load() refuses a library without one
        return cell

    @property
    def driver(self) -> Cell:
        """The smallest buffer: drives the inputs of a timed design."""
        cell = self.smallest((0, 1))
        assert cell is not None
        return cell

    @property
    def flip_flops(self) -> frozenset[str]:
        """Names of the flip-flop cells."""
        return frozenset(c.name for c in self.cells.values() if c.state.startswith("ff"))

    @property
    def enable_flip_flops(self) -> list[str]:
        """Flip-flops with logic before the data pin: enable, scan, synchronous clear."""
        return sorted(c.name for c in self.cells.values() if c.enable)

    def write(self, folder: Path) -> list[str]:
        """Write the files for the tools into ``folder``; returns their names there.

        The default wire load is left out: OpenSTA would apply it although the flow promises
        ideal wires (abc ignores it).
        """
        names = [f"cells{index}.lib" for index in range(len(self.texts))]
        for name, text in zip(names, self.texts, strict=True):
            (folder / name).write_text(_WIRE_LOAD.sub("", text), encoding="latin-1")
        return names

    def describe(self) -> list[dict[str, str]]:
        """Name and hash of each file, for a report."""
        return [{"library": name, "sha256": digest}
                for name, digest in zip(self.names, self.hashes, strict=True)]


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"--liberty must name a liberty file; {path} is a directory")
    check_source(path, "--liberty")
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except FileNotFoundError:
        raise UsageError(f"--liberty must name an existing file; {path} does not exist") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UsageError(f"--liberty {path} is a damaged gzip file; fetch it again") from None
    except OSError as error:
        raise UsageError(f"--liberty {path} cannot be read: {error.strerror}") from None
    return data


def _cells(text: str) -> list[Cell]:
    starts = list(_CELL.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)] * bool(starts)
    return [_cell(match.group(1), text[match.end():end])
            for match, end in zip(starts, ends, strict=True)]


def _number(cell: str, area: str) -> float:
    try:
        value = float(area)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"--liberty is damaged: cell {cell} has area {area}; fetch it again")
    return value


def _cell(name: str, body: str) -> Cell:
    pins = _PIN.split(body)              # attributes, then pin name, pin body, ...
    head = pins[0]
    area = _AREA.search(head) or _AREA.search(body)
    state, following = _STATE.search(body), _NEXT_STATE.search(body)
    inputs: list[str] = []
    functions: list[str] = []
    for pin, text in zip(pins[1::2], pins[2::2], strict=True):
        direction = _DIRECTION.search(text)
        if direction and direction[1] == "input":
            inputs.append(pin)
        elif direction and direction[1] in ("output", "inout"):
            function = None if _THREE_STATE.search(text) else _FUNCTION.search(text)
            functions.append(function[1] if function else "")
    table: tuple[bool, ...] = ()
    if not state and len(functions) == 1 and functions[0] and len(inputs) in (1, 2):
        try:
            table = truth_table(functions[0], inputs)
        except ValueError:
            table = ()                   # an odd cell; abc leaves it alone as well
    return Cell(name, _number(name, area[1]) if area else 0.0, state[1] if state else "",
                len(inputs), table, bool(_DONT_USE.search(body)),
                bool(state and state[1].startswith("ff") and following
                     and not re.fullmatch(r"[\s()!']*\w+[\s()']*", following[1])))


def _unit(pattern: re.Pattern[str], text: str, scale: dict[str, float], default: float) -> float:
    match = pattern.search(text)
    return float(match[1]) * scale.get(match[2].lower(), default) if match else default


def _parse(data: bytes, shown: str) -> tuple[str, str, list[Cell]]:
    text = data.decode("latin-1")
    # delay tables are nine tenths of the text and of no interest here
    bare = _COMMENT.sub(" ", _VALUES.sub("", text))
    library = _LIBRARY.search(bare[:100_000])
    if library is None:
        raise UsageError(f"--liberty {shown} is not a liberty file: no library (...) group in it")
    skeleton = _QUOTED.sub("", bare)
    opened, closed = skeleton.count("{"), skeleton.count("}")
    if opened != closed:
        raise UsageError(f"--liberty {shown} is damaged or cut short: {opened} groups are opened "
                         f"and {closed} closed; fetch it again")
    cells = _cells(bare)
    if not cells:
        raise UsageError(f"--liberty {shown} holds no cells")
    return library[1], text, cells


def _combine(parts: Iterable[tuple[str, bytes]], area_unit: str) -> Library:
    names, hashes, texts = [], [], []
    cells: dict[str, Cell] = {}
    units = set()
    for shown, data in parts:
        name, text, found = _parse(data, shown)
        names.append(name)
        hashes.append(hashlib.sha256(data).hexdigest())
        texts.append(text)
        units.add((_unit(_TIME_UNIT, text, _SECONDS, 1.0), _unit(_LOAD_UNIT, text, _FARADS, 1000)))
        for cell in found:
            if cell.name in cells:
                raise UsageError(f"--liberty {shown} defines cell {cell.name} a second time; "
                                 "give each file once, of one corner")
            cells[cell.name] = cell
    if len(units) > 1:
        raise UsageError("--liberty files must share one time and capacitance unit; "
                         f"these have {len(units)} different ones")
    time_unit, load_unit = units.pop()
    library = Library(tuple(names), tuple(hashes), tuple(texts), cells,
                      time_unit, load_unit, area_unit)
    for what, table in (("inverter", (1, 0)), ("buffer", (0, 1)), ("2-input NAND", (1, 1, 1, 0))):
        if library.smallest(table) is None:
            raise UsageError(f"--liberty holds no {what} among its {len(cells)} cells; name all "
                             "files of the library (ASAP7: INVBUF, SIMPLE, AO, OA, SEQ)")
    if not library.nand2.area:
        raise UsageError(f"--liberty gives its 2-input NAND {library.nand2.name} no area, so "
                         "nothing can be counted in gate equivalents; name a library with areas")
    return library


def load(paths: Sequence[Path]) -> Library:
    """Read one library from one or several files, plain or gzip.

    Raises :class:`UsageError` (one line) for a file that is missing, damaged, no liberty file,
    or a set without the cells that synthesis needs.
    """
    if not paths:
        raise UsageError("--liberty needs at least one file")
    return _combine(((str(path), _read(path)) for path in paths), "um2")


def embedded() -> Library:
    """The technology-neutral library: areas in gate equivalents (see :mod:`.generic`)."""
    return _combine([("generic", generic.liberty_text().encode())], "GE")
