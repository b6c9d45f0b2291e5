"""RTLIL as Amaranth writes it: read, given readable Verilog names, written again.

Amaranth's own conversion leaves names that need escaping in Verilog (``\\a$3``, ``\\top.sub``),
numbers instead of names for next-state values, and an ``init`` attribute on every register. The
text format is documented by Yosys (RTLIL text representation); only what Amaranth's back end
writes is understood here, anything else is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .ports import KEYWORDS

__all__ = ["MEMORY_ATTRIBUTES", "REFERENCE", "PIN", "Module", "Wire", "Cell", "read", "write",
           "rename", "drop_memory_contents", "tidy_ports", "tidy_names"]

#: start of the names of signals that are only the pins of an instance
PIN = "pin$"

#: attributes of memories that the Verilog keeps: that they are there says all
MEMORY_ATTRIBUTES = ("no_rw_check",)
_ID = re.compile(r"\\[^\s]+|\$\d+")
_WIRE = re.compile(r"wire width (\d+)(?: (input|output) (\d+))?\s+(signed )?(\S+)")
#: a wire, or some bits of one: name, high, low
REFERENCE = re.compile(r"(\\\S+|\$\d+)(?: \[(?:(\d+):)?(\d+)\])?")


@dataclass
class Wire:
    """A wire; ``direction`` is None for an internal one, ``port`` its place in the port list."""

    name: str
    width: int
    direction: str | None = None
    port: int = 0
    signed: bool = False


@dataclass
class Cell:
    """A cell or an instance: ``parameters`` are raw lines, ``ports`` map to signal expressions."""

    type: str
    name: str
    parameters: list[str] = field(default_factory=list)
    ports: dict[str, str] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """Value of an integer parameter."""
        for line in self.parameters:
            if line.startswith(f"parameter {name} "):
                return int(line.split()[-1])
        raise KeyError(name)

    def set_number(self, name: str, value: int) -> None:
        """Change an integer parameter."""
        self.parameters = [f"parameter {name} {value}" if line.startswith(f"parameter {name} ")
                           else line for line in self.parameters]


@dataclass
class Module:
    """One module; names keep their RTLIL prefix (``\\`` public, ``$`` automatic)."""

    name: str
    wires: dict[str, Wire] = field(default_factory=dict)
    memories: list[str] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    processes: list[list[str]] = field(default_factory=list)
    connects: list[tuple[str, str]] = field(default_factory=list)
    #: wanted names of the ports that Amaranth only numbered (``\\port$12$0``)
    port_names: dict[str, str] = field(default_factory=dict)
    #: what the module is for, a phrase
    purpose: str = ""

    def ports(self) -> list[Wire]:
        return sorted((w for w in self.wires.values() if w.direction), key=lambda w: w.port)

    def full(self, expression: str) -> str | None:
        """The wire that the expression names as a whole, if it does."""
        match = REFERENCE.fullmatch(expression)
        if match is None or match[1] not in self.wires:
            return None
        width = self.wires[match[1]].width
        if match[3] is None:
            return match[1]
        low, high = int(match[3]), int(match[2] or match[3])
        return match[1] if (low, high) == (0, width - 1) else None

    def uses(self, name: str) -> int:
        """How often a wire occurs in the module's logic."""
        token = re.compile(re.escape(name) + r"(?![^\s])")
        texts = [text for cell in self.cells for text in cell.ports.values()]
        texts += [line for lines in self.processes for line in lines[1:]]
        texts += [text for pair in self.connects for text in pair]
        return sum(len(token.findall(text)) for text in texts)


def _split(line: str) -> tuple[str, str]:
    """A connect's two sides; the left one may be a concatenation."""
    body = line.removeprefix("connect ")
    if body.startswith("{"):
        end = body.index("}") + 1
    else:
        slice_ = re.match(r"\S+(?: \[[\d:]+\])?", body)
        assert slice_ is not None, line
        end = slice_.end()
    return body[:end], body[end:].strip()


def read(text: str) -> list[Module]:
    """Read what ``amaranth.back.rtlil`` wrote. Attributes (``init``, ...) are dropped, all but
    :data:`MEMORY_ATTRIBUTES`."""
    modules: list[Module] = []
    lines = iter(line.strip() for line in text.splitlines())
    module = Module("")
    attributes: list[str] = []      # that a design asks for, of what comes next
    for line in lines:
        word = line.partition(" ")[0]
        if word == "attribute" and line.split()[1][1:] in MEMORY_ATTRIBUTES:
            attributes.append(line)
        if word in ("", "attribute", "end"):
            continue
        if word == "module":
            module = Module(line.split()[1])
            modules.append(module)
        elif word == "wire":
            match = _WIRE.fullmatch(line)
            assert match is not None, line
            wire = Wire(match[5], int(match[1]), match[2], int(match[3] or 0), bool(match[4]))
            module.wires[wire.name] = wire
        elif word == "memory":
            module.memories += [*attributes, line]
        elif word == "cell":
            kind, name = line.split()[1:]
            cell = Cell(kind, name)
            for inner in lines:
                if inner.startswith("parameter "):
                    cell.parameters.append(inner)
                elif inner.startswith("connect "):
                    port, value = inner.removeprefix("connect ").split(" ", 1)
                    cell.ports[port] = value
                elif inner == "end":
                    break
            module.cells.append(cell)
        elif word == "process":
            process, depth = [line], 1
            while depth:
                inner = next(lines)
                depth += inner.startswith("switch ") - (inner == "end")
                if inner and not inner.startswith("attribute "):
                    process.append(inner)
            module.processes.append(process)
        elif word == "connect":
            module.connects.append(_split(line))
        else:
            raise ValueError(f"unexpected RTLIL: {line}")
        attributes = []
    return modules


