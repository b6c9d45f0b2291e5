"""A model's linear layers on a device that runs compiled programs.

Memory, from its start: weights, programs, room for a program that is made on the fly, activations,
results. Activations and results of all calls share their place, as calls come one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.accelerator.device import Device as GoldenDevice
from lowbit.golden.accelerator.isa import Error
from lowbit.golden.accelerator.parameters import AccelParameters

from ..compiler.calls import ACTIVATIONS, RESULTS, WEIGHTS
from ..compiler.image import PAGE
from ..compiler.program import Call, Program
from ..errors import UsageError

__all__ = ["Accelerator", "Device", "DeviceError", "golden"]

Array = NDArray[Any]
Names = tuple[str, ...]

#: rows of one call at least that there is room for; more go in several calls
ROWS = 64


class Device(Protocol):
    """What runs a program: the golden simulator, a simulated or a real accelerator."""

    memory: Array               #: uint8, shared with the host
    bases: list[int]            #: the eight base addresses, bytes

    def run(self, address: int, instructions: int) -> Error:
        """Run the program at ``address`` to its end."""


class DeviceError(RuntimeError):
    """A device refused a program."""


class _Golden(GoldenDevice):
    def run(self, address: int, instructions: int, seed: int | None = None) -> Error:
        self.forget()
        return super().run(address, instructions, seed)


def golden(p: AccelParameters, memory: Array) -> GoldenDevice:
    """The golden simulator."""
    return _Golden(p, memory)


class Accelerator:
    """Implements ``linear`` of a host model; ``device`` makes a device of parameters and memory.

    :class:`UsageError` for a design whose activations are not the host's.
    """

    activations = np.float16

    def __init__(self, program: Program,
                 device: Callable[[AccelParameters, Array], Device] = golden) -> None:
        p = program.p
        if p.a_format != "fp16":
            raise UsageError(f"the host's activations are fp16; this design has {p.a_format}")
        self.program = program
        self._rows = max(ROWS, *program.rows)
        sizes = {"weights": len(program.image), "programs": len(program.code),
                 **program.sizes(self._rows)}
        at, self.map = 0, {}
        for name, size in sizes.items():
            self.map[name] = at
            at += -(-size // PAGE) * PAGE
        memory = np.zeros(at, np.uint8)
        for name, data in (("weights", program.image), ("programs", program.code)):
            memory[self.map[name]:self.map[name] + len(data)] = np.frombuffer(data, np.uint8)
        self.device = device(p, memory)
        self.memory = self.device.memory
        bases = {WEIGHTS: "weights", ACTIVATIONS: "activations", RESULTS: "results"}
        for register, name in bases.items():
            self.device.bases[register] = self.map[name]
        self.calls = self.rows = 0

    def inputs(self, names: Names, rows: int) -> Array:
        """Where the accelerator reads a call's activations: float16 (rows, k), for a host that
        writes them there itself (a fused norm) and gives it to :meth:`linear`. At most 64 rows, or
        as many as were compiled."""
        if rows > self._rows:
            raise UsageError(f"rows must be at most {self._rows} here; got {rows}")
        return self._inputs(self.program.call(names, rows))

    def linear(self, names: Names, x: Array) -> tuple[Array, ...]:
        """Products of float16 rows (rows, k) with matrices that share them: float32 (rows, n)."""
        x = np.asarray(x)
        if x.dtype != np.float16 or x.ndim != 2 or not len(x):
            raise UsageError(f"activations must be float16 of shape (rows, k); got {x.dtype} of "
                             f"shape {x.shape}")
        if names in self.program.calls:
            parts = [self._call(names, x[at:at + self._rows])
                     for at in range(0, len(x), self._rows)]
            return tuple(np.concatenate(some) for some in zip(*parts, strict=True))
        if len(names) < 2:
            raise UsageError(f"the program has no matrix {', '.join(names)}")
        return tuple(y for name in names for y in self.linear((name,), x))

    def report(self) -> dict[str, Any]:
        """Memory, and what has run."""
        return {"memory_bytes": len(self.memory), "memory_map": self.map, "calls": self.calls,
                "rows": self.rows}

    def _inputs(self, call: Call) -> Array:
        flat = self._region("activations", call.activation_bytes)
        return flat.reshape(call.rows, call.pitch).view(np.float16)[:, :call.k]

    def _region(self, name: str, size: int) -> Array:
        return self.memory[self.map[name]:self.map[name] + size]

    def _call(self, names: Names, x: Array) -> Sequence[Array]:
        call = self.program.call(names, len(x))
        if x.shape[1] != call.k:
            raise UsageError(f"{names[0]} has {call.k} inputs; got {x.shape[1]}")
        place = self._inputs(call)
        if not (x.ctypes.data == place.ctypes.data and x.strides == place.strides):
            place[:] = x
        if call.address is None:
            self._region("program", len(call.code))[:] = np.frombuffer(call.code, np.uint8)
        at = self.map["program"] if call.address is None else self.map["programs"] + call.address
        code = self.device.run(at, call.instructions)
        if code is not Error.NONE:
            raise DeviceError(f"{', '.join(names)}, {call.rows} rows: the device says {code.name}")
        self.calls, self.rows = self.calls + 1, self.rows + call.rows
        found = self._region("results", call.result_bytes)
        return [found[out.place:out.place + call.rows * out.pitch]
                .reshape(call.rows, out.pitch).view("<f4")[:, :out.n].copy()
                for out in call.outputs]
