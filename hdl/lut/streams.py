"""Payloads of the LUT family's streams: the one place that names their fields and packing."""

from __future__ import annotations

from amaranth.lib import data

from lowbit.golden.coded_integers import CodedInt
from lowbit.golden.formats import FP32
from lowbit.golden.lut.direct_parameters import DirectFrame
from lowbit.golden.lut.parameters import (
    LutCoreParameters,
    LutParameters,
    ReductionParameters,
    WeightParameters,
)

from ..common.field import Field, flag
from ..common.requantize import requantizer_fields

__all__ = ["activation_layout", "table_layout", "weight_layout", "result_layout", "psum_layout",
           "direct_weight_layout", "scale_layout", "activation_values", "table_entries",
           "weight_patterns"]


def activation_values(p: LutParameters, rows: int) -> Field:
    """Activations of a beat."""
    axes = {"row": rows, "k": p.groups} if p.is_direct else \
        {"row": rows, "group": p.groups, "k": p.K}
    if isinstance(p.activation, CodedInt):
        return Field(p.activation.code_bits, "activations", name=p.activation.name,
                     signed=not p.activation.values, axes=axes)
    return Field(p.activation, "activations", axes=axes)


def table_entries(p: LutParameters, rows: int) -> Field:
    """Stored entries of the tables of a beat."""
    axes = {"row": rows, "group": p.groups, "entry": p.entries}
    if p.is_float:
        return Field(p.table_float, "table entries", axes=axes)
    return Field(p.entry_bits, "table entries", name=f"int{p.entry_bits}", signed=True, axes=axes)


def weight_patterns(p: WeightParameters, columns: int) -> Field:
    """Weight patterns of a beat (see :class:`~.select.PatternDecoder`)."""
    kind = "index below, sign on top" if p.has_sign else "raw, bit k for activation k" \
        if p.radix == 2 else "a trit for each activation, bit 1 non-zero, bit 0 negative"
    plane = {"plane": p.parallel_planes} if p.parallel_planes > 1 else {}
    return Field(p.pattern_bits, f"weight patterns ({kind})", name="pattern",
                 axes={"column": columns, **plane, "group": p.groups})


def packed_trits(p: LutCoreParameters) -> Field:
    """Weights of a beat in packed words."""
    code = p.trit_code
    assert code is not None
    return Field(code.bits, f"packed trits, {code.trits} in a word, column by column, in each "
                 "table by table", name=code.name, axes={"word": p.packed_words})


def activation_layout(p: ReductionParameters, rows: int) -> data.StructLayout:
    """Activations of one beat: ``values``.

    Aligned: ``first`` marks the first table of an accumulation. Its activations pass twice, first
    with ``scan`` set (they only go into the rows' exponents), then for their tables; or once,
    with the ``exponent`` of each row.
    """
    fields = {"values": activation_values(p, rows)} | row_scales(p)
    if p.is_aligned:
        fields["first"] = flag("first table of an accumulation")
        if p.can_saturate:
            fields["exponent"] = _exponents(p, rows)
        else:
            fields["scan"] = flag("this beat only goes into the rows' exponents; no table")
    return data.StructLayout(fields)


def _exponents(p: LutParameters, rows: int) -> Field:
    return Field(p.exponent_bits, "exponents: an entry t means "
                 f"t * 2**(exponent{p.exponent_offset:+d})", name="unsigned", axes={"row": rows})


def row_scales(p: LutParameters) -> dict[str, Field]:
    """Scales of the activations of each row, where they have some: a group has one with each beat,
    and that of its last one counts."""
    fmt = p.row_scale_format if isinstance(p, LutCoreParameters) else None
    if fmt is None or not isinstance(p, LutCoreParameters):
        return {}
    return {"scale": Field(fmt, "scales of the rows in this group", axes={"row": p.M})}


