"""Block formats: small floating codes in blocks of 16 or 32 that share a narrow scale.

======= ========== ===== ====== ===============================================================
format  element    block scale  weight
======= ========== ===== ====== ===============================================================
mxfp4   E2M1       32    E8M0   v * 2**(c - 127)
mxint8  INT8       32    E8M0   q / 64 * 2**(c - 127)
nvfp4   E2M1       16    E4M3   v * s * t, t an FP32 scale of the tensor
======= ========== ===== ====== ===============================================================

The MX scale is the power of two at the largest magnitude's exponent, less the exponent of the
element's largest number (OCP Microscaling v1.0, section 6.3), and no less than 2**-127. NVFP4 has
t = max|w| / (448 * 6), rounded once to FP32, and s = max|block| / (6 t), rounded once to E4M3.
Elements are w / scale rounded to nearest even and saturated, a zero has no sign (the code of -0 is
read as 0), and INT8 stays within -127 .. 127. A block of zeros has the codes and the scale 0.

All decisions are exact: a float32 weight is compared in float64 with thresholds times scale, which
have at most 32 significant bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .digits import FP4_HALVES
from .formats import E8M0, FP8_E4M3, ExponentFormat, FloatFormat
from .grouped import GroupedWeights
from .groups import Weights, group_count, group_spans, row_blocks
from .parameters import ParameterError

__all__ = ["BLOCK_KINDS", "E2M1", "BlockKind", "quantize", "scale_values"]

Array = NDArray[Any]

#: largest E2M1 number and its exponent
_E2M1_MAX, _E2M1_EXPONENT = 6.0, 2
#: 448, the largest number of E4M3, times 6
_NVFP4_RANGE = np.float32(448 * 6)


@dataclass(frozen=True)
class BlockKind:
    """One format; ``levels`` of its codes, None for integers."""

    name: str
    bits: int
    block: int                  #: weights that share a scale
    scale: str                  #: kind of scale (:data:`~.group_scale.SCALE_KINDS`)
    levels: Array | None
    summary: str


def _signed(magnitudes: Array) -> Array:
    """Values of sign-magnitude codes; that of -0 is 0."""
    return np.concatenate([magnitudes, 0 - magnitudes])


#: values of E2M1 codes, float32 (16,)
E2M1 = _signed(np.array(FP4_HALVES, np.float32) / np.float32(2))

BLOCK_KINDS = {kind.name: kind for kind in (
    BlockKind("mxfp4", 4, 32, "e8m0", E2M1, "E2M1 in blocks of 32, a power of two as scale"),
    BlockKind("nvfp4", 4, 16, "e4m3", E2M1, "E2M1 in blocks of 16, E4M3 scales and one in FP32"),
    BlockKind("mxint8", 8, 32, "e8m0", None, "INT8 in blocks of 32, a power of two as scale"))}


def scale_values(name: str, codes: Array) -> Array:
    """Scales of a format from their bytes, float32; :class:`ParameterError` for a NaN."""
    kind, codes = BLOCK_KINDS[name].scale, np.asarray(codes)
    form: FloatFormat | ExponentFormat = E8M0 if kind == "e8m0" else FP8_E4M3
    nan = form.is_nan(codes)
    if nan.any():
        raise ParameterError(f"scales must be finite; a block's {kind.upper()} scale is "
                             f"{codes[nan][0]}, which is NaN")
    return np.asarray(form.to_float64(codes).astype(np.float32))


def _mx_codes(largest: Array, exponent: int) -> Array:
    """E8M0 codes of blocks: 2**(floor(log2(largest)) - exponent), at least 2**-127."""
    power = np.frexp(largest)[1].astype(np.int64) - 1 - exponent
    return np.where(largest > 0, np.clip(power + E8M0.bias, 0, E8M0.nan - 1), 0)


def _e2m1(magnitude: Array, scale: Array) -> Array:
    """Nearest E2M1 magnitudes (codes 0 .. 7) of magnitude / scale, ties to even, saturated."""
    index = np.zeros(magnitude.shape, np.uint8)
    for low, (below, above) in enumerate(pairwise(FP4_HALVES)):
        middle = (below + above) / 4 * scale
        # of two neighbours that with an even code is even
        index += magnitude > middle if low % 2 == 0 else magnitude >= middle
    return index * (scale > 0)


def _with_sign(index: Array, block: Array) -> Array:
    return index | np.where((block < 0) & (index > 0), 8, 0).astype(np.uint8)


def _quantize_mxfp4(block: Array, largest: Array, tensor_scale: Any) -> tuple[Array, Array]:
    scale = E8M0.to_float64(_mx_codes(largest, _E2M1_EXPONENT))
    codes = _with_sign(_e2m1(np.abs(block), scale[..., None]), block)
    return codes, scale


def _quantize_nvfp4(block: Array, largest: Array, tensor_scale: Any) -> tuple[Array, Array]:
    wide = np.float64(tensor_scale)
    # no quotient of such numbers is so near a tie of E4M3 that its rounding could matter
    scale = FP8_E4M3.to_float64(FP8_E4M3.from_float64(
        np.minimum(largest / (_E2M1_MAX * wide), 448.0)))
    return _with_sign(_e2m1(np.abs(block), (scale * wide)[..., None]), block), scale


def _quantize_mxint8(block: Array, largest: Array, tensor_scale: Any) -> tuple[Array, Array]:
    scale = E8M0.to_float64(_mx_codes(largest, 0)) / 64
    # a power of two: the quotient is exact
    q = np.clip(np.rint(block / scale[..., None]), -127, 127)
    return (q + 128).astype(np.uint8), scale


_METHODS: dict[str, Callable[[Array, Array, Any], tuple[Array, Array]]] = {
    "mxfp4": _quantize_mxfp4, "nvfp4": _quantize_nvfp4, "mxint8": _quantize_mxint8}


def _finite(rows: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        block = np.asarray(rows).astype(np.float32).astype(np.float64)
    if not np.isfinite(block).all():
        raise ParameterError("weights must be finite in float32; the tensor has NaN, infinite or "
                             "larger values")
    return block


def quantize(weights: Weights, name: str, progress: Callable[[int, int], None] | None = None
             ) -> GroupedWeights:
    """Weights (n, k), taken as float32, in the block format ``name``; read a few rows at a time.

    Scales are those of the blocks; NVFP4's tensor scale is the ``factor`` of every channel.
    :class:`ParameterError` for weights that are NaN or infinite.
    """
    kind, (n, k) = BLOCK_KINDS[name], weights.shape
    codes = np.empty((n, k), np.uint8)
    scale = np.empty((n, group_count(k, kind.block)), np.float32)
    tensor_scale = np.float32(1)
    if name == "nvfp4":
        largest = max(float(np.abs(_finite(weights[rows])).max()) for rows in row_blocks((n, k)))
        # a tensor whose scale would round to zero is one of zeros
        tensor_scale = np.float32(largest) / _NVFP4_RANGE or np.float32(1)
    for rows in row_blocks((n, k)):
        block = _finite(weights[rows])
        for columns, groups, size in group_spans(k, kind.block):
            part = block[:, columns].reshape(len(block), -1, size)
            q, s = _METHODS[name](part, np.abs(part).max(axis=2), tensor_scale)
            codes[rows, columns], scale[rows, groups] = q.reshape(len(block), -1), s
        if progress is not None:
            progress(rows.stop, n)
    zero = np.full(scale.shape, 128, np.uint8) if kind.levels is None else None
    factor = np.full(n, tensor_scale) if name == "nvfp4" else None
    return GroupedWeights(codes, scale, zero, kind.bits, kind.block, levels=kind.levels,
                          factor=factor).check()
