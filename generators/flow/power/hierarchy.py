"""Which instance of the design a gate of the flattened netlist serves.

A register keeps its name when a design is flattened, and so the instance that it is in; a gate of
logic loses it, as logic is made anew across instances. It counts to the innermost instance that
holds all that it drives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .netlist import Gate, Netlist

__all__ = ["Tree", "homes", "read_tree"]

_INSTANCE = re.compile(r"^ +(\w+) (\w+) \($", re.M)
_INPUT = re.compile(r"^ *input +(?:(?:wire|reg) +)?(?:signed +)?(?:\[[^]]*\] *)?(\w+)", re.M)


@dataclass(frozen=True)
class Tree:
    """Instances of a design, by their path (``column_1.cell_0``; the top is "") -> module."""

    modules: Mapping[str, str]
    inputs: Mapping[str, frozenset[str]]        #: module -> its input ports

    def home(self, name: str) -> str | None:
        """The instance in which a net of this name lies; None for an input port of one, which is
        driven outside of it."""
        path = name
        while path and path not in self.modules:
            path = path.rpartition(".")[0]
        own = name[len(path) + 1:] if path else name
        return None if own in self.inputs[self.modules[path]] else path


def read_tree(verilog: str, top: str) -> Tree:
    """The instances of emitted Verilog."""
    bodies = dict(re.findall(r"^module (\w+)(.*?)^endmodule", verilog, re.M | re.S))
    inside = {name: [(module, instance) for module, instance in _INSTANCE.findall(body)
                     if module in bodies] for name, body in bodies.items()}
    modules: dict[str, str] = {}
    waiting = [("", top)]
    while waiting:
        path, module = waiting.pop()
        modules[path] = module
        waiting += [(f"{path}.{name}" if path else name, kind) for kind, name in inside[module]]
    return Tree(modules, {name: frozenset(_INPUT.findall(body)) for name, body in bodies.items()})


def _common(paths: list[str]) -> str:
    """The innermost instance that holds all of these."""
    parts = [path.split(".") if path else [] for path in paths]
    shared = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return ".".join(shared)


def homes(netlist: Netlist, tree: Tree) -> dict[str, str]:
    """Gate -> path of its instance."""
    found: dict[str, str] = {}
    readers: dict[int, set[str]] = {}       # net -> instances that read it
    for direction, nets in netlist.ports.values():
        for net in nets if direction == "output" else ():
            readers.setdefault(net, set()).add("")

    def place(gate: Gate) -> None:
        named = [home for net in gate.outputs for name in netlist.names.get(net, ())
                 if (home := tree.home(name)) is not None]
        if named:
            home = max(named, key=lambda path: (path.count("."), len(path), path))
        else:
            home = _common(sorted(set().union(*(readers.get(net, set())
                                                for net in gate.outputs))))
        found[gate.name] = home
        for net in gate.inputs:
            readers.setdefault(net, set()).add(home)

    for gate in netlist.flip_flops:
        place(gate)
    for gate in reversed(netlist.gates):
        place(gate)
    return found
