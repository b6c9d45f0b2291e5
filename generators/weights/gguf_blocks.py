"""GGUF's block formats: the bytes of a row to codes, scales, zero points and minima.

A row of k weights is k / block blocks of a fixed number of bytes, all little-endian. Formats with
super-blocks (``_K``) have 256 weights in 8 or 16 groups; the scale of a group is the block's FP16
scale times an integer of 4 to 8 bits, its minimum likewise: at most 19 significant bits, so these
products are exact in FP32 and nothing is rounded here.

======= ===== ============ ===================================================================
format  bits  group        weight
======= ===== ============ ===================================================================
Q4_0    4     32           d (q - 8)
Q4_1    4     32           d q + m
Q5_0    5     32           d (q - 16)
Q5_1    5     32           d q + m
Q8_0    8     32           d (q - 128), stored as the signed q - 128
Q2_K    2     16 of 256    (d s) q - (e t), 4-bit s and t
Q3_K    3     16 of 256    (d s)(q - 4), signed 6-bit s
Q4_K    4     32 of 256    (d s) q - (e t), 6-bit s and t
Q5_K    5     32 of 256    (d s) q - (e t), 6-bit s and t
Q6_K    6     16 of 256    (d s)(q - 32), signed 8-bit s
TQ1_0   2     256          d (q - 1), ternary, five digits a byte
TQ2_0   2     256          d (q - 1), ternary; a code of 3 is legal and means 2 d
MXFP4   4     32           2**(e - 127) times an E2M1 value
NVFP4   4     16 of 64     s t times an E2M1 value, s in E4M3, t a number of the tensor
======= ===== ============ ===================================================================

MXFP4 has d = 2**(e - 127), which FP32 holds for every e; e = 255 is NaN in the MX specification and
is refused. NVFP4 has E4M3 scales without a sign, of which 127 is NaN and refused too; t is an FP32
tensor beside the weights, or 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.block_formats import BLOCK_KINDS, scale_values
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.parameters import ParameterError

__all__ = ["BLOCK_FORMATS", "BlockFormat", "decode_rows"]

Array = NDArray[Any]


@dataclass(frozen=True)
class _Part:
    """What a decoder gives for N blocks: codes (N, block), the others (N, groups of a block)."""

    codes: Array
    scale: Array
    minimum: Array | None = None


@dataclass(frozen=True)
class BlockFormat:
    """One format. ``zero``: z of every group; None with minima and of block formats."""

    bits: int
    block: int               #: weights of a block
    size: int                #: bytes of a block
    group: int               #: weights that share a scale
    decode: Callable[[Array], _Part]
    zero: int | None = None
    kind: str | None = None     #: block format (:mod:`lowbit.golden.block_formats`)


def _half(raw: Array, at: int) -> Array:
    """The FP16 at byte ``at`` of each block, as float32 (N, 1)."""
    return np.ascontiguousarray(raw[:, at:at + 2]).view("<f2").astype(np.float32)


def _fields(raw: Array, bits: int, run: int) -> Array:
    """Fields of bytes laid out in runs: the lowest fields of ``run`` bytes come first, then the
    next higher ones of the same bytes. uint8 (N, bytes * 8 / bits)."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    parts = raw.reshape(len(raw), -1, 1, run) >> shifts & np.uint8((1 << bits) - 1)
    return parts.reshape(len(raw), -1)


def _q4_0(raw: Array) -> _Part:
    return _Part(_fields(raw[:, 2:], 4, 16), _half(raw, 0))


def _q4_1(raw: Array) -> _Part:
    return _Part(_fields(raw[:, 4:], 4, 16), _half(raw, 0), _half(raw, 2))


def _fifth(raw: Array) -> Array:
    """Bit j of four bytes, at bit 4 of weight j."""
    return np.unpackbits(raw, axis=1, bitorder="little") << np.uint8(4)


def _q5_0(raw: Array) -> _Part:
    return _Part(_fields(raw[:, 6:], 4, 16) | _fifth(raw[:, 2:6]), _half(raw, 0))


def _q5_1(raw: Array) -> _Part:
    return _Part(_fields(raw[:, 8:], 4, 16) | _fifth(raw[:, 4:8]), _half(raw, 0), _half(raw, 2))


def _q8_0(raw: Array) -> _Part:
    return _Part(raw[:, 2:] ^ np.uint8(128), _half(raw, 0))


def _q2_k(raw: Array) -> _Part:
    scales = raw[:, :16]
    return _Part(_fields(raw[:, 16:80], 2, 32), _half(raw, 80) * (scales & 15),
                 0 - _half(raw, 82) * (scales >> 4))


def _q3_k(raw: Array) -> _Part:
    # 16 scales of 6 bits: low four bits in eight bytes, high two in four more
    scales = _fields(raw[:, 96:104], 4, 8) | _fields(raw[:, 104:108], 2, 4) << np.uint8(4)
    codes = _fields(raw[:, 32:96], 2, 32) | _fields(raw[:, :32], 1, 32) << np.uint8(2)
    return _Part(codes, _half(raw, 108) * (scales.astype(np.float32) - 32))


