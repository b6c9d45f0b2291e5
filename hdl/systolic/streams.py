"""Payloads of the array's streams: the one place that names their fields and packing."""

from __future__ import annotations

from amaranth.lib import data

from lowbit.golden.formats import INT8
from lowbit.golden.requantize import MULTIPLIER_BITS, SHIFT_BITS
from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.field import Field, flag

__all__ = ["activation_layout", "operand_layout", "psum_layout", "result_layout",
           "scale_layout", "weight_layout"]


def _weights(p: SystolicParameters) -> Field:
    axes = {"column": p.C, "k": p.dot}
    if p.is_integer:
        return Field(p.weight_bits, "weights", name=p.w_format, signed=True, axes=axes)
    return Field(p.weight_bits, f"weights, port codes of {p.w_format}", name=p.w_format, axes=axes)


def _activations(p: SystolicParameters) -> Field:
    return Field(p.activation, "activations", axes={"row": p.R, "k": p.dot})


def operand_layout(p: SystolicParameters) -> data.StructLayout:
    """Output-stationary: operands of one beat, ``dot`` products of all outputs."""
    return data.StructLayout({"activations": _activations(p), "weights": _weights(p),
                              "last": flag("last beat of an operation")})


def scale_layout(p: SystolicParameters) -> data.StructLayout:
    """Results of int8: what an operation's are scaled by."""
    axes = {"column": p.C}
    return data.StructLayout({
        "multiplier": Field(MULTIPLIER_BITS, "result = sum * multiplier / 2**shift + zero",
                            name="unsigned", axes=axes),
        "shift": Field(SHIFT_BITS, "shifts, 0..62", name="unsigned", axes=axes),
        "zero": Field(INT8, "zero points of the results", axes=axes)})


def weight_layout(p: SystolicParameters) -> data.StructLayout:
    """Weight-stationary: one row of weights; R beats are a tile, the last row first."""
    return data.StructLayout({"weights": _weights(p)})


def activation_layout(p: SystolicParameters) -> data.StructLayout:
    """Weight-stationary: one vector, ``dot`` activations of every row of weights."""
    return data.StructLayout({
        "values": _activations(p), "last": flag("last vector that meets these weights")})


def psum_layout(p: SystolicParameters) -> data.StructLayout:
    """Weight-stationary: what is added to the results of one vector."""
    return data.StructLayout({
        "values": Field(p.sum, "partial sums of a vector", axes={"column": p.C})})


def result_layout(p: SystolicParameters) -> data.StructLayout:
    """One row of results, or those of one vector; ``last`` marks the last one of an operation."""
    what = "row, rows ascending" if p.dataflow == "os" else "vector"
    return data.StructLayout({
        "values": Field(p.out, f"results of a {what}", axes={"column": p.C}),
        "last": flag("last results of an operation")})
