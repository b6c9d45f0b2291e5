"""Records all ports of a design in every cycle, where the plan of a simulation asks for it.

A cycle is one row of bytes, the ports one after another, least significant byte first
(``generators/flow/power/recording.py`` asks, and reads it).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

__all__ = ["Recorder", "start_recording"]


class Recorder:
    """Writes a row whenever :meth:`sample` is called; does nothing where the plan has no
    ``record``."""

    def __init__(self, dut: Any, plan: dict[str, Any]) -> None:
        asked = plan.get("record")
        self.clock: Any = None
        self.handles: list[tuple[Any, int]] = []
        if asked is not None:
            self.clock = getattr(dut, asked["clock"]) if asked["clock"] else None
            self.handles = [(getattr(dut, name), (width + 7) // 8)
                            for name, width in asked["ports"]]
            # open until the simulator's process ends
            self.file = Path(asked["file"]).open("wb")      # noqa: SIM115

    def sample(self) -> None:
        """The ports as they are now."""
        if self.handles:
            self.file.write(b"".join(int(handle.value).to_bytes(size, "little")
                                     for handle, size in self.handles))
            self.file.flush()

    async def run(self) -> None:
        """A row for every rising edge of the clock: reads give the values from before it."""
        edge = RisingEdge(self.clock)
        while True:
            await edge
            self.sample()


def start_recording(dut: Any, plan: dict[str, Any]) -> None:
    """Record every cycle of the clock until the simulation ends, if the plan says so."""
    recorder = Recorder(dut, plan)
    if recorder.clock is not None:
        cocotb.start_soon(recorder.run())
