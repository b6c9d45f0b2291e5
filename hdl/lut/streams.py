"""Payloads of the LUT family's streams: the one place that names their fields and packing.

Every field is one packed vector, element 0 in the least significant bits.
"""

from __future__ import annotations

from amaranth.lib import data

from lowbit.golden.lut.parameters import LutCoreParameters, LutParameters

__all__ = ["activation_layout", "table_layout", "weight_layout", "result_layout", "psum_layout",
           "table_notes", "core_notes", "existing"]


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


# -- notes for the manifest -------------------------------------------------------------------
def _of(count: int, what: str, bits: int, order: str) -> str:
    return f"{count} {what} of {bits} bits, {order}; element 0 lowest"


def existing(notes: dict[str, str], **layouts: data.StructLayout) -> dict[str, str]:
    """The notes of fields that the streams have."""
    fields = {f"{stream}_{field}" for stream, layout in layouts.items() for field, _ in layout}
    return {name: note for name, note in notes.items() if name in fields}


def table_notes(p: LutParameters, rows: int) -> dict[str, str]:
    """What the fields of the activation and table streams mean."""
    order = f"row (of {rows}), group (of {p.groups})"
    kind = p.table_float.name if p.is_float else "two's complement"
    notes = {
        "activation_values": _of(rows * p.groups * p.K, p.a_format, p.activation.bits,
                                 f"{order}, k fastest"),
        "table_entries": _of(rows * p.groups * p.entries, f"entries ({kind})", p.entry_bits,
                             f"{order}, entry fastest"),
        "table_invalid": f"bit per row: an activation of the row is infinite or NaN ({rows} rows)",
    }
    notes["activation_scan"] = "this beat only raises the rows' shared exponents; no table"
    notes["activation_first"] = "first table of an operation: takes the scanned exponents"
    notes["table_scale"] = _of(rows, "fp32 scales", 32, "one per row")
    if p.is_aligned:
        notes["table_exponent"] = _of(
            rows, "exponents", p.exponent_bits,
            f"one per row: an entry t means t * 2**(exponent{p.exponent_offset:+d})")
    return notes


def core_notes(p: LutCoreParameters) -> dict[str, str]:
    """What the fields of the core's streams mean."""
    pattern = "index below, sign on top" if p.has_sign else "raw pattern"
    rows = f"lane i of beat b: row (b / {p.N}) * {p.out_lanes} + i, column b % {p.N}"
    return table_notes(p, p.M) | {
        "weight_patterns": _of(p.N * p.groups, f"patterns ({pattern})", p.K,
                               "column, group fastest"),
        "weight_plane": "the beat counts 2**plane",
        "weight_first": "first beat of an operation",
        "weight_last": "last beat of an operation",
        "weight_table_last": "last beat that reads the tables now at the table port",
        "psum_values": _of(p.out_lanes, p.psum.name, p.psum.bits, rows),
        "result_values": _of(p.out_lanes, p.out.name, p.out.bits, rows),
        "result_last": "last result beat of an operation",
    }
