"""A C header of a register map: offsets, masks and shifts."""

from __future__ import annotations

import re

from lowbit.golden.registers import Register, RegisterField, RegisterMap

__all__ = ["c_header"]


def c_header(registers: RegisterMap, prefix: str = "") -> str:
    """The text of a header; all names begin with ``prefix`` (default: the map's name).

    Of a register the byte offset ``PREFIX_REGISTER``, of its fields ``..._SHIFT`` and ``..._MASK``
    (in place), of a constant also what it is in this design, ``..._VALUE``. Registers of an array
    of register files have the offset of the first, and the distance ``..._STRIDE``.
    """
    start = re.sub(r"\W", "_", prefix or registers.name).upper()
    lines = [f"/* {registers.note or registers.name}: registers of 32 bits, offsets in bytes. */",
             "/* SPDX-License-Identifier: Apache-2.0 */",
             f"#ifndef {start}_REGISTERS_H", f"#define {start}_REGISTERS_H", "",
             f"#define {start}_SIZE {registers.size:#x}u"]
    for register, stride, count in arrays(registers):
        name = f"{start}_{array_name(register, count)}"
        index = f", {count} of them" if count > 1 else ""
        lines += ["", f"/* {register.note}{index} */", f"#define {name} {register.address:#04x}u"]
        if count > 1:
            lines += [f"#define {name}_STRIDE {stride:#x}u", f"#define {name}_COUNT {count}u"]
        for field in register.fields:
            own = name if field.name == "value" else f"{name}_{field.name.upper()}"
            lines += [f"/* {field.note} ({field.kind}) */",
                      f"#define {own}_SHIFT {field.low}u", f"#define {own}_MASK {field.mask:#x}u"]
            if field.kind == "constant":
                lines.append(f"#define {own}_VALUE {field.reset:#x}u")
    return "\n".join([*lines, "", "#endif", ""])


def array_name(register: Register, count: int) -> str:
    """The name of a register without its index, if it is one of ``count``."""
    return register.name if count == 1 else re.sub(r"_0(?=_|$)", "", register.name, count=1)


def arrays(registers: RegisterMap) -> list[tuple[Register, int, int]]:
    """Registers, those of an array once: the first one, the distance of the next, their number."""
    found: dict[tuple[str, tuple[RegisterField, ...]], list[Register]] = {}
    for register in registers.registers:
        found.setdefault((re.sub(r"_\d+(?=_|$)", "_#", register.name), register.fields),
                         []).append(register)
    result = []
    for group in found.values():
        step = group[1].address - group[0].address if len(group) > 1 else 0
        result.append((group[0], step, len(group)))
    return sorted(result, key=lambda item: item[0].address)
