"""Register maps from SystemRDL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lowbit.golden.registers import (
    KINDS,
    Register,
    RegisterField,
    RegisterMap,
    RegisterMapError,
)

__all__ = ["compile_map"]


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
