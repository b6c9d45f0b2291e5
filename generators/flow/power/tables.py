"""Tables of a liberty file over slew and load, and units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from .liberty import Group

__all__ = ["Table", "Units", "read_table", "read_units"]

Array = NDArray[np.float64]

_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}


@dataclass(frozen=True)
class Units:
    """What one unit of the library is in SI units, and its voltage in volts.

    The unit of ``internal_power`` is not stated in the file: it is that of C·V², by definition.
    """

    farad: float
    second: float
    watt: float         #: of leakage
    joule: float
    volt: float         #: the supply, not a unit


def _unit(library: Group, name: str, letter: str, default: str = "") -> float:
    text = library.get(name, default).replace(",", " ")
    match = re.fullmatch(rf"\s*([\d.eE+-]+)\s*([munpfa]?){letter}\s*", text, re.I)
    if match is None:
        raise UsageError(f"--liberty {library.name} needs a {name} for power; it "
                         + (f"has '{text}'" if text else "has none"))
    return float(match[1]) * _PREFIX[match[2].lower()]


def read_units(library: Group) -> Units:
    """Units of a file. Raises :class:`UsageError` where one is missing."""
    farad = _unit(library, "capacitive_load_unit", "f", "1 pf")
    volt = _unit(library, "voltage_unit", "v", "1V")
    supply = library.number("nom_voltage")
    if not supply or supply < 0:
        raise UsageError(f"--liberty {library.name} needs a nom_voltage of more than 0 for power; "
                         f"it has {library.get('nom_voltage', 'none')}")
    return Units(farad, _unit(library, "time_unit", "s", "1ns"),
                 _unit(library, "leakage_power_unit", "w", "1nW"), farad * volt * volt,
                 supply * volt)


@dataclass(frozen=True)
class Table:
    """Values over slew and load, in the units of the file; one point where it knows only one."""

    slews: Array
    loads: Array
    values: Array       #: (slews, loads)

    def at(self, slew: float, load: Any) -> Array:
        """Values for a slew and any number of loads: between points, and beyond, linearly."""
        return _linear(self.loads, _linear(self.slews, self.values, np.array([slew]))[0],
                       np.asarray(load, np.float64))


def _linear(points: Array, values: Array, at: Array) -> Array:
    """Values, along their first axis, at some places."""
    if len(points) == 1:
        return np.broadcast_to(values[0], (*at.shape, *values.shape[1:])).astype(np.float64)
    low = np.clip(np.searchsorted(points, at) - 1, 0, len(points) - 2)
    share = (at - points[low]) / (points[low + 1] - points[low])
    share = share.reshape((*at.shape, *(1,) * (values.ndim - 1)))
    found: Array = values[low] * (1 - share) + values[low + 1] * share
    return found


def read_table(group: Group | None, templates: Mapping[str, Group]) -> Table | None:
    """A table group (``rise_power``, ``cell_rise``, ...); axes from its template where it has
    none of its own."""
    if group is None or not (values := group.numbers("values")):
        return None
    template = templates.get(group.name, Group("", ""))
    axes = {"slew": np.zeros(1), "load": np.zeros(1)}
    order = []
    for number in (1, 2, 3):
        variable = template.get(f"variable_{number}")
        points = group.numbers(f"index_{number}") or template.numbers(f"index_{number}")
        if not points or not (variable or template.kind == ""):
            continue
        axis = "load" if "capacitance" in variable or (not variable and number == 2) else "slew"
        if number == 3 or axis in order:
            raise UsageError(f"--liberty: table {group.name} has axes that are not one slew and "
                             "one load")
        order.append(axis)
        axes[axis] = np.array(points)
    shape = [len(axes[axis]) for axis in order]
    if len(values) != int(np.prod(shape, dtype=int)):
        raise UsageError(f"--liberty: table {group.name} has {len(values)} values for "
                         f"{' x '.join(map(str, shape)) or 1} points")
    array = np.array(values).reshape(shape)
    if order == ["load", "slew"]:
        array = array.T
    return Table(axes["slew"], axes["load"],
                 array.reshape(len(axes["slew"]), len(axes["load"])))
