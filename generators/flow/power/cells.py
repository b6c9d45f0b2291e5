"""What simulation and power need of a cell: functions, loads, energies, leakage."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...errors import UsageError
from ..liberty import Library
from .functions import Function, FunctionError, parse
from .liberty import Group, read_groups
from .tables import Table, Units, read_table, read_units

__all__ = ["Arc", "Cells", "FlipFlop", "PowerCell", "Latch", "Leakage", "read_cells"]


@dataclass(frozen=True)
class Arc:
    """Energies of a toggle of ``pin``: of an output, because of ``related``; or of an input."""

    pin: str
    related: frozenset[str]
    when: Function | None
    rail: str                   #: energies of several supply rails are added
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Leakage:
    when: Function | None
    rail: str
    value: float


@dataclass(frozen=True)
class FlipFlop:
    """An ``ff`` group: ``state`` and ``inverse`` are names that output functions use."""

    state: str
    inverse: str
    clock: Function
    next: Function
    clear: Function | None
    preset: Function | None
    both: str                   #: the state where clear and preset hold: 0, 1 or x


@dataclass(frozen=True)
class Latch:
    """A ``latch`` group."""

    state: str
    inverse: str
    enable: Function | None
    data: Function | None
    clear: Function | None
    preset: Function | None
    both: str


@dataclass(frozen=True)
class PowerCell:
    """A cell; loads in the file's unit, energies and leakages as the file has them."""

    name: str
    area: float
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    functions: dict[str, Function]
    capacitance: dict[str, float]
    state: FlipFlop | Latch | None = None
    arcs: tuple[Arc, ...] = field(default=(), repr=False)
    leakage: tuple[Leakage, ...] = field(default=(), repr=False)
    #: slew of an output, because of an input: for the nominal slew
    slews: tuple[Arc, ...] = field(default=(), repr=False)

    @cached_property
    def clock(self) -> str:
        """The clock pin of a flip-flop of the rising edge; "" of any other cell."""
        found = self.state.clock.name if isinstance(self.state, FlipFlop) else ""
        return found if found in self.inputs else ""


@dataclass(frozen=True)
class Cells:
    """Cells by name, and the units of their file."""

    cells: dict[str, PowerCell]
    units: Units


def _function(cell: str, text: str) -> Function | None:
    if not text:
        return None
    try:
        return parse(text)
    except FunctionError as error:
        raise UsageError(f"--liberty: cell {cell}: {error}") from None


def _state(cell: Group) -> FlipFlop | Latch | None:
    group = next(cell.all("ff", "latch"), None)
    if group is None:
        return None
    state, inverse = ([word.strip() for word in group.name.split(",")] + [""])[:2]
    clear, preset = (_function(cell.name, group.get(name)) for name in ("clear", "preset"))
    both = {"L": "0", "H": "1"}.get(group.get("clear_preset_var1").strip(), "x")
    if group.kind == "latch":
        return Latch(state, inverse, _function(cell.name, group.get("enable")),
                     _function(cell.name, group.get("data_in")), clear, preset, both)
    clock = _function(cell.name, group.get("clocked_on"))
    following = _function(cell.name, group.get("next_state"))
    if clock is None or following is None:
        raise UsageError(f"--liberty: flip-flop {cell.name} has no clocked_on or no next_state")
    return FlipFlop(state, inverse, clock, following, clear, preset, both)


def _arcs(cell: str, pin: Group, kind: str, tables: tuple[str, str],
          templates: Mapping[str, Group]) -> list[Arc]:
    found = []
    for group in pin.all(kind):
        rise, fall = (read_table(next(group.all(name, "power"), None), templates)
                      for name in tables)
        if rise is not None or fall is not None:
            found.append(Arc(pin.name, frozenset(group.get("related_pin").split()),
                             _function(cell, group.get("when")), group.get("related_pg_pin"),
                             rise, fall))
    return found


def _cell(group: Group, templates: Mapping[str, Group]) -> PowerCell:
    pins = list(group.all("pin"))
    if next(group.all("bus", "bundle", "ff_bank", "latch_bank", "statetable"), None) is not None:
        raise UsageError(f"--liberty: cell {group.name} is described by a state table, or has pins "
                         "in bundles; only cells of functions, ff and latch groups are simulated")
    inputs = tuple(pin.name for pin in pins if pin.get("direction") == "input")
    outputs = tuple(pin.name for pin in pins if pin.get("direction") == "output")
    functions = {}
    for pin in pins:
        if pin.name in outputs and not pin.get("three_state"):
            function = _function(group.name, pin.get("function"))
            if function is not None:
                functions[pin.name] = function
    missing = [name for name in outputs if name not in functions]
    if missing or len(inputs) + len(outputs) != len(pins):
        what = f"output {missing[0]}" if missing else "a pin that is neither input nor output"
        raise UsageError(f"--liberty: cell {group.name} has {what} without a function; it cannot "
                         "be simulated")
    arcs = [arc for pin in pins for arc in _arcs(group.name, pin, "internal_power",
                                                 ("rise_power", "fall_power"), templates)]
    slews = [arc for pin in pins for arc in _arcs(group.name, pin, "timing",
                                                  ("rise_transition", "fall_transition"),
                                                  templates)]
    leakage = [Leakage(_function(group.name, x.get("when")), x.get("related_pg_pin"),
                       x.number("value", 0.0) or 0.0) for x in group.all("leakage_power")]
    whole = group.number("cell_leakage_power")
    if whole is not None and not any(x.when is None for x in leakage):
        leakage.append(Leakage(None, leakage[0].rail if leakage else "", whole))
    return PowerCell(group.name, group.number("area", 0.0) or 0.0, inputs, outputs, functions,
                     {pin.name: pin.number("capacitance", 0.0) or 0.0 for pin in pins},
                     _state(group), tuple(arcs), tuple(leakage), tuple(slews))


def read_cells(library: Library, names: Collection[str]) -> Cells:
    """The cells of these names. Raises :class:`UsageError` for one that cannot be simulated."""
    cells: dict[str, PowerCell] = {}
    units: list[Units] = []
    for data in library.originals:
        head, groups = read_groups(data, names)
        templates = {group.name: group for group in
                     head.all("power_lut_template", "lu_table_template")}
        cells |= {name: _cell(group, templates) for name, group in groups.items()}
        units.append(read_units(head))
    unknown = sorted(set(names) - set(cells))
    if unknown:
        raise UsageError(f"--liberty {', '.join(library.names)} has no cell {unknown[0]}; name all "
                         "files of the library")
    if len(set(units)) > 1:
        raise UsageError("--liberty files must share their units and voltage; these do not")
    return Cells(cells, units[0])


def variables(cell: PowerCell) -> Sequence[str]:
    """What a cell's outputs depend on at any time: inputs but the clock, then its state."""
    state = [cell.state.state] if cell.state is not None else []
    return [*(pin for pin in cell.inputs if pin != cell.clock), *state]
