"""Names of a netlist as the source has them.

Yosys names what it makes after its surroundings (``step_0.entry_TRELLIS_FF_Q_5_DI_CCU2C_S1``),
and nextpnr adds ends. Nets that the source names are marked before synthesis; of all marked names
of a net, the one where its register is declared is meant, else the least deep.
"""

from __future__ import annotations

import re
from typing import Any

from .devices import Device
from .synthesis import Netlist

__all__ = ["Names"]

#: ends that nextpnr gives to a cell: logic cells of iCE40, halves of ECP5's carry cells
_ENDS = re.compile(r"(_LC|_DFFLC|\$CCU2_COMB[01])$")
#: pieces of a memory, one for each block: columns, rows
_PARTS = re.compile(r"(\.\d+)+$")
#: what the emission calls nets of expressions, which have no name in the source
_UNNAMED = re.compile(r"(.*\.)?_\d+_")
#: ports of a flip-flop that are not data
_CONTROLS = {"CE": "enable", "CEN": "enable", "LSR": "reset", "SR": "reset", "RESET": "reset",
             "SET": "set"}


class Names:
    """Source names of a netlist's nets and registers, without the instance ``inside`` of which
    the design is (a wrapper's)."""

    def __init__(self, netlist: Netlist, inside: str = "") -> None:
        self._nets: dict[str, Any] = netlist.module["netnames"]
        self._cells: dict[str, Any] = netlist.module["cells"]
        self._prefix = f"{inside}." if inside else ""
        found: dict[int, tuple[tuple[bool, bool, int, int, str], str]] = {}
        for name, net in self._nets.items():
            marks = net["attributes"]
            if "source" not in marks or _UNNAMED.fullmatch(name):
                continue
            rank = (not name.startswith(self._prefix), "register" not in marks, name.count("."),
                    len(name), name)
            for index, bit in enumerate(net["bits"]):
                if isinstance(bit, int) and (bit not in found or rank < found[bit][0]):
                    found[bit] = rank, self._text(name, index, len(net["bits"]))
        self._names = {bit: text for bit, (_, text) in found.items()}
        # iCE40: a logic cell is named after its LUT
        self._registers = {cell["connections"]["D"][0]: name
                           for name, cell in self._cells.items() if "D" in cell["connections"]}

    def _text(self, name: str, index: int, width: int) -> str:
        return name.removeprefix(self._prefix) + (f"[{index}]" if width > 1 else "")

    def of_net(self, net: str) -> str | None:
        """The source's name of one of nextpnr's nets; None where it has none."""
        bits = self._nets.get(net, {}).get("bits", ())
        if len(bits) == 1:
            return self._names.get(bits[0])
        found = re.fullmatch(r"(.*)\[(\d+)\]", net)
        bits = self._nets.get(found[1], {}).get("bits", ()) if found else ()
        return self._names.get(bits[int(found[2])]) if found and int(found[2]) < len(bits) else None

    def of_register(self, cell: str, port: str = "") -> str | None:
        """The source's name of a register, by its cell; a ``port`` that is not data is added."""
        cell = _ENDS.sub("", cell)
        connections = self._cells.get(cell, {}).get("connections", {})
        output = connections.get("O", [None])[0]
        if "Q" not in connections and output in self._registers:
            connections = self._cells[self._registers[output]]["connections"]
        name = self._names.get(connections.get("Q", [None])[0])
        control = _CONTROLS.get(port)
        return f"{name} ({control})" if name and control else name

    def of_cell(self, cell: str) -> str:
        """A cell that is no register of the source, without what tools put before and behind: a
        memory, by its name there."""
        return _PARTS.sub("", _ENDS.sub("", cell).removeprefix(self._prefix))

    def registers_from(self, line: int, device: Device) -> int:
        """Flip-flops that the Verilog describes in this line or after it."""
        patterns = device.tools.cells["FF"]
        places = (cell["attributes"].get("src", "") for cell in self._cells.values()
                  if any(re.fullmatch(pattern, cell["type"]) for pattern in patterns))
        starts = (re.match(r"design\.v:(\d+)", place) for place in places)
        return sum(start is not None and int(start[1]) >= line for start in starts)
