"""The registers of a register map behind an AXI4-Lite slave."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.registers import Register, RegisterField, RegisterMap

from ..common.field import Field, flag
from ..common.struct import StructComponent
from .axi import AxiLite, attach
from .axi_lite import AxiLiteSlave

__all__ = ["RegisterBlock"]


def _members(register: Register, field: RegisterField) -> dict[str, wiring.Member]:
    """The ports of a field."""
    name = register.port(field)
    bits = Field(field.width, f"{register.note}: {field.note}", name="unsigned")
    kinds: dict[str, dict[str, wiring.Member]] = {
        "constant": {},
        "control": {name: Out(bits, init=field.reset)},
        "pulse": {name: Out(bits)},
        "status": {name: In(bits)},
        "held": {name: In(bits), f"{name}_write": In(flag(f"{name} is to be kept"))},
        "sticky": {name: Out(bits, init=field.reset), f"{name}_set": In(Field(
            field.width, f"sets {name}", name="unsigned"))},
        "counter": {f"{name}_count": In(flag(f"{name} counts this cycle"))}}
    return kinds[field.kind]


class RegisterBlock(StructComponent):
    """Fields of a register map as ports; software reaches them through AXI4-Lite.

    A field's port is called ``REGISTER_FIELD`` in lower case (``REGISTER`` for a field ``value``):

    ========  =====================================================================================
    kind      ports
    ========  =====================================================================================
    constant  none
    control   output: what software wrote last
    pulse     output: set in the cycle after the write of a 1
    status    input, read in the cycle in which the bus takes the address
    held      input, and ``..._write``: keep it
    sticky    input ``..._set``; output: set and not cleared yet
    counter   input ``..._count``: one more
    ========  =====================================================================================

    A write changes the bytes that are strobed, a cycle after the bus has address and data. Writes
    of registers that software cannot write, and accesses of addresses without a register, are
    answered with SLVERR and change nothing; such a read gives 0. See :class:`AxiLiteSlave` for
    latency and rate.

    Parameters
    ----------
    registers:
        the map.
    address_bits:
        of the bus: those of the region that the system gives to the block.
    """

    def __init__(self, registers: RegisterMap, address_bits: int = 12) -> None:
        if registers.size > 1 << address_bits:
            raise ValueError(f"registers take {registers.size} bytes, more than address_bits "
                             f"{address_bits} reach")
        self.registers, self.bus = registers, AxiLite(address_bits)
        self.parameters = (registers, address_bits)
        members: dict[str, wiring.Member] = {}
        for register in registers.registers:
            for field in register.fields:
                members |= _members(register, field)
        super().__init__(members | self.bus.slave_members())

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bus = bus = AxiLiteSlave(self.bus)
        attach(m, self, bus, self.bus.slave_members())
        strobes, data = Value.cast(bus.write_strobes), bus.write_data

        m.d.comb += [bus.write_fails.eq(1), bus.read_fails.eq(1)]
        written: dict[str, Signal] = {}
        with m.Switch(bus.write_address):
            for register in self.registers.registers:
                if register.is_written:
                    written[register.name] = Signal(name=f"write_{register.name.lower()}")
                    with m.Case(register.address // 4):
                        m.d.comb += [bus.write_fails.eq(0),
                                     written[register.name].eq(bus.write)]
        words = [(register, self._word(m, register, written.get(register.name, Const(0)),
                                       strobes, data)) for register in self.registers.registers]
        with m.Switch(bus.read_address):
            for register, word in words:
                with m.Case(register.address // 4):
                    m.d.comb += [bus.read_fails.eq(0), bus.read_data.eq(word)]
        return m

    def _word(self, m: Module, register: Register, write: Value, strobes: Value,
              data: Value) -> Value:
        """The fields of a register; returns what a read gives."""
        parts: list[Any] = []
        place = 0
        for field in sorted(register.fields, key=lambda field: field.low):
            parts += [Const(0, field.low - place),
                      self._field(m, register.port(field), field, write, strobes, data)]
            place = field.high + 1
        return Cat(*parts, Const(0, 32 - place))

    def _field(self, m: Module, name: str, field: RegisterField, write: Value, strobes: Value,
               data: Value) -> Value:
        bytes_ = range(field.low // 8, field.high // 8 + 1)
        bits = [(max(field.low, 8 * byte), min(field.high, 8 * byte + 7)) for byte in bytes_]
        if field.kind == "constant":
            return Const(field.reset, field.width)
        if field.kind == "status":
            return getattr(self, name)
        if field.kind == "held":
            held = Signal(field.width, name=f"{name}_held", init=field.reset)
            with m.If(getattr(self, f"{name}_write")):
                m.d.sync += held.eq(getattr(self, name))
            return held
        if field.kind == "counter":
            count = Signal(field.width, name=name, init=field.reset)
            with m.If(getattr(self, f"{name}_count")):
                m.d.sync += count.eq(count + 1)
            if field.cleared_by:
                with m.If(getattr(self, field.cleared_by)):
                    m.d.sync += count.eq(0)
            return count
        value = getattr(self, name)
        # what software writes as 1
        ones = Cat(data[low:high + 1] & (write & strobes[byte]).replicate(high + 1 - low)
                   for byte, (low, high) in zip(bytes_, bits, strict=True))
        if field.kind == "pulse":
            m.d.sync += value.eq(ones)
            return Const(0, field.width)
        if field.kind == "sticky":
            m.d.sync += value.eq((value & ~ones) | getattr(self, f"{name}_set"))
            return value
        for byte, (low, high) in zip(bytes_, bits, strict=True):
            with m.If(write & strobes[byte]):
                m.d.sync += value[low - field.low:high + 1 - field.low].eq(data[low:high + 1])
        return value
