"""Liberty files: find out what a cell library offers, and hand it to Yosys and OpenSTA.

A library may come in several files (ASAP7 keeps its flip-flops, inverters and gates apart),
plain or gzip. Yosys reads the cells; :mod:`.liberty_text` brings the files into a form that all
tools take.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..files import check_source
from . import generic
from .liberty_text import reduce_liberty
from .yosys import YosysError, run_yosys

__all__ = ["Cell", "Library", "load", "embedded"]

_SECONDS = {"ns": 1.0, "ps": 1e-3, "us": 1e3, "fs": 1e-6}          #: in ns
_FARADS = {"pf": 1000.0, "ff": 1.0, "nf": 1e6}                     #: in fF


@dataclass(frozen=True)
class Cell:
    """One cell: its area in the library's unit and, for a small gate, its truth table."""

    name: str
    area: float
    state: str = ""                  #: "ff", "latch" or "" for a combinational cell
    table: tuple[bool, ...] = ()     #: of a cell with one output and at most two inputs
    dont_use: bool = False
    enable: bool = False             #: flip-flop whose next state is more than one pin
    clock_gate: bool = False
    #: pins of a full adder: its three inputs, carry, sum
    full_adder: tuple[str, ...] = ()


@dataclass(frozen=True)
class Library:
    """A cell library as the flow sees it.

    ``texts`` are the files for the tools (:mod:`.liberty_text`), ``hashes`` the SHA-256 of each
    file (of the content as it was given, before compression). Areas are in ``area_unit``.
    """

    names: tuple[str, ...]
    hashes: tuple[str, ...]
    texts: tuple[str, ...] = field(repr=False)
    cells: dict[str, Cell] = field(repr=False)
    time_unit_ns: float
    load_unit_ff: float
    area_unit: str = "um2"
    #: the files as they were given, not compressed: energies are in them (:mod:`.power`)
    originals: tuple[bytes, ...] = field(default=(), repr=False)

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
    def full_adder(self) -> Cell | None:
        """The smallest usable full adder, if there is one."""
        found = [c for c in self.cells.values() if c.full_adder and not c.dont_use]
        return min(found, key=lambda c: (c.area, c.name), default=None)

    @property
    def has_clock_gate(self) -> bool:
        return any(c.clock_gate and not c.dont_use for c in self.cells.values())

    @property
    def flip_flops(self) -> frozenset[str]:
        """Names of the flip-flop cells."""
        return frozenset(c.name for c in self.cells.values() if c.state == "ff")

    @property
    def enable_flip_flops(self) -> list[str]:
        """Flip-flops with logic before the data pin: enable, scan, synchronous clear."""
        return sorted(c.name for c in self.cells.values() if c.enable)

    def write(self, folder: Path) -> list[str]:
        """Write the files for the tools into ``folder``; returns their names there."""
        names = [f"cells{index}.lib" for index in range(len(self.texts))]
        for name, text in zip(names, self.texts, strict=True):
            (folder / name).write_text(text, encoding="latin-1")
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


class _Netlist:
    """A cell as Yosys reads it: ports, gates and flip-flops, from ``write_json``."""

    def __init__(self, module: dict[str, Any]) -> None:
        ports = module["ports"].values()
        self.pins = {name: port["bits"][0] for name, port in module["ports"].items()}
        self.inputs = [bit for x in ports if x["direction"] == "input" for bit in x["bits"]]
        self.outputs = [bit for x in ports if x["direction"] != "input" for bit in x["bits"]]
        self.gates = list(module["cells"].values())
        self.drivers = {bit: gate for gate in self.gates for port, bits in
                        gate["connections"].items() for bit in bits
                        if gate["port_directions"][port] == "output"}

    @property
    def state(self) -> str:
        kinds = " ".join(gate["type"] for gate in self.gates)
        return "ff" if "DFF" in kinds else "latch" if re.search("LATCH|_SR_|_FF_", kinds) else ""

    @property
    def enable(self) -> bool:
        """Is there more than an inverter before the data pin of the flip-flop?"""
        for gate in self.gates:
            if "DFF" in gate["type"]:
                bit = gate["connections"]["D"][0]
                while self.drivers.get(bit, {}).get("type") in ("$_NOT_", "$_BUF_"):
                    bit = self.drivers[bit]["connections"]["A"][0]
                return bit not in self.inputs
        return False

    def value(self, bit: int | str, values: dict[int | str, bool]) -> bool:
        """Value of a net, given those of the inputs; KeyError for what is no plain gate."""
        if bit in values:
            return values[bit]
        gate = self.drivers[bit]
        a, *b = (self.value(gate["connections"][port][0], values)
                 for port in sorted(gate["connections"]) if port != "Y")
        return {"$_NOT_": lambda: not a, "$_BUF_": lambda: a, "$_AND_": lambda: a and b[0],
                "$_OR_": lambda: a or b[0], "$_XOR_": lambda: a != b[0]}[gate["type"]]()

    @property
    def full_adder(self) -> tuple[str, ...]:
        """Pins of a full adder: its inputs, carry, sum; () if it is none."""
        if self.state or (len(self.inputs), len(self.outputs)) != (3, 2):
            return ()
        names = {bit: name for name, bit in self.pins.items()}
        try:
            carry = self._computing(lambda ones: ones >= 2)
            total = self._computing(lambda ones: ones % 2 == 1)
        except KeyError:
            return ()
        return tuple(names[bit] for bit in (*self.inputs, *carry, *total)) \
            if carry and total else ()

    def _computing(self, rule: Callable[[int], bool]) -> list[int | str]:
        """The outputs that follow a rule of the number of inputs that are 1."""
        rows = [self._assigned(pattern) for pattern in range(1 << len(self.inputs))]
        return [name for name in self.outputs if all(
            self.value(name, row) == rule(sum(row[bit] for bit in self.inputs)) for row in rows)]

    def _assigned(self, pattern: int) -> dict[int | str, bool]:
        """Values of the inputs, the first of them bit 0 of ``pattern``, and of the constants."""
        return {"0": False, "1": True,
                **{name: bool(pattern >> at & 1) for at, name in enumerate(self.inputs)}}

    @property
    def table(self) -> tuple[bool, ...]:
        """Output for every input pattern, the first input bit 0; () where it has no table."""
        if self.state or len(self.outputs) != 1 or len(self.inputs) not in (1, 2):
            return ()
        try:
            return tuple(self.value(self.outputs[0], self._assigned(pattern))
                         for pattern in range(1 << len(self.inputs)))
        except KeyError:
            return ()                # three states, or an odd cell; abc leaves it alone as well