def write(modules: list[Module]) -> str:
    """RTLIL text of the modules."""
    out: list[str] = []
    for module in modules:
        out.append(f"module {module.name}")
        place = {wire.name: index for index, wire in enumerate(module.ports(), 1)}
        for wire in module.wires.values():
            kind = f" {wire.direction} {place[wire.name]}" if wire.direction else ""
            out.append(f"  wire width {wire.width}{kind}{' signed' * wire.signed} {wire.name}")
        out += [f"  {line}" for line in module.memories]
        for cell in module.cells:
            out.append(f"  cell {cell.type} {cell.name}")
            out += [f"    {line}" for line in cell.parameters]
            out += [f"    connect {port} {value}" for port, value in cell.ports.items()]
            out.append("  end")
        for process in module.processes:
            out += [f"  {line}" for line in process]
        out += [f"  connect {left} {right}" for left, right in module.connects]
        out.append("end")
    return "\n".join(out) + "\n"


def rename(module: Module, new: dict[str, str]) -> None:
    """Rename wires, cells, processes and memories of a module.

    Connects that this makes trivial (``connect a a``) disappear.
    """
    if not new:
        return

    def sub(text: str) -> str:
        return _ID.sub(lambda match: new.get(match[0], match[0]), text)

    module.wires = {new.get(name, name): wire for name, wire in module.wires.items()}
    for name, wire in module.wires.items():
        wire.name = name
    module.memories = [sub(line) for line in module.memories]
    for cell in module.cells:
        cell.name = new.get(cell.name, cell.name)
        cell.ports = {port: sub(value) for port, value in cell.ports.items()}
        cell.parameters = [
            re.sub(r'"\\(\\\S+)"', lambda m: f'"\\{new.get(m[1], m[1])}"', line)
            if line.startswith("parameter \\MEMID ") else line for line in cell.parameters]
    module.processes = [[sub(line) for line in process] for process in module.processes]
    pairs = [(sub(left), sub(right)) for left, right in module.connects]
    module.connects = [(left, right) for left, right in pairs
                       if module.full(left) is None or module.full(left) != module.full(right)]


def drop_memory_contents(module: Module) -> None:
    """Memory contents would become an ``initial`` block."""
    for cell in module.cells:
        if cell.type == "$meminit_v2" and "1" in cell.ports["\\DATA"].partition("'")[2]:
            raise ValueError(f"a memory of {module.name[1:]} has initial contents, which the "
                             "Verilog may not carry: use a Switch for a constant table")
    module.cells = [cell for cell in module.cells if cell.type != "$meminit_v2"]


def _taker(module: Module, new: dict[str, str]) -> Callable[[str, str], None]:
    """``take(old, wanted)``: enter a free plain Verilog name for ``old`` in ``new``."""
    taken = {wire.name for wire in module.ports()} | set(new.values())

    def take(old: str, wanted: str) -> None:
        wanted = "\\" + re.sub(r"_{2,}", "_", re.sub(r"\W", "_", wanted.lstrip("\\")))
        name, count = wanted, 1
        while name in taken or name[1:] in KEYWORDS:
            count += 1
            name = f"{wanted}_{count}"
        new[old] = name
        taken.add(name)

    return take


def tidy_ports(module: Module) -> dict[str, str]:
    """Give ports that need it a plain name; returns the changes (old to new)."""
    new: dict[str, str] = {}
    take = _taker(module, new)
    for wire in module.ports():
        if not re.fullmatch(r"\\\w+", wire.name):
            take(wire.name, module.port_names.get(wire.name, wire.name))
    clash = {name: f"{name}$1" for name in new.values() if name in module.wires}
    rename(module, clash)
    rename(module, new)
    return new


def tidy_names(module: Module, instances: Callable[[str], bool]) -> None:
    """Give a module plain, telling names (its ports have theirs, see :func:`tidy_ports`).

    - next-state values: ``NAME_next`` for the input of register NAME;
    - wires at the ports of instances (cells whose type satisfies ``instances``):
      ``INSTANCE_PORT``;
    - everything else: Amaranth's name with ``$`` and ``.`` as ``_``;
    - automatic names: zero-padded, so that sorting keeps their order.
    """
    new: dict[str, str] = {}
    take = _taker(module, new)
    for cell in module.cells:
        if instances(cell.type):
            take(cell.name, re.sub(r"\\U\$(\d+)", r"\\u\1", cell.name))
            for port, value in cell.ports.items():
                net = module.full(value)
                if (net is not None and net not in new and not module.wires[net].direction
                        and net.startswith(("$", "\\" + PIN))):
                    take(net, f"{new[cell.name]}_{port[1:]}")
    for name, wire in module.wires.items():
        if name[0] == "\\" and wire.direction is None and name not in new:
            take(name, name)
    for cell in module.cells:
        if cell.type in ("$dff", "$adff"):
            register, after = module.full(cell.ports["\\Q"]), module.full(cell.ports["\\D"])
            if register and register[0] == "\\" and after and after[0] == "$" and after not in new:
                take(after, f"{new.get(register, register)}_next")
    for line in module.memories:
        take(line.split()[-1], line.split()[-1])
    for index, name in enumerate(module.wires):
        if name[0] == "$" and name not in new:
            new[name] = f"$w{index:06d}"
    for index, cell in enumerate(module.cells):
        if not instances(cell.type):
            new[cell.name] = f"$c{index:06d}"
    for index, process in enumerate(module.processes):
        new[process[0].split()[1]] = f"$p{index:06d}"
    rename(module, new)
