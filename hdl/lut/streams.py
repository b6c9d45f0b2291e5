"""Payloads of the LUT family's streams: the one place that names their fields and packing."""

from __future__ import annotations

from amaranth.lib import data

from lowbit.golden.formats import FP32
from lowbit.golden.lut.parameters import (
    LutCoreParameters,
    LutParameters,
    ReductionParameters,
    WeightParameters,
)

from ..common.field import Field, flag

__all__ = ["activation_layout", "table_layout", "weight_layout", "result_layout", "psum_layout",
           "activation_values", "table_entries", "weight_patterns"]


def activation_values(p: LutParameters, rows: int) -> Field:
    """Activations of a beat."""
    return Field(p.activation, "activations", axes={"row": rows, "group": p.groups, "k": p.K})


def table_entries(p: LutParameters, rows: int) -> Field:
    """Stored entries of the tables of a beat."""
    axes = {"row": rows, "group": p.groups, "entry": p.entries}
    if p.is_float:
        return Field(p.table_float, "table entries", axes=axes)
    return Field(p.entry_bits, "table entries", name=f"int{p.entry_bits}", signed=True, axes=axes)


def weight_patterns(p: WeightParameters, columns: int) -> Field:
    """Weight patterns of a beat, K bits each (see :class:`~.read.PatternDecoder`)."""
    kind = "index below, sign on top" if p.has_sign else "raw, bit k for activation k"
    return Field(p.K, f"weight patterns ({kind})", name="pattern",
                 axes={"column": columns, "group": p.groups})


def activation_layout(p: ReductionParameters, rows: int) -> data.StructLayout:
    """Activations of one beat: ``values``.

    Aligned: ``first`` marks the first table of an operation. Its activations pass twice, first
    with ``scan`` set (they only go into the rows' exponents), then for their tables; or once,
    with the ``exponent`` of each row.
    """
    fields = {"values": activation_values(p, rows)}
    if p.is_aligned:
        fields["first"] = flag("first table of an operation")
        if p.can_saturate:
            fields["exponent"] = _exponents(p, rows)
        else:
            fields["scan"] = flag("this beat only goes into the rows' exponents; no table")
    return data.StructLayout(fields)


def _exponents(p: LutParameters, rows: int) -> Field:
    return Field(p.exponent_bits, "exponents: an entry t means "
                 f"t * 2**(exponent{p.exponent_offset:+d})", name="unsigned", axes={"row": rows})


def table_layout(p: ReductionParameters, rows: int) -> data.StructLayout:
    """Tables of one beat: ``entries``, and per row the ``exponent`` (aligned), the FP32
    ``scale`` (INT8 tables), the ``invalid`` flag (floats), the ``saturated`` flag (aligned,
    exponents given)."""
    fields = {"entries": table_entries(p, rows)}
    axes = {"row": rows}
    if p.is_aligned:
        fields["exponent"] = _exponents(p, rows)
    if p.is_quantized:
        fields["scale"] = Field(FP32, "scales of the entries", axes=axes)
    if p.activation.is_float:
        fields["invalid"] = Field(1, "an activation of the row is infinite or NaN", name="flag",
                                  axes=axes)
    if p.can_saturate:
        fields["saturated"] = Field(1, "the row's exponent is too small for it up to these tables",
                                    name="flag", axes=axes)
    return data.StructLayout(fields)


def weight_layout(p: LutCoreParameters) -> data.StructLayout:
    """One bit-plane of one beat: ``patterns``, the number of the ``plane``, and where the beat
    stands: ``first`` and ``last`` of the operation, ``table_last`` of the tables it reads (they
    are consumed with it)."""
    fields = {"patterns": weight_patterns(p, p.N)}
    if p.plane_bits:
        meaning = "planes below the top one of the weights" if p.is_aligned else \
            "the beat counts 2**plane"
        fields["plane"] = Field(p.plane_bits, meaning, name="unsigned")
    fields["first"] = flag("first beat of an operation")
    fields["last"] = flag("last beat of an operation")
    fields["table_last"] = flag("last beat that reads the tables now at the table port")
    return data.StructLayout(fields)


def _lanes(p: LutCoreParameters) -> str:
    return f"lane i of beat b is row (b / {p.N}) * {p.out_lanes} + i, column b % {p.N}"


def psum_layout(p: LutCoreParameters) -> data.StructLayout:
    """Partial sums of one output beat: ``values``, one per lane."""
    return data.StructLayout({
        "values": Field(p.psum, f"partial sums, {_lanes(p)}", axes={"lane": p.out_lanes})})


def result_layout(p: LutCoreParameters) -> data.StructLayout:
    """Results of one output beat: ``values``, one per lane: ``lanes`` rows at a time, columns
    ascending, then the next rows; ``last`` marks the last beat of an operation."""
    fields = {"values": Field(p.out, f"results, {_lanes(p)}", axes={"lane": p.out_lanes})}
    if p.can_saturate:
        fields["saturated"] = Field(1, "the exponent given for the result's row was too small",
                                    name="flag", axes={"lane": p.out_lanes})
    fields["last"] = flag("last result beat of an operation")
    return data.StructLayout(fields)
