"""Weights of the BitMoD engine in memory, and its special values.

Patterns: for each group, step and pair of code bits (the lowest first) a word, of all columns and
in each column of the lanes: two bits are what a term takes, so words last as long as their cycles.
Scales: for each group a word of 16 bits a column, 8 of the scale and above them 2 of the selector.
Offsets are channel scales, FP32, in the last chunk of a block of columns. Columns are in the order
of the matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bitmod.gemm import Gemm, Operands
from ..bitmod.ports import Weights, port_codes, special_value_word
from ..bitmod.quantizer import QuantizedTensor
from ..bits import pack_bits
from ..formats import FP32
from ..group_scale import Codes
from .isa import FLOAT_CODES
from .layout import Packed, filled, plan

if TYPE_CHECKING:
    from .parameters import AccelParameters

__all__ = ["PLANE_BITS", "SCALE_ENTRY_BITS", "pack", "special_register", "weights_of"]

Array = NDArray[Any]

#: bits of a code in a word of patterns: those of a Booth digit
PLANE_BITS = 2
#: bits of a column's scale and selector in memory
SCALE_ENTRY_BITS = 16


def special_register(values: tuple[float, ...]) -> int:
    """Special values as the register SPECIAL holds them, a byte each."""
    return sum(special_value_word(value) << 8 * i for i, value in enumerate(values))


def weights_of(p: AccelParameters, tensor: QuantizedTensor) -> tuple[Weights, int]:
    """(weights of ``gen quantize`` as they run, the register SPECIAL that they need).

    :class:`~lowbit.golden.parameters.ParameterError` for what the tile does not run.
    """
    nothing = np.zeros((1, tensor.shape[1]), np.int64)
    gemm = Gemm(p.tile, Operands.of_tensor(nothing, tensor))
    return gemm.weights, special_register(gemm.register_file)


def pack(p: AccelParameters, weights: Weights, slot_words: int | None = None) -> Packed:
    """Lay weights out; k is filled up with zeros to whole groups."""
    n, k = weights.codes.shape
    low, high = p.steps_range
    size = weights.group_size
    if k <= size:       # one group, as short as the design has them
        size = next((p.per_beat << i for i in range(low, high + 1) if p.per_beat << i >= k), size)
    padded = np.pad(port_codes(weights.codes, weights.dtype), ((0, 0), (0, -k % size)))
    codes = FLOAT_CODES if weights.dtype.kind == "float" else Codes.SIGNED
    matrix = plan(p, n, padded.shape[1], weights.dtype.terms, size, codes,
                  weights.channel_scale is not None, slot_words)

    def parts(columns: slice) -> dict[str, Array]:
        block = Weights(padded, weights.dtype, size, weights.scale_codes, weights.selectors,
                        weights.channel_scale).columns(columns, p.N)
        steps = block.codes.reshape(p.N, matrix.groups, -1, p.per_beat)
        planes = np.stack([steps >> np.uint8(PLANE_BITS * i) & np.uint8(3)
                           for i in range(matrix.planes)], axis=3)
        # (columns, groups, steps, planes, lanes) to words
        words = planes.transpose(1, 2, 3, 0, 4).reshape(matrix.groups, -1, p.N * p.per_beat)
        entries = block.scale_codes.astype(np.int64) | block.selectors.astype(np.int64) << 8
        data = {"patterns": pack_bits(words, PLANE_BITS),
                "scales": pack_bits(entries.T[:, None], SCALE_ENTRY_BITS)}
        if block.channel_scale is not None:
            channel = FP32.from_array(np.asarray(block.channel_scale, np.float32))
            data["offsets"] = pack_bits(channel.reshape(p.drain, p.chains), FP32.bits)
        return data

    return filled(p, matrix, parts)
