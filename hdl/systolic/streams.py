"""Payloads of the array's streams: the one place that names their fields and packing."""

from __future__ import annotations

from amaranth.lib import data

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.field import Field, flag

__all__ = ["operand_layout", "result_layout"]


def _weights(p: SystolicParameters) -> Field:
    axes = {"column": p.C, "k": p.dot}
    if p.is_integer:
        return Field(p.weight_bits, "weights", name=p.w_format, signed=True, axes=axes)
    return Field(p.weight_bits, f"weights, port codes of {p.w_format}", name=p.w_format, axes=axes)


def operand_layout(p: SystolicParameters) -> data.StructLayout:
    """Operands of one beat, ``dot`` products of all outputs."""
    return data.StructLayout({
        "activations": Field(p.activation, "activations", axes={"row": p.R, "k": p.dot}),
        "weights": _weights(p), "last": flag("last beat of an operation")})


def result_layout(p: SystolicParameters) -> data.StructLayout:
    """One row of results; ``last`` marks the last one of an operation."""
    return data.StructLayout({
        "values": Field(p.out, "results of a row, rows ascending", axes={"column": p.C}),
        "last": flag("last row of an operation")})
