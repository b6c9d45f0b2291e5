"""Ports of the BitMoD tile and array: the one place that names their fields.

Rows and columns are those of the whole design, all tiles of it.
"""

from __future__ import annotations

from typing import Any

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.pe_parameters import BitmodPeOptions, BitmodTermGeneratorParameters
from lowbit.golden.bitmod.tile_parameters import BitmodMeshParameters
from lowbit.golden.formats import FP16, FP32

from ..common.field import Field, flag

__all__ = ["activation_layout", "aligned_field", "bsig_field", "channel_layout", "chunk_bits",
           "code_note", "exponent_field", "group_layout", "mesh_ports", "result_layout",
           "special_value_ports", "term_field", "terms_bits", "weight_layout", "wide_field"]

CODE_BITS = BitmodTermGeneratorParameters.code_bits
SELECTOR_BITS = (BitmodTermGeneratorParameters.special_values - 1).bit_length()
SCALE_BITS = 8
#: bits of a term: sign, exp (2), man
TERM_BITS = BitmodTermGeneratorParameters.term_bits
BSIG_BITS = 4
#: what a weight code is
CODE_NOTE = "weight codes: a sign-extended integer, an FP4 code, or an FP3 code shifted left by one"
#: what --flint adds to it
FLINT_NOTE = "; with bit 4 set a flint4 code"
#: what --olive adds to it
OLIVE_NOTE = "; with bit 5 set OliVe's, lanes 2i and 2i + 1 together"


def code_note(p: BitmodTermGeneratorParameters | BitmodMeshParameters) -> str:
    """What the codes of a design are."""
    return CODE_NOTE + FLINT_NOTE * p.flint + OLIVE_NOTE * p.olive


def terms_bits(p: Any) -> int:
    """Bits of a column's terms: those of the lanes, then with --olive one of each pair, see
    :func:`wide_field`."""
    return int(p.lanes * TERM_BITS + p.lanes // 2 * p.olive)


def chunk_bits(p: BitmodMeshParameters) -> int:
    """Bits of a group's number of chunks, less one."""
    return max(1, (p.max_group // p.lanes - 1).bit_length())


def special_value_ports() -> dict[str, Field]:
    """The write port of the register file of special values."""
    return {"sv_write": flag("store sv_value at sv_index"),
            "sv_index": Field(SELECTOR_BITS, "entry of the register file of special values",
                              name="unsigned"),
            "sv_value": Field(BitmodTermGeneratorParameters.special_value_bits,
                              "special value: sign on top, 4 integer bits, 1 fraction bit",
                              name="sign-magnitude")}


def term_field(lanes: int) -> Field:
    """Terms of a cycle."""
    return Field(TERM_BITS,
                 "terms, from the lowest bit: sign, exp (2 bits), man", name="term",
                 axes={"lane": lanes})


def wide_field(lanes: int) -> Field:
    """What the terms of pairs have in common."""
    return Field(1, "the terms of lanes 2i and 2i + 1 count eightfold", name="flag",
                 axes={"pair": lanes // 2})


def bsig_field() -> Field:
    """The significance of a cycle."""
    return Field(BSIG_BITS, "power of two that the cycle's terms share: -1, 0, 2, 4 or 6",
                 name="int4", signed=True)


def aligned_field(p: BitmodPeOptions) -> Field:
    """Row-aligned activations of a chunk."""
    return Field(p.align_bits + 1, "activations as integers at the exponent of their row and "
                 "group: a magnitude, and on top its sign", name="sign-magnitude",
                 axes={"lane": p.lanes})


def exponent_field(axes: dict[str, int] | None = None) -> Field:
    """What a row's activations of a group are aligned to."""
    return Field(FP16.ebits, "exponent field of the row and group, at least the largest of its "
                 "activations; 1 for subnormals and zeros", name="unsigned", axes=axes)


def activation_layout(p: BitmodMeshParameters) -> data.StructLayout:
    """A chunk: ``values``; where exponents are scanned, ``last`` of its group."""
    down, _ = p.tiles
    fields = {"values": Field(
        FP16, "activations of a chunk", axes={"tile_row": down, "row": p.rows, "lane": p.lanes})}
    if p.scans:
        fields["last"] = flag("last chunk of a group")
    return data.StructLayout(fields)


def weight_layout(p: BitmodMeshParameters) -> data.StructLayout:
    """A chunk: ``codes``, as the term generator takes them."""
    _, across = p.tiles
    return data.StructLayout({"codes": Field(
        CODE_BITS, code_note(p), name="code",
        axes={"tile_column": across, "column": p.columns, "lane": p.lanes})})


def group_layout(p: BitmodMeshParameters) -> data.StructLayout:
    """A group of all columns, and of all rows: ``selectors`` of the special values, ``scales``,
    ``floating`` (FP3 and FP4), ``terms`` of a weight and ``chunks`` of the group, both less one,
    ``last`` of its operation, with row alignment ``exponents`` of the rows unless they are
    scanned, and in an array ``keep``: the operation's activations stay in the input buffer for the
    next one."""
    down, across = p.tiles
    axes = {"tile_column": across, "column": p.columns}
    fields = {
        "selectors": Field(SELECTOR_BITS, "special value of the column's group", name="unsigned",
                           axes=axes),
        "scales": Field(SCALE_BITS, "scale of the column's group", name="unsigned", axes=axes),
        "floating": flag("codes are FP3 or FP4, not integers"),
        "terms": Field(2, "terms of a weight, less one", name="unsigned"),
        "chunks": Field(chunk_bits(p), "chunks of the group, less one", name="unsigned"),
        "last": flag("last group of an operation")}
    if p.align == "row" and not p.scans:
        fields["exponents"] = exponent_field({"tile_row": down, "row": p.rows})
    if p.kept_chunks:
        fields["keep"] = flag("the operation's activations stay for the next one")
    return data.StructLayout(fields)


def channel_layout(p: BitmodMeshParameters) -> data.StructLayout:
    """Second-level ``scales`` of the columns that leave side by side."""
    _, across = p.tiles
    return data.StructLayout({"scales": Field(
        FP32, "second-level scales of the columns that leave side by side",
        axes={"tile_column": across, "column": p.out_columns})})


def result_layout(p: BitmodMeshParameters) -> data.StructLayout:
    """``values`` of one row and ``out_columns`` columns of every tile: rows ascending, then the
    next columns; ``last`` of the operation; where exponents are given ``clipped`` of the row:
    activations of the operation were larger than them, and have been cut to them."""
    down, across = p.tiles
    fields = {
        "values": Field(FP16 if p.out == "fp16" else FP32,
                        "results of one row and of the columns that leave side by side, rows "
                        "ascending, then the next columns",
                        axes={"tile_row": down, "tile_column": across, "column": p.out_columns}),
        "last": flag("last result beat of an operation")}
    if p.align == "row" and not p.scans:
        fields["clipped"] = Field(1, "activations of the row were larger than the exponents given",
                                  name="flag", axes={"tile_row": down})
    return data.StructLayout(fields)


def mesh_ports(p: BitmodMeshParameters) -> dict[str, wiring.Member]:
    """All ports: special values, operand streams, ``channel`` with a channel scale, results."""
    layouts = {"activation": activation_layout(p), "weight": weight_layout(p),
               "group": group_layout(p)}
    if p.channel_scale:
        layouts["channel"] = channel_layout(p)
    return {**{name: In(field) for name, field in special_value_ports().items()},
            **{name: In(stream.Signature(layout)) for name, layout in layouts.items()},
            "result": Out(stream.Signature(result_layout(p)))}
