"""A register map as a Markdown table."""

from __future__ import annotations

from lowbit.golden.registers import RegisterMap

from .c_header import array_name, arrays

__all__ = ["markdown"]

#: what a kind of field is to software
ACCESS = {"constant": "r", "control": "rw", "pulse": "w1 pulse", "status": "r", "held": "r",
          "sticky": "r, w1 clears", "counter": "r"}


def markdown(registers: RegisterMap) -> str:
    """One row a field; registers of an array of register files once."""
    rows = [("offset", "register", "bits", "field", "access", "reset", "meaning")]
    for register, stride, count in arrays(registers):
        offset = f"0x{register.address:02x}"
        if count > 1:
            offset += f" + {stride} i, i < {count}"
        for i, field in enumerate(register.fields):
            bits = f"{field.high}:{field.low}" if field.width > 1 else str(field.low)
            reset = "" if field.kind in ("status", "pulse") else f"0x{field.reset:x}"
            note = field.note if len(register.fields) > 1 else f"{register.note}: {field.note}"
            rows.append(("" if i else offset,
                         "" if i else f"`{array_name(register, count)}`",
                         bits, f"`{field.name}`", ACCESS[field.kind], reset,
                         note.replace("|", "\\|")))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
             + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
