"""Register maps: what software and hardware see, as plain objects read from SystemRDL.

The source of a map is a SystemRDL file, read by ``hdl/fabric/register_source.py``. Hardware
(``hdl/fabric/register_block.py``), C header and documentation (``generators/registers/``) are made
from its :class:`RegisterMap`. Of the language's many properties a field uses those of one
:data:`KINDS` entry; anything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "RegisterField", "Register", "RegisterMap", "RegisterMapError"]

#: kinds of field: what they are to software, to hardware, and in SystemRDL
KINDS = {
    "constant": "sw=r; hw=na: its reset value, which a parameter of the design may give",
    "control": "sw=rw; hw=r: written by software",
    "pulse": "singlepulse: set for one cycle by writing 1, reads 0",
    "status": "sw=r; hw=w: what the hardware says in this cycle",
    "held": "sw=r; hw=w; we: what the hardware said last",
    "sticky": "sw=rw; onwrite=woclr; hwset; precedence=hw: set by an event, cleared by writing 1; "
              "an event in the same cycle wins",
    "counter": "sw=r; counter: counts cycles in which an event happens; cleared by a pulse field "
               "(hwclr), which wins"}


class RegisterMapError(ValueError):
    """The register map uses what is not supported, or is wrong."""


@dataclass(frozen=True)
class RegisterField:
    """Bits ``low`` to ``low + width - 1`` of a register."""

    name: str
    low: int
    width: int
    kind: str           #: one of :data:`KINDS`
    reset: int
    note: str
    cleared_by: str = ""    #: the port of the pulse field that clears a counter

    @property
    def high(self) -> int:
        return self.low + self.width - 1

    @property
    def mask(self) -> int:
        """The field's bits in its register."""
        return (1 << self.width) - 1 << self.low


@dataclass(frozen=True)
class Register:
    """A word of 32 bits at the byte ``address``."""

    name: str           #: in upper case, with the index of an array in it: BASE_0_LO
    address: int
    fields: tuple[RegisterField, ...]
    note: str

    @property
    def reset(self) -> int:
        """What it reads after reset, as far as it does not say what the hardware does."""
        return sum(field.reset << field.low for field in self.fields)

    @property
    def is_written(self) -> bool:
        """Does software write any of it?"""
        return any(field.kind in ("control", "pulse", "sticky") for field in self.fields)

    def port(self, field: RegisterField) -> str:
        """The field's name among all: REGISTER_FIELD in lower case, a field ``value`` without."""
        name = self.name if field.name == "value" else f"{self.name}_{field.name}"
        return name.lower()


@dataclass(frozen=True)
class RegisterMap:
    """Registers in the order of their addresses."""

    name: str
    registers: tuple[Register, ...]
    note: str

    def __getitem__(self, name: str) -> Register:
        return next(register for register in self.registers if register.name == name)

    @property
    def size(self) -> int:
        """Bytes from the first register to the end of the last one."""
        return self.registers[-1].address + 4
