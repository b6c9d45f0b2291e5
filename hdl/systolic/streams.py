"""Payloads of the array's streams: the one place that names their fields and packing."""

from __future__ import annotations

from amaranth.lib import data

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.field import Field, flag
from ..common.requantize import requantizer_fields

__all__ = ["activation_layout", "activations_field", "operand_layout", "psum_layout",
           "result_layout", "scale_layout", "weight_layout", "weights_field"]


def weights_field(p: SystolicParameters, note: str = "weights") -> Field:
    """Weights of every column."""
    axes = {"column": p.C, "k": p.dot}
    if p.is_plain:
        return Field(p.weight_bits, note, name=p.w_format, signed=True, axes=axes)
    return Field(p.weight_bits, f"{note} (port codes)", name=f"{p.w_format}_code", axes=axes)


def activations_field(p: SystolicParameters, note: str = "activations") -> Field:
    """Activations of every row."""
    return Field(p.activation, note, axes={"row": p.R, "k": p.dot})


def operand_layout(p: SystolicParameters) -> data.StructLayout:
    """Output-stationary: operands of one beat, ``dot`` products of all outputs."""
    return data.StructLayout({"activations": activations_field(p), "weights": weights_field(p),
                              "last": flag("last beat of an operation")})


def scale_layout(p: SystolicParameters) -> data.StructLayout:
    """Results of int8: what an operation's are scaled by."""
    return data.StructLayout(requantizer_fields({"column": p.C}))


def weight_layout(p: SystolicParameters) -> data.StructLayout:
    """Weight-stationary: one row of weights; R beats are a tile, the last row first."""
    return data.StructLayout({"weights": weights_field(p)})


def activation_layout(p: SystolicParameters) -> data.StructLayout:
    """Weight-stationary: one vector, ``dot`` activations of every row of weights."""
    return data.StructLayout({
        "values": activations_field(p), "last": flag("last vector that meets these weights")})


def psum_layout(p: SystolicParameters) -> data.StructLayout:
    """Weight-stationary: what is added to the results of one vector."""
    return data.StructLayout({
        "values": Field(p.sum, "partial sums of a vector", axes={"column": p.C})})


def result_layout(p: SystolicParameters) -> data.StructLayout:
    """One row of results, or those of one vector; ``last`` marks the last one of an operation.
    Results of int8 of a vector have their ``sums`` beside them, for a later slice to add to."""
    what = "row, rows ascending" if p.dataflow == "os" else "vector"
    fields = {"values": Field(p.out, f"results of a {what}", axes={"column": p.C})}
    if p.gives_sums:
        fields["sums"] = Field(p.sum, "the sums that the results are made of",
                               axes={"column": p.C})
    return data.StructLayout(fields | {"last": flag("last results of an operation")})
