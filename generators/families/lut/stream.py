"""The words that a LUT core streams for a whole matrix, as ``gen pack`` adds them to a tensor file.

=============== ================================ ==================================================
entry           type, shape                      meaning
=============== ================================ ==================================================
stream_K, stream_groups, stream_N, stream_planes  int  the core that the words are for: activations
                                                 a table, tables and planes a beat, columns
stream_raw      bool                             the fields are patterns, not sign and index
stream_plane    uint8 (T,)                       (lowest) plane of each beat
stream_first, stream_last   bool (T,)            the beat starts, ends a reduction (one a group)
stream_table_last  bool (T,)                     the beat is the last that reads its tables
stream_words    uint8 (tiles, T, bytes)          weight words, least significant byte first
=============== ================================ ==================================================

Tile t holds columns t*N .. t*N + N - 1, the last one filled up with columns of scale 0. All tiles
have the same beats. Order of beats, bits of a word: :mod:`lowbit.golden.lut.packing`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.packing import Beats, padded, weight_beats, zero_beats

__all__ = ["stream_entries"]

Array = NDArray[Any]


def stream_entries(quantized: GroupedWeights, *, K: int, groups: int, N: int,
                   raw: bool = False, planes: int = 1) -> dict[str, Any]:
    """The stream of a whole matrix for a core of N columns, tile by tile."""
    n = quantized.codes.shape[0]
    q, bits = padded(quantized.codes, quantized.bits, planes)
    zero = None if quantized.zero is None else padded(quantized.zero, quantized.bits, planes)[0]
    counts = None if zero is None else zero_beats(zero, bits, planes)
    words: Array | None = None
    beats: Beats | None = None
    tiles = -(-n // N)
    for t in range(tiles):
        codes = _columns(q, t, N, 1 << (bits - 1))
        zeros = None if zero is None else _columns(zero, t, N, 1 << (bits - 1))
        beats = weight_beats(codes, bits, K, groups, zeros, group_size=quantized.group_size,
                             per_group=True, counts=counts, planes=planes)
        rows = beats.words(raw=raw)
        if words is None:
            words = np.empty((tiles, *rows.shape), np.uint8)
        words[t] = rows
    assert beats is not None
    return {"stream_K": K, "stream_groups": groups, "stream_N": N, "stream_planes": planes,
            "stream_raw": raw, "stream_plane": beats.plane, "stream_first": beats.first,
            "stream_last": beats.last, "stream_table_last": beats.group_last,
            "stream_words": words}


def _columns(x: Array, tile: int, N: int, fill: int) -> Array:
    """The N columns (rows of ``x``) of a tile; missing ones are two's-complement zeros."""
    part = x[tile * N:(tile + 1) * N]
    return np.pad(part, ((0, N - len(part)), (0, 0)), constant_values=fill)
