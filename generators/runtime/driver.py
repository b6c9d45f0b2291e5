"""The driver of an accelerator: programs by its registers and its memory.

The same code drives whatever has registers and memory: the Verilated RTL
(:class:`~..flow.native.Board`), the golden simulator behind the same registers
(:class:`~.golden.GoldenRegisters`) and hardware (:class:`~.mapped.Mapped`). Offsets and masks are
those of the register map (``hdl/accelerator/registers.py``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.accelerator.isa import (
    BLOCK,
    INSTRUCTION_BITS,
    Error,
    Instruction,
    to_bytes,
)
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.registers import Register, RegisterField
from lowbit.hdl.accelerator.registers import registers_of

from ..errors import UsageError

__all__ = ["Counters", "DeviceError", "Driver", "Interrupting", "Registers"]


class Registers(Protocol):
    """An accelerator: registers of 32 bits at byte offsets, and memory that it shares."""

    memory: NDArray[np.uint8]

    def read32(self, offset: int) -> int:
        """Read a register."""

    def write32(self, offset: int, value: int) -> None:
        """Write a register."""


@runtime_checkable
class Interrupting(Protocol):
    """Registers that know of the interrupt; others are polled."""

    def wait(self) -> bool:
        """Wait for the interrupt for a while; False where it has not come."""


class DeviceError(RuntimeError):
    """A program ended with an error, or not at all; the message is one line."""

    def __init__(self, message: str, code: Error = Error.NONE) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Counters:
    """What the device counted since the last start, modulo 2**32."""

    cycles: int         #: cycles in which the program ran
    beats: int          #: weight beats that the core took
    stall_load: int     #: cycles in which an LMMA waited for a token of load
    stall_store: int    #: cycles in which an LMMA waited for a token of store
    stall_core: int     #: cycles in which weights waited for the core
    read_beats: int     #: beats read from memory
    write_beats: int    #: beats written to memory


class Driver:
    """Runs programs on ``device``, which must be of the parameters ``p``.

    ``bases``: the eight base addresses in bytes, and ``settings``, registers that belong to the
    engine by their names, are written before each program; ``origin``: the bus
    address of the first byte of the device's memory, added to all addresses; ``timeout``: seconds
    after which a program that is not over has failed. :class:`UsageError` for a device of other
    parameters.
    """

    def __init__(self, p: AccelParameters, device: Registers, *, origin: int = 0,
                 timeout: float = 60.0) -> None:
        if origin % BLOCK:
            raise UsageError(f"memory must begin at a multiple of {BLOCK}; got {origin:#x}")
        self.p, self.device, self.origin, self.timeout = p, device, origin, timeout
        self.memory = device.memory
        self.bases = [0] * 8
        self.settings = dict.fromkeys(p.compute.settings, 0)
        self._map = registers_of(p)
        self._check()

    # -- registers ----------------------------------------------------------------------------
    def read(self, register: str) -> int:
        """A register by its name in the map."""
        return self.device.read32(self._map[register].address)

    def write(self, register: str, value: int) -> None:
        """Write a register by its name in the map."""
        self.device.write32(self._map[register].address, value)

    def fields(self, register: str) -> dict[str, int]:
        """A register's fields, read at once."""
        value = self.read(register)
        return {field.name: (value & field.mask) >> field.low
                for field in self._map[register].fields}

    def capabilities(self) -> dict[str, dict[str, int]]:
        """What the device says that it is: the fields of its constant registers."""
        return {register.name: self.fields(register.name) for register in self._map.registers
                if _is_constant(register)}

    def _check(self) -> None:
        for name, found in self.capabilities().items():
            for field in self._map[name].fields:
                # a newer map of the same kind only adds
                newer = (name, field.name) == ("VERSION", "minor")
                value = found[field.name]
                if value < field.reset if newer else value != field.reset:
                    raise UsageError(f"the device is another design: its {name}.{field.name} is "
                                     f"{_shown(field, value)}, not {_shown(field, field.reset)}")

    # -- programs -----------------------------------------------------------------------------
    def load(self, program: Iterable[Instruction], address: int) -> int:
        """Write a program to memory at ``address``; the number of its instructions."""
        data = np.frombuffer(to_bytes(program), np.uint8)
        if address % BLOCK or not 0 <= address <= len(self.memory) - len(data):
            raise UsageError(f"a program of {len(data)} bytes must lie in memory at a multiple of "
                             f"{BLOCK}; got {address:#x}")
        self.memory[address:address + len(data)] = data
        return len(data) * 8 // INSTRUCTION_BITS

    def start(self, address: int, instructions: int) -> None:
        """Start the program at ``address``."""
        for i, base in enumerate(self.bases):
            self._write_address(f"BASE_{i}", base)
        for name, value in self.settings.items():
            self.write(name, value)
        self._write_address("PROG", address)
        self.write("PROG_LEN", instructions)
        if self.fields("STATUS")["busy"]:
            raise DeviceError("the device runs a program")
        self.write("CTRL", self._mask("CTRL", "start", "irq_en"))

    def abort(self) -> None:
        """End what runs; :meth:`finish` then says ABORTED, or that it was over before."""
        self.write("CTRL", self._mask("CTRL", "abort", "irq_en"))

    def finish(self) -> Error:
        """Wait for the program's end, and clear it; the error with which it ended. An END that
        does not interrupt is found by its status."""
        if not self._is_over():
            raise DeviceError(f"the program does not end; {self.read('PC')} instructions have gone "
                              "to their units")
        status = self.fields("STATUS")
        self.write("STATUS", self._mask("STATUS", "done", "error"))
        code = Error(status["code"])
        if not status["done"] or bool(status["error"]) != (code is not Error.NONE):
            raise DeviceError(f"the device contradicts itself: its STATUS is {status}", code)
        return code

    def run(self, address: int, instructions: int) -> Error:
        """Run the program at ``address`` to its end; the error with which it ended."""
        self.start(address, instructions)
        return self.finish()

    def call(self, address: int, instructions: int) -> Counters:
        """Run the program at ``address``; :class:`DeviceError` names an error of the program."""
        code = self.run(address, instructions)
        if code is not Error.NONE:
            raise DeviceError(f"the program at {address:#x} ended with {code.name} after "
                              f"{self.read('PC')} of {instructions} instructions", code)
        return self.counters()

    def counters(self) -> Counters:
        """Counters of the last program."""
        return Counters(**{name: self.read(register) for name, register in _COUNTERS.items()})

    # -- helpers ------------------------------------------------------------------------------
    def _write_address(self, name: str, place: int) -> None:
        address = self.origin + place
        if address % BLOCK or not 0 <= address < 1 << self.p.axi_address:
            raise UsageError(f"{name} must be a multiple of {BLOCK} of at most "
                             f"{self.p.axi_address} bits; got {address:#x}")
        self.write(f"{name}_LO", address & 0xFFFFFFFF)
        self.write(f"{name}_HI", address >> 32)

    def _is_over(self) -> bool:
        """By the interrupt or the status, whichever is there first; False after ``timeout``."""
        device = self.device if isinstance(self.device, Interrupting) else None
        end, pause = time.monotonic() + self.timeout, 0.0
        while not (device and device.wait()) and not self.fields("STATUS")["done"]:
            if time.monotonic() > end:
                return False
            time.sleep(pause)       # short programs at once, long ones without a busy core
            pause = min(pause + 1e-5, 1e-3)
        return True

    def _mask(self, register: str, *names: str) -> int:
        return sum(field.mask for field in self._map[register].fields if field.name in names)


_COUNTERS: Mapping[str, str] = {
    "cycles": "CYCLES", "beats": "BEATS", "stall_load": "STALL_LOAD",
    "stall_store": "STALL_STORE", "stall_core": "STALL_CORE", "read_beats": "RD_BEATS",
    "write_beats": "WR_BEATS"}


def _is_constant(register: Register) -> bool:
    return all(field.kind == "constant" for field in register.fields)


def _shown(field: RegisterField, value: int) -> str:
    return f"{value:#x}" if field.width == 32 else str(value)
