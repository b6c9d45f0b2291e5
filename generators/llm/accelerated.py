"""Backends on the accelerator: the golden simulator, its cycle model alone, the simulated RTL.

All compile the model first. ``golden`` and ``rtl`` run the same programs and give the same bits;
``cycles`` gives float32 products (of the same float16 activations) and counts.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.accelerator.cycles import timeline
from lowbit.golden.accelerator.isa import INSTRUCTION_BITS, Error, from_bytes
from lowbit.golden.accelerator.parameters import AccelParameters

from ..compiler.importers import open_model
from ..compiler.pipeline import compile_model
from ..compiler.program import Program
from ..compiler.target import read_target
from ..runtime.accelerator import Accelerator, Device, golden
from ..runtime.driver import Driver
from ..weights.gguf_file import GgufFile
from .float32 import Float32

__all__ = ["Accelerated", "Cycles", "Golden", "Rtl", "part_of", "target_of"]

Array = NDArray[Any]
Names = tuple[str, ...]
Calls = tuple[Names, ...]

#: cycles from an address to its first beat, in simulation and model
LATENCY = 60


def target_of(target: Path | None) -> AccelParameters:
    """The accelerator: of a manifest, or one that takes weights of 8 bits, as output heads have."""
    return AccelParameters(w_bits=8) if target is None else read_target(target)


def part_of(names: Names) -> str:
    """Which layer of a block a call is: the matrices' names without the block's number."""
    words = [[word for word in name.split(".") if word not in ("blk", "weight")
              and not word.isdigit()] for name in names]
    return "+".join(".".join(some) for some in words)


class _Counted:
    """A device that adds up what its programs take, by the cycle model and by its own counters."""

    def __init__(self, p: AccelParameters, inner: Device) -> None:
        self.p, self.inner = p, inner
        self.memory, self.bases = inner.memory, inner.bases
        self.part = ""
        self.totals: Counter[str] = Counter()
        self.parts: Counter[str] = Counter()
        self._known: dict[bytes, tuple[int, int, int]] = {}

    def run(self, address: int, instructions: int) -> Error:
        code = self.inner.run(address, instructions)
        raw = self.memory[address:address + instructions * INSTRUCTION_BITS // 8].tobytes()
        cycles, beats, moved = self.count(raw)
        self.totals.update(model_cycles=cycles, weight_beats=beats, bus_bytes=moved, programs=1)
        if isinstance(self.inner, Driver):
            own = self.inner.counters()
            bus = (own.read_beats + own.write_beats) * self.p.axi_data // 8
            self.totals.update(rtl_cycles=own.cycles, rtl_weight_beats=own.beats,
                               rtl_bus_bytes=bus)
            cycles = own.cycles
        self.parts[self.part] += cycles
        return code

    def count(self, program: bytes) -> tuple[int, int, int]:
        """Cycles, weight beats and bytes on the bus of a program, by the model."""
        key = hashlib.sha256(program).digest()
        if key not in self._known:
            found = timeline(self.p, from_bytes(program), LATENCY)
            moved = (found.read_beats + found.write_beats) * self.p.axi_data // 8
            self._known[key] = (found.cycles, found.beats, moved)
        return self._known[key]

    def report(self) -> dict[str, Any]:
        """Totals, and the share of each layer in the cycles."""
        whole = max(self.parts.total(), 1)
        shares = {f"share_of_{part}": f"{100 * cycles / whole:.1f} %"
                  for part, cycles in self.parts.most_common()}
        return dict(self.totals) | shares


class Accelerated(ABC):
    """A model's matrices on a device that runs programs."""

    activations = np.float16

    def __init__(self, file: GgufFile, calls: Calls, target: Path | None = None) -> None:
        self.p = target_of(target)
        self.program: Program = compile_model(self.p, open_model(file.path), (1,)).program
        self.accelerator = Accelerator(self.program, self._device)

    def _device(self, p: AccelParameters, memory: Array) -> Device:
        self.counted = _Counted(p, self.make(p, memory))
        return self.counted

    @abstractmethod
    def make(self, p: AccelParameters, memory: Array) -> Device:
        """What runs the programs."""

    def linear(self, names: Names, x: Array) -> tuple[Array, ...]:
        self.counted.part = part_of(names)
        return self.accelerator.linear(names, x)

    def report(self) -> dict[str, Any]:
        return self.counted.report()


class Golden(Accelerated):
    """The golden simulator."""

    def make(self, p: AccelParameters, memory: Array) -> Device:
        return golden(p, memory)


class Rtl(Accelerated):
    """The RTL, simulated with memory and buses beside it."""

    def make(self, p: AccelParameters, memory: Array) -> Device:
        from ..runtime.rtl import rtl

        return rtl(p, memory, latency=LATENCY)


class Cycles(Float32):
    """Products in float32, and what they would take: the cycle model of the compiled programs."""

    activations = np.float16

    def __init__(self, file: GgufFile, calls: Calls, target: Path | None = None) -> None:
        super().__init__(file, calls)
        self.p = target_of(target)
        self.program = compile_model(self.p, open_model(file.path), (1,)).program
        self.counted = _Counted(self.p, golden(self.p, np.zeros(0, np.uint8)))

    def linear(self, names: Names, x: Array) -> tuple[Array, ...]:
        cycles, beats, moved = self.counted.count(self.program.call(names, len(x)).code)
        self.counted.totals.update(model_cycles=cycles, weight_beats=beats, bus_bytes=moved,
                                   programs=1)
        self.counted.parts[part_of(names)] += cycles
        return super().linear(names, x.astype(np.float32))

    def report(self) -> dict[str, Any]:
        return self.counted.report()
