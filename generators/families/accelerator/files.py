"""Files beside an emitted accelerator: what software, its authors and synthesis need."""

from __future__ import annotations

import re
from collections.abc import Callable

from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.hdl.accelerator.registers import SOURCE, registers_of
from lowbit.hdl.fabric.bank import MODEL

from ...flow.sdc import sdc_text
from ...registers.c_header import c_header
from ...registers.instructions import instructions
from ...registers.markdown import markdown
from ...verilog.emit import Emitted
from .memory import memory_page

__all__ = ["FILES"]


def _mark(emitted: Emitted) -> str:
    """What makes a file ours, and the command that made it."""
    return f"{emitted.manifest['generated']}: {emitted.manifest['command']}"


def header(p: AccelParameters, emitted: Emitted) -> str:
    """C header: registers, then the instruction set, within one guard."""
    name = re.sub(r"\W", "_", emitted.top)
    text = c_header(registers_of(p), name)
    guard = f"#define {name.upper()}_REGISTERS_H\n"
    text = text.replace(guard, guard + "\n#include <stdint.h>\n")
    body, end = text.rsplit("\n#endif", 1)
    lines = [f"/* {_mark(emitted)} */", body, *instructions(name)]
    return "\n".join(lines) + "\n#endif" + end


def registers(p: AccelParameters, emitted: Emitted) -> str:
    """Registers as a table."""
    head = f"<!-- {_mark(emitted)} -->\n# Registers of {emitted.top}\n\n"
    return head + markdown(registers_of(p))


def source(p: AccelParameters, emitted: Emitted) -> str:
    """Registers in SystemRDL with the parameters of the design."""
    head, rest = SOURCE.read_text().split(") {", 1)
    for name, value in p.register_parameters.items():
        head, found = re.subn(rf"(?<= {name} = )\d+", str(value), head)
        assert found == 1, name
    return f"// {_mark(emitted)}\n{head}) {{{rest}"


def memory(p: AccelParameters, emitted: Emitted) -> str:
    """What it expects of memory."""
    return f"<!-- {_mark(emitted)} -->\n" + memory_page(p, emitted)


def sdc(p: AccelParameters, emitted: Emitted) -> str:
    """Timing constraints."""
    return sdc_text(emitted.manifest)


def ram(p: AccelParameters, emitted: Emitted) -> str:
    """Models of the memories that a library has to bring; nothing where there are none."""
    return f"// {_mark(emitted)}\n{MODEL}" if p.black_boxes else ""


#: what names have after the Verilog file's (``accel.h``), and the text
FILES: dict[str, Callable[[AccelParameters, Emitted], str]] = {
    ".h": header, "_registers.md": registers, ".rdl": source, "_memory.md": memory, ".sdc": sdc,
    "_ram.v": ram}
