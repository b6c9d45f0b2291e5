"""compressed-tensors: layers of packed integers, as its ``pack-quantized`` format has them.

================== =====================================================================
tensor             contents
================== =====================================================================
weight_packed      int32 (n, ceil(k / f)), f = 32 / bits codes a word, lowest bits first
weight_shape       integers (2,): n, k
weight_scale       float (n, groups)
weight_zero_point  none (symmetric); int32 (ceil(n / f), groups), packed along n; or int8
                   (n, groups) as it is
weight_g_idx       none, or int (k,): the group of each input
================== =====================================================================

Integers are signed, b = 4 or 8 bits, and stored with 2**(b-1) added: an unsigned code q and a zero
point z of the same offset give s (q - z).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.bits import unpack_bits
from lowbit.golden.grouped import GroupedWeights

from ..errors import UsageError
from .gptq import Integers, group_order, group_size_of

__all__ = ["compressed_weights", "packed_bits"]

Array = NDArray[Any]


def packed_bits(columns: int, k: int) -> int | None:
    """Bits of a code where ``columns`` words hold k of them; None if neither 4 nor 8."""
    return next((bits for bits in (4, 8) if columns == -(-k * bits // 32)), None)


def _fields(words: Array, bits: int, count: int) -> Array:
    return unpack_bits(np.ascontiguousarray(words, "<i4").view(np.uint8), bits, count)


def compressed_weights(base: str, integers: Integers, scales: Array, *, zero_point: bool,
                       g_idx: bool) -> tuple[GroupedWeights, list[str]]:
    """Weights of the layer ``base`` (without ``.weight_packed``) and notes.

    ``scales`` float32 (n, groups). :class:`UsageError` where the tensors do not fit each other.
    """
    packed, shape = integers(f"{base}.weight_packed"), integers(f"{base}.weight_shape")
    if packed.ndim != 2 or shape.shape != (2,) or scales.ndim != 2 or \
            not len(packed) == len(scales) == shape[0] or shape[1] < 1:
        raise UsageError(f"{base} is no packed layer: weight_packed {packed.shape}, weight_shape "
                         f"{shape.tolist()}, weight_scale {scales.shape}")
    n, k = map(int, shape)
    bits = packed_bits(packed.shape[1], k)
    if bits is None:
        raise UsageError(f"{base}.weight_packed must hold {k} codes of 4 or 8 bits a row; it has "
                         f"{packed.shape[1]} words")
    groups = scales.shape[1]
    middle, order, notes = 1 << (bits - 1), None, []
    if g_idx and (index := integers(f"{base}.weight_g_idx")).max(initial=-1) >= 0:
        if index.shape != (k,):
            raise UsageError(f"{base}.weight_g_idx must have shape ({k},); it has {index.shape}")
        size, order = group_order(index, groups, f"{base}.weight_g_idx")
        if order is not None:
            notes.append("act-order: inputs are taken in the order of their groups")
    else:
        size = group_size_of(base, k, groups, {})
    zero = np.full((n, groups), middle, np.int16)
    if zero_point:
        stored = integers(f"{base}.weight_zero_point")
        if stored.dtype == np.int8 and stored.shape == (n, groups):
            zero += stored
        elif stored.dtype == np.int32 and stored.shape == (-(-n * bits // 32), groups):
            zero = _fields(stored.T, bits, n).T.astype(np.int16)
        else:
            raise UsageError(f"{base}.weight_zero_point must be int8 ({n}, {groups}), or int32 "
                             f"({-(-n * bits // 32)}, {groups}); it is {stored.dtype} "
                             f"{stored.shape}")
    codes = _fields(packed, bits, k)
    return GroupedWeights(codes if order is None else codes[:, order],
                          np.ascontiguousarray(scales, np.float32), zero, bits, size,
                          order=order).check(), notes