def _cells(texts: Sequence[str], shown: Sequence[str], dont_use: set[str]) -> dict[str, Cell]:
    """The cells that Yosys reads from the files; those without functions are none to it."""
    read = "read_liberty -ignore_miss_func -ignore_miss_dir -ignore_miss_data_latch -ignore_buses"
    with tempfile.TemporaryDirectory(prefix="lowbit-liberty-") as name:
        folder = Path(name)
        for at, text in enumerate(texts):
            (folder / f"{at}.lib").write_text(text, encoding="latin-1")
        try:
            run_yosys([*(f"{read} {at}.lib" for at in range(len(texts))),
                       "write_json cells.json"], folder)
        except YosysError as error:
            found = re.search(r"(\d+)\.lib$", error.command)
            which = shown[int(found[1])] if found else ", ".join(shown)
            reason = re.sub(r" +in line \d+", "", error.reason)    # a line of the reduced text
            raise UsageError(f"--liberty {which} cannot be read: {reason}") from None
        modules = json.loads((folder / "cells.json").read_text())["modules"]
    cells = {}
    for key, module in modules.items():
        netlist = _Netlist(module)
        cells[key] = Cell(key, float(module["attributes"].get("area", 0)), netlist.state,
                          netlist.table, key in dont_use, netlist.enable, False,
                          netlist.full_adder)
    return cells


def _unit(text: str, scale: dict[str, float], default: float) -> float:
    match = re.match(r"\s*([\d.]+)[\s,\"]*([a-z]+)", text, re.I)
    return float(match[1]) * scale.get(match[2].lower(), default) if match else default


def _combine(parts: Iterable[tuple[str, bytes]], area_unit: str) -> Library:
    shown, hashes, reduced, originals = [], [], [], []
    units, names = set(), set()
    for file, data in parts:
        found = reduce_liberty(data, file)
        shown.append(file)
        hashes.append(hashlib.sha256(data).hexdigest())
        originals.append(data)
        reduced.append(found)
        units.add((_unit(found.attributes.get("time_unit", ""), _SECONDS, 1.0),
                   _unit(found.attributes.get("capacitive_load_unit", ""), _FARADS, 1000.0)))
        for name in found.cells:
            if name in names:
                raise UsageError(f"--liberty {file} defines cell {name} a second time; "
                                 "give each file once, of one corner")
            names.add(name)
    if len(units) > 1:
        raise UsageError("--liberty files must share one time and capacitance unit; "
                         f"these have {len(units)} different ones")
    time_unit, load_unit = units.pop()
    texts = tuple(x.text for x in reduced)
    dont_use = set().union(*(x.dont_use for x in reduced))
    cells = _cells(texts, shown, dont_use)
    # a clock gate's output is a function of its state, which Yosys does not read
    for part in reduced:
        cells |= {name: Cell(name, part.areas.get(name, 0.0), "latch", (), name in dont_use,
                             clock_gate=True) for name in part.clock_gates}
    library = Library(tuple(x.name for x in reduced), tuple(hashes), texts, cells,
                      time_unit, load_unit, area_unit, tuple(originals))
    for what, table in (("inverter", (1, 0)), ("buffer", (0, 1)), ("2-input NAND", (1, 1, 1, 0))):
        if library.smallest(table) is None:
            raise UsageError(f"--liberty holds no {what} among its {len(names)} cells; name all "
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
