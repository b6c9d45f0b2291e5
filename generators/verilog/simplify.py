"""Cleaning of Amaranth's RTLIL: one name per net, no dead logic, no unused high bits.

Amaranth keeps a wire for every signal of the source, connected to the net that carries its value,
and computes sums one bit wider than their readers want. Yosys would clean that up only by turning
the readable processes into multiplexers, so it is done here. Nothing is restructured: operators,
registers and processes stay what they are.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from .rtlil import PIN, REFERENCE, Cell, Module, rename

__all__ = ["simplify"]

_CHUNK = re.compile(rf"(\d+)'([01x]+)|{REFERENCE.pattern}")

#: operators of which the low result bits depend on the low operand bits only
_MODULAR = frozenset(("$add", "$sub", "$mul", "$and", "$or", "$xor", "$not", "$neg", "$mux",
                      "$shl", "$sshl"))
#: of these, those with one such operand
_UNARY = frozenset(("$not", "$neg", "$shl", "$sshl"))
#: operators that extend the narrower operand to the wider one's width
_EXTENDING = frozenset(("$add", "$sub", "$and", "$or", "$xor", "$eq", "$ne", "$lt", "$le", "$gt",
                        "$ge"))
#: cells that only compute: equal ones are one
_COMBINATIONAL = _MODULAR | frozenset((
    "$eq", "$ne", "$lt", "$le", "$gt", "$ge", "$shr", "$sshr", "$shift",
    "$shiftx", "$divfloor", "$modfloor", "$reduce_bool", "$reduce_and", "$reduce_or",
    "$reduce_xor"))
#: without readers they may go
_PURE = _COMBINATIONAL | {"$dff", "$adff"}


#: starts of names that the source has not given to the net itself
_UNNAMED = ("$", "\\port$", "\\" + PIN)


def _result(cell: Cell) -> str:
    """The result of a pure cell."""
    return cell.ports["\\Q" if cell.type.endswith("dff") else "\\Y"]


def _read(module: Module, text: str) -> Iterator[tuple[str, int]]:
    """The wires that an expression reads, with the number of their low bits that it needs."""
    for name, high, low in REFERENCE.findall(text):
        wire = module.wires.get(name)
        if wire is not None:
            yield name, int(high or low) + 1 if low else wire.width


def _inputs(cell: Cell) -> Iterator[str]:
    for port, text in cell.ports.items():
        if cell.type not in _PURE or port not in ("\\Y", "\\Q"):
            yield text


def _process_reads(process: list[str]) -> Iterator[str]:
    for line in process[1:]:
        # assign TARGET VALUE: the target is one (sliced) wire
        yield REFERENCE.sub("", line[7:], count=1) if line.startswith("assign ") else line


def _readers(module: Module) -> dict[str, Counter[int]]:
    """For every wire: how many readers need how many of its low bits."""
    readers: dict[str, Counter[int]] = defaultdict(Counter)
    texts = [text for cell in module.cells for text in _inputs(cell)]
    texts += [text for process in module.processes for text in _process_reads(process)]
    texts += [right for _, right in module.connects]
    for text in texts:
        for name, bits in _read(module, text):
            readers[name][bits] += 1
    return readers


def _target(process: list[str]) -> str:
    match = next((m for line in process if (m := re.match(r"assign (\S+)", line))), None)
    return match[1] if match else ""


def _drop_dead(module: Module) -> dict[str, list[tuple[str, int]]]:
    """Remove aliases, cells and processes whose results are not used.

    Returns, for automatic wires, the source names (and widths) of the aliases that have gone.
    """
    names: dict[str, list[tuple[str, int]]] = defaultdict(list)
    while True:
        readers = _readers(module)

        def dead(name: str | None, readers: dict[str, Counter[int]] = readers) -> bool:
            return (name in module.wires and not readers.get(name or "")
                    and module.wires[name or ""].direction is None)

        gone = [pair for pair in module.connects if dead(module.full(pair[0]))]
        for left, right in gone:
            for name, _ in _read(module, right):
                if name.startswith(_UNNAMED):
                    whole = REFERENCE.fullmatch(right)
                    lowest = whole is not None and whole[3] in (None, "0")
                    width = module.wires[module.full(left) or ""].width
                    if lowest:
                        names[name].append((left, width))
                    elif whole is None or name.startswith("\\port$"):
                        # not a sliced operator result: its lowest bits may be unused
                        plain = re.sub(r"\$\d+$", "", left).replace("\\" + PIN, "\\")
                        names[name].append((f"{plain}_bits", 0))
        module.connects = [pair for pair in module.connects if pair not in gone] \
            if gone else module.connects
        cells = [cell for cell in module.cells
                 if cell.type not in _PURE or not dead(module.full(_result(cell)))]
        processes = [process for process in module.processes if not dead(_target(process))]
        if not gone and (len(cells), len(processes)) == (len(module.cells), len(module.processes)):
            break
        module.cells, module.processes = cells, processes
    driven = {name for cell in module.cells for text in cell.ports.values()
              for name, _ in _read(module, text)}
    driven |= {name for left, _ in module.connects for name, _ in _read(module, left)}
    driven |= {_target(process) for process in module.processes}
    module.wires = {name: wire for name, wire in module.wires.items()
                    if wire.direction or name in driven or readers.get(name)}
    return names


def _low_bits(module: Module, text: str, width: int) -> str:
    """The low ``width`` bits of an expression that has more."""
    kept: list[str] = []
    for chunk in reversed(list(_CHUNK.finditer(text))):     # concatenations: low bits last
        if not width:
            break
        bits, name = chunk[2], chunk[3]
        if bits is not None:
            take = min(width, len(bits))
            kept.append(f"{take}'{bits[-take:]}")
        else:
            low = int(chunk[5] or 0)
            whole = int(chunk[4] or chunk[5]) - low + 1 if chunk[5] else module.wires[name].width
            take = min(width, whole)
            kept.append(f"{name} [{low + take - 1}:{low}]")
        width -= take
    return kept[0] if len(kept) == 1 else "{ " + " ".join(reversed(kept)) + " }"


def _merge_equal(module: Module) -> None:
    """Merge cells that compute the same: Amaranth repeats an expression at each of its uses."""
    while True:
        first: dict[tuple[object, ...], str] = {}
        new: dict[str, str] = {}
        cells = []
        for cell in module.cells:
            result = module.full(_result(cell)) if cell.type in _COMBINATIONAL else None
            if result is not None and result[0] == "$":
                inputs = (item for item in sorted(cell.ports.items()) if item[0] != "\\Y")
                key = (cell.type, *sorted(cell.parameters), *inputs)
                if key in first:
                    new[result] = first[key]
                    continue
                first[key] = result
            cells.append(cell)
        if not new:
            return
        module.cells = cells
        for name in new:
            del module.wires[name]
        rename(module, new)


def _whole_names(module: Module) -> None:
    """Write a wire as its name where all of its bits are meant (``a``, not ``a [3:0]``)."""
    def whole(match: re.Match[str]) -> str:
        return module.full(match[0]) or match[0]

    for cell in module.cells:
        cell.ports = {port: REFERENCE.sub(whole, text) for port, text in cell.ports.items()}
    module.processes = [[process[0], *(REFERENCE.sub(whole, line) for line in process[1:])]
                        for process in module.processes]
    module.connects = [(REFERENCE.sub(whole, left), REFERENCE.sub(whole, right))
                       for left, right in module.connects]


def _bits(text: str) -> str | None:
    """The bits of a constant; a value of no width counts as 0."""
    match = re.fullmatch(r"\d+'([01]+)|\{ +\}", text)
    return None if match is None else match[1] or "0"


def _same_as(cell: Cell) -> str | None:
    """The value of a cell that computes nothing: constants, or zero plus an operand.

    A gate with one constant input stays: what synthesis makes of it depends on the structure
    around it, and the area is not to."""
    a, b = cell.ports.get("\\A", ""), cell.ports.get("\\B", "")
    constants = [_bits(a), _bits(b)]
    if cell.type in ("$eq", "$ne") and None not in constants:
        equal = int(constants[0] or "0", 2) == int(constants[1] or "0", 2)
        signed = cell.number("\\A_SIGNED") or cell.number("\\B_SIGNED")
        return None if signed else f"1'{int(equal == (cell.type == '$eq'))}"
    if cell.type in ("$and", "$or", "$xor") and None not in constants:
        width = cell.number("\\Y_WIDTH")
        left, right = (int(bits or "0", 2) for bits in constants)
        value = {"$and": left & right, "$or": left | right, "$xor": left ^ right}[cell.type]
        unsigned = not (cell.number("\\A_SIGNED") or cell.number("\\B_SIGNED"))
        return f"{width}'{value:0{width}b}" if unsigned and value >> width == 0 else None
    if cell.type == "$add" and constants[0] is not None and "1" not in constants[0]:
        # a sum that starts from nothing
        width, result = cell.number("\\B_WIDTH"), cell.number("\\Y_WIDTH")
        if cell.number("\\B_SIGNED") or result < width:
            return None
        return f"{{ {result - width}'{'0' * (result - width)} {b} }}" if result > width else b
    return None


def _fold(module: Module) -> None:
    """Operators that compute nothing go."""
    while True:
        for cell in module.cells:
            result = module.full(_result(cell)) if cell.type in _COMBINATIONAL else None
            text = _same_as(cell) if result is not None else None
            if result is None or text is None:
                continue
            if result[0] != "$":
                module.cells.remove(cell)
                module.connects.append((result, text))
                break
            sliced = re.compile(re.escape(result) + r" \[")
            if not any(sliced.search(use) for use in _uses(module) if use != cell.ports["\\Y"]):
                module.cells.remove(cell)
                del module.wires[result]
                rename(module, {result: text})
                break
        else:
            return


def _uses(module: Module) -> Iterator[str]:
    """All expressions of a module."""
    for cell in module.cells:
        yield from cell.ports.values()
    for process in module.processes:
        yield from process[1:]
    for pair in module.connects:
        yield from pair


def _narrow(module: Module) -> None:
    """Give operators the width that their readers need (an adder's unused carry goes)."""
    readers = _readers(module)
    drivers = {}
    for cell in module.cells:
        if cell.type in _MODULAR:
            name = module.full(_result(cell))
            if name is not None and module.wires[name].direction is None:
                drivers[name] = cell
    work = list(drivers)
    while work:
        name = work.pop()
        cell, wire = drivers[name], module.wires[name]
        needed = max((bits for bits, count in readers[name].items() if count), default=wire.width)
        operands = ("\\A",) if cell.type in _UNARY else ("\\A", "\\B")
        widths = {port: cell.number("\\WIDTH" if cell.type == "$mux" else f"{port}_WIDTH")
                  for port in operands}
        new = {port: _low_bits(module, cell.ports[port], needed)
               for port in operands if widths[port] > needed}
        wire.width = needed
        cell.ports["\\Y"] = name
        cell.set_number("\\WIDTH" if cell.type == "$mux" else "\\Y_WIDTH", needed)
        for port, text in new.items():
            for operand, bits in _read(module, cell.ports[port]):
                readers[operand][bits] -= 1
            cell.ports[port] = text
            if cell.type != "$mux":
                cell.set_number(f"{port}_WIDTH", needed)
            for operand, bits in _read(module, text):
                readers[operand][bits] += 1
                if operand in drivers:
                    work.append(operand)


def _widen_constants(module: Module) -> None:
    """Write constants as wide as the operand that they meet (``x + 8'h01``, not ``x + 1'h1``)."""
    for cell in module.cells:
        if cell.type in _EXTENDING:
            for port, other in (("\\A", "\\B"), ("\\B", "\\A")):
                # a zero of no width is written "{  }"
                constant = re.fullmatch(r"(?:\d+'([01]+))|\{ +\}", cell.ports[port])
                width = cell.number(f"{other}_WIDTH")
                if constant and len(bits := constant[1] or "0") < width:
                    fill = bits[0] if cell.number(f"{port}_SIGNED") else "0"
                    cell.ports[port] = f"{width}'{bits.rjust(width, fill)}"
                    cell.set_number(f"{port}_WIDTH", width)


def simplify(module: Module) -> None:
    """Clean one module in place."""
    new: dict[str, str] = {}
    # An output that merely repeats an internal wire takes that wire's place.
    connects = []
    for left, right in module.connects:
        port, wire = module.full(left), module.full(right)
        if (port and wire and module.wires[port].direction == "output" and wire not in new
                and module.wires[wire].direction is None):
            new[wire] = port
            if wire[0] == "\\":
                module.port_names[port] = wire
        else:
            connects.append((left, right))
            source = REFERENCE.fullmatch(right)
            if port and source and source[1][0] == "\\":
                module.port_names[port] = f"{source[1]}_bits"
    module.connects = connects
    for wire in new:
        del module.wires[wire]
    rename(module, new)

    _whole_names(module)
    _fold(module)
    _merge_equal(module)
    names = _drop_dead(module)
    _narrow(module)
    _drop_dead(module)
    _widen_constants(module)
    new, taken = {}, set(module.wires)
    for wire, aliases in names.items():
        if wire in module.wires:
            width = module.wires[wire].width
            for alias, bits in sorted(aliases, key=lambda pair: pair[0].startswith("\\" + PIN)):
                if bits in (0, width) and alias not in taken:
                    (module.port_names if wire.startswith("\\port$") else new)[wire] = alias
                    taken.add(alias)
                    break
    rename(module, new)
