"""A mapped netlist as gates and nets, in the order in which gates are evaluated."""

from __future__ import annotations

import json
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import CheckFailed, UsageError
from ..liberty import Library
from ..yosys import run_yosys
from .cells import Cells, FlipFlop, PowerCell, read_cells, variables
from .functions import Function, truth_table

__all__ = ["Gate", "Kind", "Netlist", "read_netlist"]

#: inputs and state of a cell, at most: a truth table is a word of 64 bits
_WIDEST = 6


@dataclass(frozen=True)
class Kind:
    """A cell as truth tables over its ``variables`` (variable k is bit k of a row)."""

    cell: PowerCell
    variables: tuple[str, ...]
    outputs: tuple[int, ...]        #: a table for each output
    next: int = 0                   #: of a flip-flop: next state, and where it is cleared or set
    clear: int = 0
    preset: int = 0

    @property
    def flip_flop(self) -> bool:
        return self.cell.state is not None

    def values(self, clock: int) -> dict[str, int]:
        """Pins and state as words of all rows, for conditions; the clock pin is ``clock``."""
        rows = 1 << len(self.variables)
        ones = (1 << rows) - 1
        found = {name: truth_table(Function(name), self.variables) for name in self.variables}
        found |= dict(zip(self.cell.outputs, self.outputs, strict=True))
        if self.cell.state is not None:
            found[self.cell.state.inverse] = found[self.cell.state.state] ^ ones
            found[self.cell.clock] = ones * clock
        return found


@dataclass(frozen=True)
class Gate:
    """An instance: ``inputs`` are the nets of its variables (not the state), ``outputs`` nets.

    A net of -1 is not connected.
    """

    name: str
    kind: Kind
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    clock: int = -1


@dataclass(frozen=True)
class Netlist:
    """Nets 0 and 1 are the constants; gates are in an order in which none reads a later one."""

    gates: tuple[Gate, ...] = field(repr=False)
    flip_flops: tuple[Gate, ...] = field(repr=False)
    nets: int
    #: port -> direction, nets (bit 0 first)
    ports: dict[str, tuple[str, tuple[int, ...]]] = field(repr=False)
    #: net -> names that it has in the netlist, without those that the tools made up
    names: dict[int, tuple[str, ...]] = field(repr=False)
    cells: Cells = field(repr=False)

    @property
    def clocks(self) -> set[int]:
        """Nets at clock pins."""
        return {gate.clock for gate in self.flip_flops}


def _kind(cell: PowerCell) -> Kind:
    names = tuple(variables(cell))
    if len(names) > _WIDEST:
        raise UsageError(f"--liberty: cell {cell.name} has {len(names)} inputs; the netlist "
                         f"simulation takes up to {_WIDEST}")
    if cell.state is None:
        return Kind(cell, names, tuple(truth_table(cell.functions[pin], names)
                                       for pin in cell.outputs))
    if not isinstance(cell.state, FlipFlop) or not cell.clock:
        raise UsageError(f"--liberty: cell {cell.name} is a latch, or a flip-flop of another than "
                         "the rising edge of one pin; the netlist simulation takes none")
    state = cell.state
    rows = 1 << len(names)
    words = {name: truth_table(Function(name), names) for name in names}
    ones = (1 << rows) - 1
    words |= {state.inverse: words[state.state] ^ ones}

    def table(function: Function | None) -> int:
        return 0 if function is None else function.value(words, ones)

    clear, preset = table(state.clear), table(state.preset)
    return Kind(cell, names, tuple(table(cell.functions[pin]) for pin in cell.outputs),
                table(state.next), clear, preset & ~(clear if state.both == "0" else 0))


def read_netlist(verilog: str, top: str, library: Library, names: Sequence[str]) -> Netlist:
    """The netlist of module ``top``, which has cells of these ``names`` and nothing else.

    Raises :class:`UsageError` for cells that cannot be simulated, :class:`CheckFailed` for a
    combinational loop.
    """
    with tempfile.TemporaryDirectory(prefix="lowbit-netlist-") as folder:
        (Path(folder) / "netlist.v").write_text(verilog)
        run_yosys(["read_verilog netlist.v", f"hierarchy -top {top}", "write_json netlist.json"],
                  Path(folder))
        module = json.loads((Path(folder) / "netlist.json").read_text())["modules"][top]
    cells = read_cells(library, names)
    kinds = {name: _kind(cell) for name, cell in cells.cells.items()}
    number: dict[Any, int] = {"0": 0, "1": 1, "x": 0, "z": 0}

    def net(bit: Any) -> int:
        return number.setdefault(bit, len(number) - 2)

    gates: list[Gate] = []
    flip_flops: list[Gate] = []
    for name, item in module["cells"].items():
        if item["type"] == "$scopeinfo":
            continue
        if item["type"] not in kinds:
            raise UsageError(f"the netlist has a {item['type']}, which is no cell of --liberty "
                             f"{', '.join(library.names)}")
        kind = kinds[item["type"]]
        pins = {pin: net(bits[0]) if bits else -1 for pin, bits in item["connections"].items()}
        state = {kind.cell.state.state} if kind.cell.state else set()
        gate = Gate(name, kind, tuple(max(pins.get(pin, 0), 0) for pin in kind.variables
                                      if pin not in state),
                    tuple(pins.get(pin, -1) for pin in kind.cell.outputs),
                    pins[kind.cell.clock] if kind.flip_flop else -1)
        (flip_flops if kind.flip_flop else gates).append(gate)
    ports = {name: (port["direction"], tuple(net(bit) for bit in port["bits"]))
             for name, port in module["ports"].items()}
    known: dict[int, list[str]] = {}
    for name, wire in module["netnames"].items():
        if not wire.get("hide_name") and not (name.startswith("_") and name.endswith("_")):
            for bit in wire["bits"]:
                if not isinstance(bit, str):
                    known.setdefault(net(bit), []).append(name)
    return Netlist(tuple(_ordered(gates)), tuple(flip_flops), len(number) - 2, ports,
                   {at: tuple(found) for at, found in known.items()}, cells)


def _ordered(gates: list[Gate]) -> list[Gate]:
    driver = {out: at for at, gate in enumerate(gates) for out in gate.outputs if out >= 0}
    waiting = [0] * len(gates)
    readers: dict[int, list[int]] = {}
    for at, gate in enumerate(gates):
        for source in {driver[pin] for pin in gate.inputs if pin in driver}:
            waiting[at] += 1
            readers.setdefault(source, []).append(at)
    ready = deque(at for at, count in enumerate(waiting) if not count)
    order: list[Gate] = []
    while ready:
        at = ready.popleft()
        order.append(gates[at])
        for reader in readers.get(at, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    if len(order) != len(gates):
        raise CheckFailed(f"the netlist has a combinational loop of {len(gates) - len(order)} "
                          "gates or fewer; it cannot be simulated without delays")
    return order
