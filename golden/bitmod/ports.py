"""BitMoD operations as the words of the ports: the one place that packs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.bits import pack_bits, rows_to_ints, unpack_bits
from lowbit.golden.formats import FP16, FP32

from .datatypes import DataType, check_special_values
from .pe_parameters import WIDE
from .row_alignment import group_exponents
from .terms import Terms
from .tile_parameters import BitmodMeshParameters

__all__ = ["Weights", "activation_beats", "channel_beats", "clipped_words", "port_codes",
           "group_beats", "layer_beats", "layer_results", "pack_terms", "results_of",
           "special_value_word", "stream_beats", "weight_beats", "wide_pairs"]

Array = NDArray[Any]
Fields = list[dict[str, int]]


def port_codes(codes: Array, dtype: DataType) -> Array:
    """Codes of a data type as the ports take them, uint8: integers sign-extended to 8 bits,
    FP4 as it is, FP3 as the FP4 code of the same value (shifted left by one), flint4 with bit 4
    set: 8 in the place of 6; OliVe's with bit 5 set."""
    codes = np.asarray(codes).astype(np.int64)
    if dtype.kind == "float":
        return (codes << (4 - dtype.bits) | dtype.flint << 4 | dtype.pairs << 5).astype(np.uint8)
    return (codes - ((codes & dtype.sv_code) << 1) & 0xFF).astype(np.uint8)


def special_value_word(value: float) -> int:
    """A special value as the register file takes it: sign, 4 integer bits, 1 fraction bit.

    :class:`~lowbit.golden.parameters.ParameterError` if it needs more than two terms.
    """
    check_special_values((value,))
    return abs(int(2 * value)) | (32 if value < 0 else 0)


def pack_terms(terms: Terms, wide: Array | None = None) -> Array:
    """Terms as 4-bit words, from the lowest bit: sign, exp (2 bits), man; int64. ``wide``:
    :func:`wide_pairs`, whose exp counts from 3."""
    exp = np.asarray(terms.exp, np.int64)
    if wide is not None:
        exp = np.where(terms.man, exp - WIDE * wide.repeat(2, axis=wide.ndim - 2), 0)
    return terms.sign.astype(np.int64) | exp << 1 | terms.man.astype(np.int64) << 3


def wide_pairs(terms: Terms) -> Array:
    """Which pairs of terms (..., k, terms), k even, have exponents from 3 up: 0 or 1, int64 (...,
    k / 2, terms). Of pairs' data types only: no two terms of a pair are on both sides of 3."""
    pairs = np.asarray(terms.exp).reshape(*terms.exp.shape[:-2], -1, 2, terms.exp.shape[-1])
    return (pairs.max(-2) >= WIDE).astype(np.int64)


@dataclass(frozen=True)
class Weights:
    """Weights of a layer as the ports need them.

    ``codes`` uint8 (n, k) of ``dtype``; ``scale_codes`` uint8 and ``selectors`` (entries of the
    register file of special values) (n, groups); ``channel_scale`` float32 (n,) or None.
    """

    codes: Array
    dtype: DataType
    group_size: int
    scale_codes: Array
    selectors: Array
    channel_scale: Array | None = None

    def columns(self, part: slice, count: int) -> Weights:
        """Columns ``part``, filled up with zero columns to ``count``."""
        def cut(values: Array) -> Array:
            return np.pad(values[part], [(0, count - len(values[part]))]
                          + [(0, 0)] * (values.ndim - 1))
        return Weights(cut(self.codes), self.dtype, self.group_size, cut(self.scale_codes),
                       cut(self.selectors),
                       None if self.channel_scale is None else cut(self.channel_scale))

    def group_sizes(self) -> list[int]:
        return _group_sizes(self.codes.shape[1], self.group_size)


def _group_sizes(k: int, group_size: int) -> list[int]:
    return [min(group_size, k - i) for i in range(0, k, group_size)]


def _words(values: Array, width: int) -> list[int]:
    """(beats, ...) integers to one packed integer per beat."""
    return rows_to_ints(pack_bits(np.asarray(values, np.int64).reshape(len(values), -1), width))


def _chunks(values: Array, group_size: int, lanes: int) -> Array:
    """(n, k) to (chunks, n, lanes); a group that is no multiple of the lanes ends with zeros."""
    n, k = values.shape
    parts = []
    for start in range(0, k, group_size):
        group = values[:, start:start + group_size]
        group = np.pad(group, ((0, 0), (0, -group.shape[1] % lanes)))
        parts.append(group.reshape(n, -1, lanes).transpose(1, 0, 2))
    return np.concatenate(parts)


