"""Outputs that are not used: of every instance (the port goes), or of some (the pin is left open).

A repeated module serves many places, and not all of them want all of its outputs.
"""

from __future__ import annotations

from collections import Counter

from .rtlil import Module
from .simplify import simplify

__all__ = ["open_unread_pins"]


def _unread_outputs(module: Module, by_name: dict[str, Module]) -> None:
    """Leave out the pins at which a wire begins that ends nowhere."""
    uses: Counter[str] = Counter()
    for cell in module.cells:
        for text in cell.ports.values():
            uses.update(token for token in text.split() if token in module.wires)
    for line in (line for process in module.processes for line in process[1:]):
        uses.update(token for token in line.split() if token in module.wires)
    for token in (token for pair in module.connects for text in pair for token in text.split()):
        uses[token] += token in module.wires
    for cell in module.cells:
        child = by_name.get(cell.type)
        if child is None:
            continue
        for port, text in list(cell.ports.items()):
            net = module.full(text)
            if (net is not None and child.wires[port].direction == "output" and uses[net] == 1
                    and module.wires[net].direction is None):
                del cell.ports[port], module.wires[net]


def open_unread_pins(modules: list[Module]) -> None:
    """Prune a design in place: ``modules``, the top first, are simplified already."""
    by_name = {module.name: module for module in modules}
    todo = list(by_name)
    while todo:
        for name in todo:
            _unread_outputs(by_name[name], by_name)
        wired: dict[str, set[str]] = {name: set() for name in by_name}
        for module in modules:
            for cell in module.cells:
                if cell.type in wired:
                    wired[cell.type] |= set(cell.ports)
        todo = []
        for module in modules[1:]:
            gone = [wire for wire in module.ports()
                    if wire.direction == "output" and wire.name not in wired[module.name]]
            if gone:
                for wire in gone:
                    wire.direction = None
                simplify(module)
                todo.append(module.name)
