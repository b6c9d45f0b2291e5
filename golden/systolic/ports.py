"""Operations of the array as the beats of its streams: one Python integer per field and beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import ints_to_rows, pack_bits, rows_to_ints, unpack_bits
from .gemm import weight_codes
from .parameters import SystolicParameters

__all__ = ["operand_beats", "result_words", "results_of"]

Array = NDArray[Any]


def _steps(p: SystolicParameters, values: Array, lines: int, width: int) -> list[int]:
    """(lines at most, k) integers to one packed word for each ``dot`` of k; zeros beyond."""
    count = -(-values.shape[1] // p.dot)
    padded = np.zeros((lines, count * p.dot), np.int64)
    padded[:values.shape[0], :values.shape[1]] = values
    beats = padded.reshape(lines, count, p.dot).transpose(1, 0, 2)
    return rows_to_ints(pack_bits(beats.reshape(count, -1), width))


def operand_beats(p: SystolicParameters, a: Array, w: Array) -> list[dict[str, int]]:
    """The ``operand`` stream of one operation: activations (R at most, k), weights (C at most, k)
    as integers in units of their format."""
    activations = _steps(p, a, p.R, p.a_bits)
    # what pads the weights meets activations of zero
    weights = _steps(p, weight_codes(p, w), p.C, p.weight_bits)
    return [{"activations": x, "weights": y, "last": int(i == len(weights) - 1)}
            for i, (x, y) in enumerate(zip(activations, weights, strict=True))]


def result_words(p: SystolicParameters, results: Array) -> list[int]:
    """The ``values`` of the ``result`` stream of one operation: results (rows, C)."""
    return rows_to_ints(pack_bits(np.asarray(results, np.int64), p.out.bits))


def results_of(p: SystolicParameters, words: list[int]) -> Array:
    """The inverse of :func:`result_words`."""
    rows = ints_to_rows(words, p.C * p.out.bits)
    return unpack_bits(rows, p.out.bits, p.C, signed=True).astype(np.int64)