def activation_beats(p: BitmodMeshParameters, activations: Array, group_size: int) -> Fields:
    """The ``activation`` stream of one operation: FP16 codes (rows of all tiles, k); where
    exponents are scanned, ``last`` marks the last chunk of a group."""
    beats = [{"values": word} for word in _words(_chunks(activations, group_size, p.lanes), 16)]
    if p.scans:
        lasts = [int(chunk == 1) for size in _group_sizes(activations.shape[1], group_size)
                 for chunk in range(-(-size // p.lanes), 0, -1)]
        for beat, last in zip(beats, lasts, strict=True):
            beat["last"] = last
    return beats


def weight_beats(p: BitmodMeshParameters, weights: Weights) -> Fields:
    """The ``weight`` stream of one operation (columns of all tiles)."""
    codes = port_codes(weights.codes, weights.dtype)
    return [{"codes": word} for word in _words(_chunks(codes, weights.group_size, p.lanes), 8)]


def group_beats(p: BitmodMeshParameters, weights: Weights, exponents: Array | None = None,
                keep: bool = False) -> Fields:
    """The ``group`` stream of one operation: ``exponents`` (rows of all tiles, groups) where they
    are given; ``keep`` its activations (designs that can)."""
    sizes = weights.group_sizes()
    beats = []
    for number, (selectors, scales) in enumerate(zip(_words(weights.selectors.T, 2),
                                                     _words(weights.scale_codes.T, 8),
                                                     strict=True)):
        beat = {"selectors": selectors, "scales": scales,
                "floating": int(weights.dtype.kind == "float"), "terms": weights.dtype.terms - 1,
                "chunks": -(-sizes[number] // p.lanes) - 1, "last": int(number == len(sizes) - 1)}
        if p.kept_chunks:
            beat["keep"] = int(keep)
        beats.append(beat)
    if exponents is not None:
        for beat, word in zip(beats, _words(exponents.T, FP16.ebits), strict=True):
            beat["exponents"] = word
    return beats


def channel_beats(p: BitmodMeshParameters, channel_scale: Array) -> Fields:
    """The ``channel`` stream of one operation: float32 scales of the columns of all tiles."""
    codes = FP32.from_array(np.asarray(channel_scale, np.float32))
    sets = codes.reshape(-1, p.columns // p.out_columns, p.out_columns).transpose(1, 0, 2)
    return [{"scales": word} for word in _words(sets, 32)]


def results_of(p: BitmodMeshParameters, words: list[int]) -> Array:
    """Results of one operation from its output words: codes int64 (rows, columns), all tiles."""
    down, across = p.tiles
    bits = 16 if p.out == "fp16" else 32
    count = down * across * p.out_columns
    size = -(-count * bits // 8)
    rows = np.frombuffer(b"".join(w.to_bytes(size, "little") for w in words), np.uint8)
    values = unpack_bits(rows.reshape(len(words), size), bits, count).astype(np.int64)
    # (set, row, tile row, tile column, column) to (tile row, row, tile column, set, column)
    values = values.reshape(-1, p.rows, down, across, p.out_columns).transpose(2, 1, 3, 0, 4)
    return values.reshape(down * p.rows, across * p.columns)


def stream_beats(p: BitmodMeshParameters, activations: Array, weights: Weights,
                 exponents: Array | None = None) -> dict[str, Iterator[dict[str, int]]]:
    """All streams of a layer: FP16 codes (m, k) times ``weights`` (n, k).

    Blocks of all tiles' rows, and for each of them blocks of all tiles' columns; ragged edges are
    filled with zeros. An array keeps the activations of a block of rows in its input buffer if
    they fit. A design with a channel scale gets ones where there is none. ``exponents`` (m,
    groups): of a design that is given them, default the largest of each group. Beats are made block
    by block, as the iterators get there.
    """
    down, across = p.tiles
    rows, columns = down * p.rows, across * p.columns
    sizes = weights.group_sizes()
    keeps = p.keeps(sum(-(-size // p.lanes) for size in sizes), len(sizes))
    row_starts = range(0, len(activations), rows)
    column_starts = range(0, len(weights.codes), columns)

    if p.align == "row" and not p.scans and exponents is None:
        exponents = group_exponents(activations, weights.group_size)

    def filled(values: Array, start: int) -> Array:
        block = values[start:start + rows]
        return np.pad(block, ((0, rows - len(block)), (0, 0)))

    def row_blocks() -> Iterator[dict[str, int]]:
        for i in row_starts:
            beats = activation_beats(p, filled(activations, i), weights.group_size)
            for _ in range(1 if keeps else len(column_starts)):
                yield from beats

    def column_blocks(beats: Callable[[Weights, int, bool], Fields]) -> Iterator[dict[str, int]]:
        for i in row_starts:
            for j in column_starts:
                keep = keeps and j != column_starts[-1]
                yield from beats(weights.columns(slice(j, j + columns), columns), i, keep)

    def group(block: Weights, row: int, keep: bool) -> Fields:
        tops = None if exponents is None else filled(exponents, row)
        return group_beats(p, block, tops, keep)

    def channel(block: Weights, row: int, keep: bool) -> Fields:
        scale = block.channel_scale
        return channel_beats(p, np.ones(columns) if scale is None else scale)

    streams = {"activation": row_blocks(),
               "weight": column_blocks(lambda block, row, keep: weight_beats(p, block)),
               "group": column_blocks(group)}
    if p.channel_scale:
        streams["channel"] = column_blocks(channel)
    return streams


def layer_beats(p: BitmodMeshParameters, activations: Array, weights: Weights,
                exponents: Array | None = None) -> dict[str, Fields]:
    """The streams of :func:`stream_beats`, all beats of each."""
    streams = stream_beats(p, activations, weights, exponents)
    return {name: list(beats) for name, beats in streams.items()}


def clipped_words(p: BitmodMeshParameters, clipped: Array, n: int) -> list[int]:
    """The field ``clipped`` of all result beats of a layer of ``n`` channels; ``clipped`` bool
    (m,) of its rows."""
    down, across = p.tiles
    rows = np.pad(clipped, (0, -len(clipped) % (down * p.rows)))
    blocks = rows.reshape(-1, down, p.rows).transpose(0, 2, 1)
    times = -(-n // (across * p.columns)) * p.output_sets
    return [word for block in blocks for word in _words(block, 1) * times]


def layer_results(p: BitmodMeshParameters, words: list[int], m: int, n: int) -> Array:
    """Results (m, n) of a layer, codes int64, from all its output words."""
    columns = p.tiles[1] * p.columns
    blocks = [results_of(p, words[i:i + p.output_beats])
              for i in range(0, len(words), p.output_beats)]
    per_row = -(-n // columns)
    lines = [np.concatenate(blocks[i:i + per_row], 1) for i in range(0, len(blocks), per_row)]
    return np.concatenate(lines)[:m, :n]