def table_layout(p: ReductionParameters, rows: int) -> data.StructLayout:
    """Tables of one beat: ``entries``, and per row the ``exponent`` (aligned), the FP32
    ``scale`` (INT8 tables), the ``invalid`` flag (floats), the ``saturated`` flag (aligned,
    exponents given)."""
    fields = {"entries": table_entries(p, rows)} | row_scales(p)
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
    """One bit-plane, or some, of one beat: ``patterns`` (or ``packed`` trits), the number of the
    ``plane``, or of the beat of planes, and where the beat stands: ``first`` and ``last`` of the
    accumulation, ``table_last`` of the tables it reads (they are consumed with it). With group
    scales an accumulation is a group:
    ``start`` and ``finish`` say that an operation starts or ends with it, ``codes`` (radix 2) what
    its weights' codes stand for."""
    fields = {"patterns": weight_patterns(p, p.N)} if p.trit_code is None else \
        {"packed": packed_trits(p)}
    if p.plane_bits:
        meaning = "planes below the top one of the weights" if p.is_aligned else \
            "the beat counts 2**plane"
        if p.parallel_planes > 1:
            meaning = f"beats of {p.parallel_planes} planes " + (
                "below the top one of the weights" if p.is_aligned else "with lower ones")
        fields["plane"] = Field(p.plane_bits, meaning, name="unsigned")
    return data.StructLayout(fields | _position(p))


def direct_weight_layout(p: DirectFrame) -> data.StructLayout:
    """Weights of one beat: ``values``, port codes of their format (:mod:`lowbit.golden.digits`),
    and the flags of :func:`weight_layout` but ``table_last`` and ``codes``."""
    axes = {"column": p.N, "k": p.groups}
    fields = {"values": Field(p.weight_bits, "weights", name=p.w_format, signed=True, axes=axes)
              if p.recodes else Field(p.weight_bits, f"weights, port codes of {p.w_format}",
                                      name=p.w_format, axes=axes)}
    return data.StructLayout(fields | _position(p))


def _position(p: LutCoreParameters) -> dict[str, Field]:
    """Where a weight beat stands."""
    what = "a group" if p.scales_groups else "an operation"
    fields = {"first": flag(f"first beat of {what}"), "last": flag(f"last beat of {what}")}
    if not p.is_direct:
        fields["table_last"] = flag("last beat that reads the tables now at the table port")
    if p.scales_groups:
        if p.has_codes:
            fields["codes"] = Field(2, "weights: 0 halves of odd codes, 1 two's complement, "
                                    "2 unsigned", name="unsigned")
        fields["start"] = flag("the group is the first of an operation")
        fields["finish"] = flag("the group is the last of an operation: results leave")
    return fields


def _lanes(p: LutCoreParameters) -> str:
    columns = p.chain_columns
    where = f"of beat b is row (b / {columns}) * {p.out_lanes} + i, column b % {columns}"
    if p.chains == 1:
        return f"lane i {where}"
    return f"lane i of chain c {where} + {columns} * c"


def _lane_axes(p: LutCoreParameters) -> dict[str, int]:
    return ({"chain": p.chains} if p.chains > 1 else {}) | {"lane": p.out_lanes}


def scale_layout(p: LutCoreParameters) -> data.StructLayout:
    """Scales of a group in the order of its results, one column of each chain a beat: ``scale``,
    and ``offset`` where there is one; with results of int8 what an operation's are scaled by."""
    if p.requantizes:
        return data.StructLayout(requantizer_fields({"chain": p.chains}))
    fields = {"scale": Field(p.scale_format, "group scales d, w = d q + m",
                             axes={"chain": p.chains})}
    if p.offset_format is not None:
        fields["offset"] = Field(p.offset_format, "group offsets m", axes={"chain": p.chains})
    return data.StructLayout(fields)


def psum_layout(p: LutCoreParameters) -> data.StructLayout:
    """Partial sums of one output beat: ``values``, one per lane."""
    return data.StructLayout({
        "values": Field(p.psum, f"partial sums, {_lanes(p)}", axes=_lane_axes(p))})


def result_layout(p: LutCoreParameters) -> data.StructLayout:
    """Results of one output beat: ``values``, one per lane: ``lanes`` rows at a time, columns
    ascending, then the next rows; ``last`` marks the last beat of an operation."""
    fields = {"values": Field(p.out, f"results, {_lanes(p)}", axes=_lane_axes(p))}
    if p.can_saturate:
        fields["saturated"] = Field(1, "the exponent given for the result's row was too small",
                                    name="flag", axes=_lane_axes(p))
    fields["last"] = flag("last result beat of an operation")
    return data.StructLayout(fields)
