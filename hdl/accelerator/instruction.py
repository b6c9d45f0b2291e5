"""Instructions as structs of their fields, from the one table of them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Value
from amaranth.lib import data

from lowbit.golden.accelerator.isa import FIELDS, FLAGS, OPCODE_BITS, UNITS, Op

__all__ = ["fields", "instruction_bits", "instruction_layout"]


def instruction_layout(op: Op) -> data.StructLayout:
    """Opcode, dependency flags and fields of ``op``, lowest first."""
    return data.StructLayout({"op": OPCODE_BITS} | dict.fromkeys(FLAGS, 1) | FIELDS[op])


def instruction_bits(unit: str) -> int:
    """Bits of the longest instruction of a unit."""
    return max(instruction_layout(op).size for op, of in UNITS.items() if of == unit)


def fields(word: Value, op: Op) -> Any:
    """``word`` read as an instruction ``op``: its fields are attributes."""
    layout = instruction_layout(op)
    return layout(word[:layout.size])
