"""Payloads of the streams of the BitMoD tile and array: the one place that names their fields.

Every field is one packed vector, element 0 in the least significant bits. Rows and columns are
those of the whole design: ``down`` and ``across`` tiles.
"""

from __future__ import annotations

from amaranth.lib import data

from lowbit.golden.bitmod.parameters import BitmodEncoderParameters, BitmodTileParameters

__all__ = ["activation_layout", "channel_layout", "chunk_bits", "group_layout", "result_layout",
           "weight_layout"]

CODE_BITS = BitmodEncoderParameters.code_bits
SELECTOR_BITS = (BitmodEncoderParameters.special_values - 1).bit_length()
SCALE_BITS = 8


def chunk_bits(p: BitmodTileParameters) -> int:
    """Bits of a group's number of chunks, less one."""
    return max(1, (p.max_group // p.lanes - 1).bit_length())


def activation_layout(p: BitmodTileParameters, down: int = 1) -> data.StructLayout:
    """A chunk: ``values``, FP16 (row, lane; lane fastest)."""
    return data.StructLayout({"values": down * p.rows * p.lanes * 16})


def weight_layout(p: BitmodTileParameters, across: int = 1) -> data.StructLayout:
    """A chunk: ``codes``, 8 bits each as the encoder takes them (column, lane; lane fastest)."""
    return data.StructLayout({"codes": across * p.columns * p.lanes * CODE_BITS})


def group_layout(p: BitmodTileParameters, across: int = 1,
                 keep: bool = False) -> data.StructLayout:
    """A group of all columns: ``selectors`` of the special values (2 bits each), ``scales`` (8
    bits each), ``floating`` (FP3 and FP4), ``terms`` of a weight and ``chunks`` of the group, both
    less one, ``last`` of its operation, and in an array ``keep``: the operation's activations
    stay in the input buffer for the next one."""
    fields = {"selectors": across * p.columns * SELECTOR_BITS,
              "scales": across * p.columns * SCALE_BITS, "floating": 1, "terms": 2,
              "chunks": chunk_bits(p), "last": 1}
    if keep:
        fields["keep"] = 1
    return data.StructLayout(fields)


def channel_layout(p: BitmodTileParameters, across: int = 1) -> data.StructLayout:
    """Second-level FP32 ``scales`` of the columns that leave side by side (tile, column)."""
    return data.StructLayout({"scales": across * p.out_columns * 32})


def result_layout(p: BitmodTileParameters, down: int = 1, across: int = 1) -> data.StructLayout:
    """``values`` of one row and ``out_columns`` columns of every tile (tile row, tile column,
    column; column fastest): rows ascending, then the next columns; ``last`` of the operation."""
    bits = 16 if p.out == "fp16" else 32
    return data.StructLayout({"values": down * across * p.out_columns * bits, "last": 1})
