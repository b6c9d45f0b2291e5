"""Arrays of integers as packed bits, element 0 in the least significant ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ints_to_rows", "pack_bits", "rows_to_ints", "unpack_bits"]

Array = NDArray[Any]


def pack_bits(values: Array, width: int) -> Array:
    """Pack (..., n) integers into (..., bytes) uint8, element 0 in the least significant bits.

    The low ``width`` (1..64) bits of each element are taken: two's complement for signed ones.
    """
    values = np.asarray(values)
    size = values.dtype.itemsize
    if width > 8 * size:
        values = values.astype(np.int64 if values.dtype.kind == "i" else np.uint64)
        size = 8
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    octets = values.view(np.uint8).reshape((*values.shape, size))
    shape = (*values.shape[:-1], values.shape[-1] * width)
    if width == 8 * size:
        return octets.reshape((*values.shape[:-1], values.shape[-1] * size))
    if width in (2, 4) and values.shape[-1] * width % 8 == 0:       # the same, faster
        low = octets[..., 0] & np.uint8((1 << width) - 1)
        packed = low[..., ::8 // width].copy()
        for i in range(1, 8 // width):
            packed |= low[..., i::8 // width] << np.uint8(i * width)
        return packed
    bits = np.unpackbits(octets, axis=-1, count=width, bitorder="little")
    return np.packbits(bits.reshape(shape), axis=-1, bitorder="little")


def unpack_bits(rows: Array, width: int, count: int, *, signed: bool = False) -> Array:
    """The inverse of :func:`pack_bits`: (..., bytes) uint8 to (..., count) integers.

    The element type is the smallest that holds ``width`` (1..64) bits.
    """
    rows = np.ascontiguousarray(rows, np.uint8)
    size = next(s for s in (1, 2, 4, 8) if width <= 8 * s)
    if count * width <= 8 * rows.shape[-1]:                         # the same as below, faster
        if width == 8 * size:
            whole = rows[..., :count * size].copy()
            return whole.view(np.dtype(f"<{'i' if signed else 'u'}{size}"))
        if width in (2, 4) and not signed:
            parts = np.empty((*rows.shape[:-1], rows.shape[-1] * 8 // width), np.uint8)
            for i in range(8 // width):
                parts[..., i::8 // width] = rows >> np.uint8(i * width) & np.uint8((1 << width) - 1)
            return parts[..., :count]
    bits = np.unpackbits(rows, axis=-1, count=count * width, bitorder="little")
    bits = bits.reshape((*rows.shape[:-1], count, width))
    octets = np.packbits(bits, axis=-1, bitorder="little")
    octets = np.concatenate((octets, np.zeros((*octets.shape[:-1], size - octets.shape[-1]),
                                              np.uint8)), axis=-1)
    values = octets.view(np.dtype(f"<u{size}"))[..., 0]
    if not signed:
        return values.astype(f"u{size}", copy=False)
    spare = 8 * size - width
    high: Array = (values.astype(f"u{size}") << np.array(spare, f"u{size}")).view(f"i{size}")
    return np.right_shift(high, spare)


def rows_to_ints(rows: Array) -> list[int]:
    """Packed words (T, bytes) as Python integers, one for each word."""
    rows = np.ascontiguousarray(rows, np.uint8)
    data, size = rows.tobytes(), rows.shape[-1]
    return [int.from_bytes(data[i:i + size], "little") for i in range(0, len(data), size)]


def ints_to_rows(words: Iterable[int], width: int) -> Array:
    """Python integers of ``width`` bits as packed words: uint8 (T, bytes)."""
    size = -(-width // 8)
    data = b"".join(word.to_bytes(size, "little") for word in words)
    return np.frombuffer(data, np.uint8).reshape(-1, size)
