"""A whole matrix product on the FP16 tile: checked operands, golden result, operand words.

One :class:`Gemm` serves every backend. Every output is its own sum over k, in ascending order, one
product a step; cutting rows and columns into blocks changes no result, as rows and columns never
meet. k is not padded, so no product of a padding zero enters a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import pack_bits, rows_to_ints
from ..formats import FloatFormat
from ..parameters import ParameterError
from .models import pe_step
from .parameters import Fp16TileParameters

__all__ = ["Gemm", "Operands"]

Array = NDArray[Any]

#: outputs of the golden model at once: its temporaries stay in the cache
BLOCK = 1 << 14


@dataclass(frozen=True)
class Operands:
    """What a GEMM multiplies."""

    activations: Array      #: FP16 codes (rows, k)
    weights: Array          #: FP16 codes (columns, k)


class Gemm:
    """Sum of activation times weight over k, an accumulator of the tile for each output.

    Raises :class:`~lowbit.golden.parameters.ParameterError` for operands of different k.
    """

    def __init__(self, p: Fp16TileParameters, x: Operands) -> None:
        self.p, self.operands = p, x
        self.rows, self.columns, self.k = len(x.activations), len(x.weights), x.weights.shape[1]
        if x.activations.shape[1:] != (self.k,):
            raise ParameterError("activations and weights must have the same k; got shapes "
                                 f"{x.activations.shape} and {x.weights.shape}")
        #: rows and columns of each operation, in the order in which the tile takes them
        self.blocks = [(slice(m, min(m + p.rows, self.rows)),
                        slice(n, min(n + p.columns, self.columns)))
                       for m in range(0, self.rows, p.rows)
                       for n in range(0, self.columns, p.columns)]

    @property
    def format(self) -> FloatFormat:
        """Format of the results: the accumulator's."""
        return self.p.acc_format

    def words(self, rows: slice, columns: slice) -> Iterator[tuple[int, int]]:
        """Words of the ports ``activations`` and ``weights`` of an operation, a pair for each of
        its k cycles; rows and columns that the tile has beyond those of the block are zeros."""
        return zip(_words(self.operands.activations[rows], self.p.rows),
                   _words(self.operands.weights[columns], self.p.columns), strict=True)

    def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> Array:
        """Results by the golden model, float32 or float16 (rows, columns).

        ``progress`` is told the columns done and their number.
        """
        p, a, enabled = self.p, self.operands.activations, np.array(True)
        step = max(1, BLOCK // self.rows)
        parts = []
        for start in range(0, self.columns, step):
            w = self.operands.weights[start:start + step]
            acc = np.zeros((self.rows, len(w)), np.int64)
            for i in range(self.k):
                acc = pe_step(p, acc, a[:, None, i], w[None, :, i], np.array(i == 0), enabled)
            parts.append(acc)
            progress(min(start + step, self.columns), self.columns)
        return self.format.to_array(np.concatenate(parts, axis=1))


def _words(codes: Array, count: int) -> list[int]:
    """FP16 codes (n, k) as k words of ``count`` >= n codes."""
    padded = np.pad(codes.T, ((0, 0), (0, count - len(codes))))
    return rows_to_ints(pack_bits(padded.astype(np.uint16), 16))
