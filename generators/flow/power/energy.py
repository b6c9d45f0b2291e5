"""Energy of counted activity, from the energies, loads and leakages of a liberty file.

A toggle of a net costs ½·C·V², C being the pins that it drives, what ``wire`` adds for each of
them, and 5 fF at an output port (what sizing assumed). A toggle inside a cell costs what its
``internal_power`` says: of an output at the load that it has, because of the input that changed;
of an input at any time. Conditions (``when``) are looked up in the state that the toggle led to.
All slews are one nominal slew. Leakage is that of the states that cells were in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ..liberty import Library
from ..timing import LOAD_FF
from .activity import SHARES, Activity, Counts
from .cells import Arc, read_cells
from .netlist import Gate, Kind, Netlist

__all__ = ["Energy", "check_energies", "loads", "measure_energy", "nominal_slew"]

Array = NDArray[Any]

#: parts of the energy of an instance: of the nets that it drives, inside it, in its clock pin
PARTS = ("switching", "internal", "clock", "leakage")


@dataclass(frozen=True)
class Energy:
    """Of each instance: joules a cycle (switching, internal, clock), watts (leakage).

    ``inputs`` joules a cycle of nets that input ports drive, ``clock_net`` of those of the clock.
    """

    gates: list[Gate] = field(repr=False)
    parts: dict[str, Array] = field(repr=False)
    inputs: float
    clock_net: float
    slew_ns: float
    volt: float

    def per_cycle(self) -> dict[str, float]:
        """Joules a cycle of the whole netlist, by kind."""
        return {"switching": float(self.parts["switching"].sum()) + self.inputs,
                "internal": float(self.parts["internal"].sum()),
                "clock": float(self.parts["clock"].sum()) + self.clock_net}

    @property
    def leakage(self) -> float:
        """Watts."""
        return float(self.parts["leakage"].sum())

    def power(self, clock_ns: float) -> dict[str, float]:
        """Watts by kind, and ``total``, at a clock period."""
        found = {name: joules / (clock_ns * 1e-9) for name, joules in self.per_cycle().items()}
        found["leakage"] = self.leakage
        return {**found, "total": sum(found.values())}


def check_energies(library: Library, names: Sequence[str]) -> None:
    """Refuse a library without energies in one line; ``names``: some of its cells."""
    if library.area_unit == "GE":
        raise UsageError("power needs the energies of a real process, which the technology-neutral "
                         "library has not; give --liberty FILE or --pdk NAME")
    cells = read_cells(library, names).cells.values()
    if not any(cell.arcs for cell in cells):
        raise UsageError(f"--liberty {', '.join(library.names)} has no internal_power in "
                         f"{', '.join(names)}; power needs a library with energies")


def loads(netlist: Netlist, library: Library, wire_ff: float = 0.0) -> Array:
    """Load of each net, in farad."""
    unit = netlist.cells.units.farad
    found = np.zeros(netlist.nets)

    def add(net: int, load: float) -> None:
        if net >= 0:
            found[net] += load + wire_ff * 1e-15

    for gate in (*netlist.gates, *netlist.flip_flops):
        pins = gate.kind.cell.capacitance
        for name, net in zip(gate.kind.variables, gate.inputs, strict=False):
            add(net, pins[name] * unit)
        if gate.kind.flip_flop:
            add(gate.clock, pins[gate.kind.cell.clock] * unit)
    for direction, nets in netlist.ports.values():
        for net in nets if direction == "output" else ():
            add(net, LOAD_FF * 1e-15)
    found[:2] = 0           # constants do not toggle
    return found


def nominal_slew(library: Library) -> float:
    """Slew, in the file's unit, in a chain of the smallest inverters that each drive four."""
    inverter = library.smallest((1, 0))
    assert inverter is not None     # load() refuses a library without one
    cell = read_cells(library, [inverter.name]).cells[inverter.name]
    load = 4 * cell.capacitance[cell.inputs[0]]
    slew = 0.0
    for _ in range(20):             # the end of the chain: it converges in a few steps
        found = [table.at(slew, load) for arc in cell.slews for table in (arc.rise, arc.fall)
                 if table is not None]
        if not found:
            raise UsageError(f"--liberty {', '.join(library.names)} has no output slew of "
                             f"{cell.name}; give a nominal slew with --slew")
        slew = float(np.mean(found))
    return slew


