"""Payloads of the LUT family's streams: the one place that names their fields and packing.

Every field is one packed vector, element 0 in the least significant bits.
"""

from __future__ import annotations

from amaranth.lib import data

from lowbit.golden.lut.parameters import LutCoreParameters, LutParameters

__all__ = ["activation_layout", "table_layout", "weight_layout", "result_layout", "psum_layout"]


def activation_layout(p: LutParameters, rows: int) -> data.StructLayout:
    """Activations of one beat: ``values`` (row, group, k; k fastest).

    Aligned: an operation's activations pass twice, first with ``scan`` set (they only update the
    shared exponents), then for their tables; ``first`` marks the first table of an operation.
    """
    fields = {"values": rows * p.groups * p.K * p.activation.bits}
    if p.is_aligned:
        fields.update(scan=1, first=1)
    return data.StructLayout(fields)


def table_layout(p: LutParameters, rows: int) -> data.StructLayout:
    """Tables of one beat: ``entries`` (row, group, entry; entry fastest), and per row the shared
    ``exponent`` (aligned), the FP32 ``scale`` (INT8 tables), the ``invalid`` flag (floats)."""
    fields = {"entries": rows * p.groups * p.entries * p.entry_bits}
    if p.is_aligned:
        fields["exponent"] = rows * p.exponent_bits
    if p.is_quantized:
        fields["scale"] = rows * 32
    if p.activation.is_float:
        fields["invalid"] = rows
    return data.StructLayout(fields)


def weight_layout(p: LutCoreParameters) -> data.StructLayout:
    """One bit-plane of one beat: ``patterns`` (column, group; group fastest; K bits each: index
    and, on top, sign, or the raw pattern: see :class:`~.read.PatternDecoder`), the ``plane``
    number, and where the beat stands: ``first`` and ``last`` of the operation,
    ``table_last`` of the tables it reads (they are consumed with it)."""
    fields = {"patterns": p.N * p.groups * p.K}
    if p.plane_bits:
        fields["plane"] = p.plane_bits
    fields.update(first=1, last=1, table_last=1)
    return data.StructLayout(fields)


def psum_layout(p: LutCoreParameters) -> data.StructLayout:
    """Partial sums of one output beat: ``values``, one per lane."""
    return data.StructLayout({"values": p.out_lanes * p.psum.bits})


def result_layout(p: LutCoreParameters) -> data.StructLayout:
    """Results of one output beat: ``values``, one per lane: ``lanes`` rows at a time, columns
    ascending, then the next rows; ``last`` marks the last beat of an operation."""
    return data.StructLayout({"values": p.out_lanes * p.out.bits, "last": 1})
