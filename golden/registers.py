"""Register maps: what software and hardware see, as plain objects read from SystemRDL.

The source of a map is a SystemRDL file; hardware (``hdl/fabric/register_block.py``), C header and
documentation (``generators/registers/``) are made from the :class:`RegisterMap` of it. Of the
language's many properties a field uses those of one :data:`KINDS` entry; anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "RegisterField", "Register", "RegisterMap", "RegisterMapError",
           "compile_map"]

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


def compile_map(path: Path, parameters: Mapping[str, int] | None = None) -> RegisterMap:
    """The map of a SystemRDL file whose only address map has these ``parameters``.

    Raises :class:`RegisterMapError`, with the compiler's message or that of a rule above.
    """
    # a second of import time that only users of register maps should pay
    from systemrdl.compiler import RDLCompiler
    from systemrdl.messages import MessagePrinter, RDLCompileError
    from systemrdl.node import RegNode

    lines: list[str] = []

    class Printer(MessagePrinter):
        def emit_message(self, lines_: list[str]) -> None:
            lines.extend(lines_)

    compiler = RDLCompiler(message_printer=Printer())
    try:
        compiler.compile_file(str(path))
        top = compiler.elaborate(parameters=dict(parameters or {})).top
    except (RDLCompileError, ValueError) as error:
        message = re.sub(r"\x1b\[\d+m", "", "\n".join(lines))      # colours of a terminal
        raise RegisterMapError(message or str(error)) from None
    registers = []
    for node in top.descendants(unroll=True):
        if not isinstance(node, RegNode):
            continue
        if node.get_property("regwidth") != 32:
            raise RegisterMapError(f"{node.get_path()}: registers have 32 bits")
        registers.append(Register(_name(node), node.absolute_address,
                                  tuple(_field(field) for field in node.fields()),
                                  node.get_property("desc") or node.get_property("name")))
    registers.sort(key=lambda register: register.address)
    return RegisterMap(top.inst_name, tuple(registers), top.get_property("desc") or "")


def _name(node: Any) -> str:
    """Path of a register below the address map: BASE[0].LO is BASE_0_LO."""
    parts = node.get_path_segments(array_suffix="_{index:d}")[1:]
    return "_".join(parts).upper()


def _field(node: Any) -> RegisterField:
    def of(name: str) -> Any:
        value = node.get_property(name)
        return getattr(value, "name", value)

    software, hardware = of("sw"), of("hw")
    kind = ""
    if of("singlepulse") and software == "rw":
        kind = "pulse"
    elif of("counter") and software == "r":
        kind = "counter"
    elif of("hwset") and (software, of("onwrite"), of("precedence")) == ("rw", "woclr", "hw"):
        kind = "sticky"
    elif (software, hardware) == ("rw", "r"):
        kind = "control"
    elif (software, hardware) == ("r", "w"):
        kind = "held" if of("we") else "status"
    elif (software, hardware) == ("r", "na"):
        kind = "constant"
    used = {name for name in ("onwrite", "onread", "hwset", "we", "wel", "counter", "singlepulse",
                              "sticky", "stickybit", "hwclr", "intr", "next", "swmod", "swacc")
            if of(name)}
    allowed = {"sticky": {"onwrite", "hwset"}, "held": {"we"}, "counter": {"counter", "hwclr"},
               "pulse": {"singlepulse"}}.get(kind, set())
    if not kind or not used <= allowed:
        raise RegisterMapError(f"{node.get_path()}: a field must be one of {', '.join(KINDS)}")
    if not node.get_property("desc"):
        raise RegisterMapError(f"{node.get_path()}: a field needs a desc")
    reset = of("reset")
    if kind in ("constant", "control", "counter", "sticky", "held") and not isinstance(reset, int):
        raise RegisterMapError(f"{node.get_path()}: a field of kind {kind} needs a reset value")
    clear = node.get_property("hwclr")
    if clear and not hasattr(clear, "parent"):
        raise RegisterMapError(f"{node.get_path()}: hwclr must name a field")
    cleared_by = Register(_name(clear.parent), 0, (), "").port(_field(clear)) if clear else ""
    if clear and _field(clear).kind != "pulse":
        raise RegisterMapError(f"{node.get_path()}: hwclr must name a field of kind pulse")
    return RegisterField(node.inst_name, node.low, node.width, kind, reset or 0,
                         " ".join(node.get_property("desc").split()), cleared_by)