def measure_energy(netlist: Netlist, activity: Activity, library: Library, *,
                   slew_ns: float | None = None, wire_ff: float = 0.0) -> Energy:
    """Energies of a netlist's activity."""
    units = netlist.cells.units
    load = loads(netlist, library, wire_ff)
    slew = nominal_slew(library) if slew_ns is None else slew_ns * 1e-9 / units.second
    switching = 0.5 * load * units.volt ** 2 * activity.toggles / max(activity.cycles, 1)
    gates: list[Gate] = []
    parts: dict[str, list[Array]] = {name: [] for name in PARTS}
    driven = np.zeros(netlist.nets, bool)
    for name, members in activity.instances.items():
        kind, counts = members[0].kind, activity.counts[name]
        outputs = np.array([gate.outputs for gate in members], np.int64).reshape(len(members), -1)
        own = np.where(outputs >= 0, switching[outputs], 0.0).sum(axis=1)
        driven[outputs[outputs >= 0]] = True
        at_pins = np.where(outputs >= 0, load[outputs], 0.0) / units.farad
        scale = units.joule / max(activity.cycles, 1)
        gates += members
        parts["switching"].append(own)
        parts["internal"].append(scale * (_outputs(kind, counts, at_pins, slew)
                                          + _inputs(kind, counts, slew)))
        parts["clock"].append(scale * _clock(kind, counts, slew))
        parts["leakage"].append(units.watt * counts.rows @ _leakage(kind)
                                / max(activity.cycles, 1))
    clocks = list(netlist.clocks)
    clock_net = float(switching[clocks].sum())
    inputs = float(switching[~driven].sum()) - clock_net
    return Energy(gates, {name: np.concatenate([*found, np.zeros(0)])
                          for name, found in parts.items()}, inputs, clock_net,
                  slew * units.second * 1e9, units.volt)


def _rows(word: int, size: int) -> Array:
    return np.array([word >> row & 1 for row in range(size)], bool)


def _chosen(arcs: Sequence[Any], kind: Kind, clock: int, *, always: bool) -> list[list[Any]]:
    """For each row the entries that apply there: of each supply rail those whose condition holds,
    else those without one; ``always``: else all of them."""
    size = 1 << len(kind.variables)
    ones, values = (1 << size) - 1, kind.values(clock)
    holds = [None if arc.when is None else _rows(arc.when.value(values, ones), size)
             for arc in arcs]
    found: list[list[Any]] = []
    for row in range(size):
        mine: list[Any] = []
        for rail in dict.fromkeys(arc.rail for arc in arcs):
            some = [(arc, hold) for arc, hold in zip(arcs, holds, strict=True) if arc.rail == rail]
            fitting = [arc for arc, hold in some if hold is not None and hold[row]] or \
                [arc for arc, hold in some if hold is None] or \
                ([arc for arc, _ in some] if always else [])
            mine += [(arc, 1 / len(fitting)) for arc in fitting]
        found.append(mine)
    return found


def _edges(arc: Arc, rising: bool) -> Any:
    return arc.rise if rising else arc.fall


def _outputs(kind: Kind, counts: Counts, load: Array, slew: float) -> Array:
    """Energy, in the file's unit, of the outputs' toggles of each instance."""
    cell, size = kind.cell, 1 << len(kind.variables)
    energy = np.zeros(len(counts.rows))
    for o, pin in enumerate(cell.outputs):
        arcs = [arc for arc in cell.arcs if arc.pin == pin]
        high = _rows(kind.outputs[o], size)
        for v, name in enumerate(kind.variables):
            # a flip-flop's state changes because of its clock
            cause = cell.clock if kind.flip_flop and v == len(kind.variables) - 1 else name
            related = [arc for arc in arcs if cause in arc.related] or arcs
            if not related or not counts.outputs[:, o, v].any():
                continue
            weights: dict[tuple[int, bool], Array] = {}
            for row, mine in enumerate(_chosen(related, kind, 1, always=True)):
                for arc, share in mine:
                    key = related.index(arc), bool(high[row])
                    weights[key] = weights.get(key, 0) + share * counts.outputs[:, o, v, row]
            for (index, rising), weight in weights.items():
                table = _edges(related[index], rising)
                if table is not None:
                    energy += weight / SHARES * table.at(slew, load[:, o])
    return energy


def _at(arc: Arc, rising: bool, slew: float) -> float:
    table = _edges(arc, rising)
    return 0.0 if table is None else float(table.at(slew, 0.0))


def _inputs(kind: Kind, counts: Counts, slew: float) -> Array:
    """Energy of the inputs' own toggles, without the clock's. A clock is high half the time."""
    energy, size = np.zeros(len(counts.rows)), 1 << len(kind.variables)
    for v, name in enumerate(kind.variables):
        arcs = [arc for arc in kind.cell.arcs if arc.pin == name]
        if not arcs or not counts.inputs[:, v].any():
            continue
        high = _rows(kind.values(0)[name], size)
        for clock in (0, 1):
            each = np.array([sum(share * _at(arc, bool(high[row]), slew) for arc, share in mine)
                             for row, mine in enumerate(_chosen(arcs, kind, clock, always=False))])
            energy += counts.inputs[:, v] @ each / 2
    return energy


def _clock(kind: Kind, counts: Counts, slew: float) -> Array:
    """Energy of both edges at the clock pin, in every cycle, in the state that the cell is in."""
    arcs = [arc for arc in kind.cell.arcs if arc.pin == kind.cell.clock]
    if not arcs or not kind.flip_flop:
        return np.zeros(len(counts.rows))
    each = np.array([sum(share * (_at(arc, True, slew) + _at(arc, False, slew))
                         for arc, share in mine)
                     for mine in _chosen(arcs, kind, 0, always=False)])
    found: Array = counts.rows @ each
    return found


def _leakage(kind: Kind) -> Array:
    """Leakage in each row, in the file's unit; a clock is high half the time."""
    leaks = kind.cell.leakage
    return np.mean([[sum(share * leak.value for leak, share in mine)
                     for mine in _chosen(leaks, kind, clock, always=True)]
                    for clock in (0, 1)], axis=0)

