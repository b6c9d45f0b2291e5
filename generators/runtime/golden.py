"""The golden simulator behind the accelerator's registers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.accelerator.device import Device
from lowbit.golden.accelerator.isa import Error
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.registers import Register, RegisterField
from lowbit.hdl.accelerator.registers import registers_of

__all__ = ["GoldenRegisters"]


class GoldenRegisters:
    """Registers as the map says, and memory. A program runs, in no time, when it is started.

    PC counts instructions that are done; of the counters, which all clear at a start, those of
    bytes have what the simulator knows: beats of loads and of results.
    """

    def __init__(self, p: AccelParameters, memory: NDArray[np.uint8],
                 device: Device | None = None) -> None:
        self.device = device or Device(p, memory)
        self.memory = memory
        self._map = registers_of(p)
        self._at = {register.address: register for register in self._map.registers}
        self._values = {register.name: register.reset for register in self._map.registers}
        self._beat = p.axi_data // 8
        self._interrupts = False

    def read32(self, offset: int) -> int:
        return self._values[self._register(offset).name]

    def write32(self, offset: int, value: int) -> None:
        register = self._register(offset)
        pulses = set()
        for field in register.fields:
            if field.kind == "control":
                self._put(register, field, (value & field.mask) >> field.low)
            elif field.kind == "sticky" and value & field.mask:
                self._values[register.name] &= ~(value & field.mask)
            elif field.kind == "pulse" and value & field.mask:
                pulses.add(field.name)
        if register.name == "CTRL" and "start" in pulses:
            self._run()

    def wait(self) -> bool:
        """Is the interrupt there? It never comes later."""
        status = self._field("STATUS", "done") | self._field("STATUS", "error")
        return bool(self._field("CTRL", "irq_en") and self._interrupts and status)

    def _run(self) -> None:
        device, values = self.device, self._values
        for register in self._map.registers:
            for field in register.fields:
                if field.kind == "counter":
                    self._put(register, field, 0)
        before = device.executed.total(), device.bytes_read, device.bytes_written
        device.bases = [self._address(f"BASE_{i}") for i in range(8)]
        device.settings = {name: values[name] for name in device.settings}
        code = device.run(self._address("PROG"), values["PROG_LEN"])
        self._interrupts = device.irq
        values["PC"] = device.executed.total() - before[0]
        values["RD_BEATS"] = (device.bytes_read - before[1]) // self._beat
        values["WR_BEATS"] = -(-(device.bytes_written - before[2]) // self._beat)
        for name, value in (("done", 1), ("error", int(code is not Error.NONE)),
                            ("code", int(code))):
            if value or name == "code":
                self._put(self._map["STATUS"], self._found("STATUS", name), value)

    def _address(self, name: str) -> int:
        """Hardware has no bits below 64 of an address."""
        return (self._values[f"{name}_HI"] << 32 | self._values[f"{name}_LO"]) & ~63

    def _register(self, offset: int) -> Register:
        if offset not in self._at:
            raise ValueError(f"no register at {offset:#x}")
        return self._at[offset]

    def _found(self, register: str, name: str) -> RegisterField:
        return next(field for field in self._map[register].fields if field.name == name)

    def _field(self, register: str, name: str) -> int:
        field = self._found(register, name)
        return (self._values[register] & field.mask) >> field.low

    def _put(self, register: Register, field: RegisterField, value: int) -> None:
        kept = self._values[register.name] & ~field.mask
        self._values[register.name] = kept | value << field.low & field.mask
