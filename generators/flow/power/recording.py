"""All ports of a design in all cycles of a simulation of its RTL.

The product's own benches record (``tb/benches/recorder.py``): what is in the plan of a simulation
under ``record`` asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CheckFailed

__all__ = ["Recording", "record_plan", "read_recording"]

Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Recording:
    """Bits of ports, (cycles, width) each, as they are before the clock edge that ends a cycle.

    ``start``: the first cycle after the reset. ``valids``: of outputs that carry the data of a
    stream the port that says when there are any.
    """

    inputs: dict[str, Array] = field(repr=False)      #: without the clock
    outputs: dict[str, Array] = field(repr=False)
    clock: str
    start: int
    valids: dict[str, str] = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        return len(next(iter((*self.inputs.values(), *self.outputs.values()))))


def record_plan(manifest: dict[str, Any], file: Path) -> dict[str, Any]:
    """What the plan of a simulation has under ``record``: the file, and the ports in it."""
    clock = (manifest["clock"] or {}).get("port")
    return {"file": str(file), "clock": clock,
            "ports": [[port["name"], port["width"]] for port in manifest["ports"]
                      if port["name"] != clock]}


def read_recording(manifest: dict[str, Any], file: Path) -> Recording:
    """What a simulation recorded."""
    plan = record_plan(manifest, file)
    sizes = [(width + 7) // 8 for _, width in plan["ports"]]
    if not file.exists() or not sum(sizes):
        raise CheckFailed("the simulation recorded no cycle")
    rows = np.fromfile(file, np.uint8).reshape(-1, sum(sizes))
    if len(rows) < 3:
        raise CheckFailed(f"the simulation recorded {len(rows)} cycles; that is no workload")
    ends = np.cumsum(sizes)
    bits = {name: np.unpackbits(rows[:, end - size:end], axis=1, bitorder="little")[:, :width]
            for (name, width), size, end in zip(plan["ports"], sizes, ends, strict=True)}
    directions = {port["name"]: port["direction"] for port in manifest["ports"]}
    reset, start = manifest["reset"], 0
    if reset is not None and reset["port"] in bits:
        held = bits[reset["port"]][:, 0] == (reset["active"] == "high")
        start = int(np.argmax(held))                    # the first stretch of it
        start += int(np.argmin(held[start:])) if held[start:].any() else 0
    return Recording({name: value for name, value in bits.items() if directions[name] == "input"},
                     {name: value for name, value in bits.items() if directions[name] == "output"},
                     plan["clock"] or "", start,
                     {part["port"]: stream["valid"] for stream in manifest["streams"]
                      if stream["direction"] == "output" for part in stream["fields"]})
