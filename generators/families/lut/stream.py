"""The words that a LUT core streams for a whole matrix, as ``gen pack`` adds them to a tensor file.

=============== ================================ ==================================================
entry           type, shape                      meaning
=============== ================================ ==================================================
stream_K, stream_groups, stream_N, stream_planes  int  the core that the words are for: activations
                                                 a table, tables and planes a beat, columns
stream_raw      bool                             the fields are patterns, not sign and index
stream_unpack   text, trits only                 how trits are packed: none, trits5, sherry
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
from lowbit.golden.lut.parameters import LutCoreParameters

__all__ = ["stream_entries"]

Array = NDArray[Any]


def stream_entries(quantized: GroupedWeights, core: LutCoreParameters) -> dict[str, Any]:
    """The stream of a whole matrix for a core, tile by tile; codes of trits for one of radix 3."""
    n = quantized.codes.shape[0]
    K, groups, N, radix, planes = core.K, core.groups, core.N, core.radix, core.parallel_planes
    q, bits, zero = quantized.codes, quantized.bits, None
    if radix == 2:      # trits have no zero-point term
        q, bits = padded(quantized.codes, quantized.bits, planes)
        zero = None if quantized.zero is None else \
            padded(quantized.zero, quantized.bits, planes)[0]
    none = 1 << (bits - 1) if radix == 2 else 1
    counts = None if zero is None else zero_beats(zero, bits, planes)
    words: Array | None = None
    beats: Beats | None = None
    tiles = -(-n // N)
    for t in range(tiles):
        codes = _columns(q, t, N, none)
        zeros = None if zero is None else _columns(zero, t, N, none)
        beats = weight_beats(codes, bits, K, groups, zeros, group_size=quantized.group_size,
                             per_group=True, counts=counts, radix=radix, planes=planes)
        rows = beats.words(raw=not core.has_sign) if core.trit_code is None else \
            beats.packed(core.trit_code)
        if words is None:
            words = np.empty((tiles, *rows.shape), np.uint8)
        words[t] = rows
    assert beats is not None
    packing = {} if radix == 2 else {"stream_unpack": core.unpack}
    return {"stream_K": K, "stream_groups": groups, "stream_N": N, "stream_planes": planes,
            "stream_raw": not core.has_sign, **packing,
            "stream_plane": beats.plane, "stream_first": beats.first, "stream_last": beats.last,
            "stream_table_last": beats.group_last, "stream_words": words}


def _columns(x: Array, tile: int, N: int, fill: int) -> Array:
    """The N columns (rows of ``x``) of a tile; missing ones are zeros, whose code is ``fill``."""
    part = x[tile * N:(tile + 1) * N]
    return np.pad(part, ((0, N - len(part)), (0, 0)), constant_values=fill)
