"""Weight codes as a dense bit stream: ``bits`` bits a code, the first code in the lowest bits.

Every output channel (row) starts at a byte of its own; the unused top bits of its last byte are
zero. This is the form in which codes are stored in files and in a weight buffer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["packed_bytes", "pack_codes", "unpack_codes"]

Array = NDArray[Any]

#: codes expanded to single bits at once
BLOCK = 1 << 16


def packed_bytes(columns: int, bits: int) -> int:
    """Bytes of one row of ``columns`` codes."""
    return -(-columns * bits // 8)


def pack_codes(codes: Array, bits: int) -> Array:
    """Codes uint8 (rows, k), each below 2**bits, to uint8 (rows, ceil(k * bits / 8))."""
    rows, columns = codes.shape
    out = np.empty((rows, packed_bytes(columns, bits)), np.uint8)
    step = max(1, BLOCK // columns)
    for i in range(0, rows, step):
        part = np.unpackbits(codes[i:i + step, :, None], axis=2, count=bits, bitorder="little")
        out[i:i + step] = np.packbits(part.reshape(len(part), -1), axis=1, bitorder="little")
    return out


def unpack_codes(packed: Array, columns: int, bits: int) -> Array:
    """Inverse of :func:`pack_codes`: uint8 (rows, columns)."""
    rows = packed.shape[0]
    out = np.empty((rows, columns), np.uint8)
    step = max(1, BLOCK // columns)
    for i in range(0, rows, step):
        part = np.unpackbits(packed[i:i + step], axis=1, count=columns * bits, bitorder="little")
        part = part.reshape(-1, columns, bits)
        out[i:i + step] = np.packbits(part, axis=2, bitorder="little")[:, :, 0]
    return out