def _scales_k(raw: Array) -> tuple[Array, Array]:
    """Eight scales and eight minima of 6 bits from 12 bytes: the first four of each in the low
    bits of bytes 0-3 and 4-7; the others' low four bits in 8-11, their high two on top of 0-7."""
    d, m, low = raw[:, :4], raw[:, 4:8], raw[:, 8:12]
    return (np.concatenate([d & 63, low & 15 | d >> 2 & 48], axis=1),
            np.concatenate([m & 63, low >> 4 | m >> 2 & 48], axis=1))


def _q4_k(raw: Array) -> _Part:
    scales, minima = _scales_k(raw[:, 4:16])
    return _Part(_fields(raw[:, 16:], 4, 32), _half(raw, 0) * scales, 0 - _half(raw, 2) * minima)


def _q5_k(raw: Array) -> _Part:
    scales, minima = _scales_k(raw[:, 4:16])
    codes = _fields(raw[:, 48:], 4, 32) | _fields(raw[:, 16:48], 1, 32) << np.uint8(4)
    return _Part(codes, _half(raw, 0) * scales, 0 - _half(raw, 2) * minima)


def _q6_k(raw: Array) -> _Part:
    codes = _fields(raw[:, :128], 4, 64) | _fields(raw[:, 128:192], 2, 32) << np.uint8(4)
    return _Part(codes, _half(raw, 208) * raw[:, 192:208].view(np.int8))


def _digits(raw: Array, count: int) -> Array:
    """Ternary digits of bytes that hold fractions of 256: digit p of all bytes, then p + 1."""
    powers = np.array([1, 3, 9, 27, 81], np.uint8)[:count, None]
    fraction = (raw[:, None] * powers).astype(np.uint16)       # the product wraps at 256
    return (fraction * np.uint16(3) >> 8).astype(np.uint8).reshape(len(raw), -1)


def _tq1_0(raw: Array) -> _Part:
    digits = _digits(raw[:, :32], 5), _digits(raw[:, 32:48], 5), _digits(raw[:, 48:52], 4)
    return _Part(np.concatenate(digits, axis=1), _half(raw, 52))


def _tq2_0(raw: Array) -> _Part:
    return _Part(_fields(raw[:, :64], 2, 32), _half(raw, 64))


def _mxfp4(raw: Array) -> _Part:
    return _Part(_fields(raw[:, 1:], 4, 16), scale_values("mxfp4", raw[:, :1]))


def _nvfp4(raw: Array) -> _Part:
    if (signed := raw[:, :4][raw[:, :4] > 127]).size:
        raise ParameterError("scales of NVFP4 must be E4M3 numbers without a sign, codes 0..126; "
                             f"a block's is {signed[0]}")
    return _Part(_fields(raw[:, 4:], 4, 8), scale_values("nvfp4", raw[:, :4]))


BLOCK_FORMATS = {
    "Q4_0": BlockFormat(4, 32, 18, 32, _q4_0, zero=8),
    "Q4_1": BlockFormat(4, 32, 20, 32, _q4_1),
    "Q5_0": BlockFormat(5, 32, 22, 32, _q5_0, zero=16),
    "Q5_1": BlockFormat(5, 32, 24, 32, _q5_1),
    "Q8_0": BlockFormat(8, 32, 34, 32, _q8_0, zero=128),
    "Q2_K": BlockFormat(2, 256, 84, 16, _q2_k),
    "Q3_K": BlockFormat(3, 256, 110, 16, _q3_k, zero=4),
    "Q4_K": BlockFormat(4, 256, 144, 32, _q4_k),
    "Q5_K": BlockFormat(5, 256, 176, 32, _q5_k),
    "Q6_K": BlockFormat(6, 256, 210, 16, _q6_k, zero=32),
    "TQ1_0": BlockFormat(2, 256, 54, 256, _tq1_0, zero=1),
    "TQ2_0": BlockFormat(2, 256, 66, 256, _tq2_0, zero=1),
    "MXFP4": BlockFormat(4, 32, 17, 32, _mxfp4, kind="mxfp4"),
    "NVFP4": BlockFormat(4, 64, 36, 16, _nvfp4, kind="nvfp4"),
}


def decode_rows(name: str, raw: Array, factor: float = 1.0) -> GroupedWeights:
    """Weights (n, k) from the bytes (n, k / block * size) of a format; ``factor`` is t of NVFP4.

    :class:`ParameterError` for a scale or minimum that is not finite.
    """
    form = BLOCK_FORMATS[name]
    n = len(raw)
    with np.errstate(invalid="ignore"):      # NaN times 0: refused below
        part = form.decode(np.ascontiguousarray(raw).reshape(-1, form.size))
    scale = part.scale.reshape(n, -1)
    zero = None if form.zero is None else np.full(scale.shape, form.zero, np.uint8)
    minimum = None if part.minimum is None else part.minimum.reshape(n, -1)
    return GroupedWeights(
        part.codes.reshape(n, -1), scale, zero, form.bits, form.group, minimum,
        levels=None if form.kind is None else BLOCK_KINDS[form.kind].levels,
        factor=np.full(n, factor, np.float32) if form.kind == "nvfp4" else None).check()
