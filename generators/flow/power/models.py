"""Verilog models of a library's cells, made of the functions in its liberty files.

No delays, and no initial values: a flip-flop is X until it is written, so that what leans on a
start value shows.
"""

from __future__ import annotations

import re

from ..liberty import Library
from .cells import Cells, FlipFlop, PowerCell, read_cells
from .functions import Function, prime_sum

__all__ = ["cells_in", "models", "netlist_with_models"]


def cells_in(netlist: str, library: Library) -> list[str]:
    """Names of the library's cells that a netlist has."""
    words = set(re.findall(r"[\w$]+", netlist))
    modules = set(re.findall(r"^\s*module\s+(\w+)", netlist, re.M))
    return sorted((words & set(library.cells)) - modules)


def models(cells: Cells) -> str:
    """A module for each cell."""
    return "\n".join(_model(cell) for cell in cells.cells.values())


def netlist_with_models(netlist: str, library: Library) -> str:
    """A netlist, and the models of the cells that it has."""
    return netlist + "\n" + models(read_cells(library, cells_in(netlist, library)))


def _model(cell: PowerCell) -> str:
    ports = [*cell.inputs, *cell.outputs]
    names = {pin: pin for pin in ports}
    # escaped: a cell may be called like a gate of Verilog (buf)
    lines = [f"module \\{cell.name} ({', '.join(ports)});",
             *(f"  input {pin};" for pin in cell.inputs),
             *(f"  output {pin};" for pin in cell.outputs)]
    if cell.state is not None:
        state, inverse = cell.state.state, cell.state.inverse
        names |= {state: f"_state_{state}", inverse: f"(~_state_{state})"}
        lines += _state(cell, names)
    lines += [f"  assign {pin} = {prime_sum(function).verilog(names)};"
              for pin, function in cell.functions.items()]
    return "\n".join([*lines, "endmodule", ""])


def _state(cell: PowerCell, names: dict[str, str]) -> list[str]:
    """The register, and what writes it."""
    group = cell.state
    assert group is not None
    register = names[group.state]
    lines = [f"  reg {register};"]
    forced: list[tuple[str, str]] = []
    for what, function, value in (("clear", group.clear, "0"), ("preset", group.preset, "1")):
        if function is not None:
            lines.append(f"  wire _{what} = {function.verilog(names)};")
            forced.append((f"_{what}", value))
    if len(forced) == 2:
        forced.insert(0, ("_clear & _preset", group.both))

    def choice(assign: str, last: str) -> list[str]:
        steps = [f"    {'else ' * (at > 0)}if ({test}) {register} {assign} 1'b{value};"
                 for at, (test, value) in enumerate(forced)]
        return [*steps, f"    {'else ' * bool(steps)}{last}"]

    if isinstance(group, FlipFlop):
        edges = [f"posedge {name}" for name in ("_clock", *(n for n, _ in forced if "&" not in n))]
        return [*lines, f"  wire _clock = {group.clock.verilog(names)};",
                f"  always @({' or '.join(edges)})",
                *choice("<=", f"{register} <= {prime_sum(group.next).verilog(names)};")]
    enable, data = group.enable or Function("0"), group.data or Function("0")
    return [*lines, "  always @*",
            *choice("=", f"if ({enable.verilog(names)}) {register} = {data.verilog(names)};")]
