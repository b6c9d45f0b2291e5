"""Operations of the array as the beats of its streams: one Python integer per field and beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import ints_to_rows, pack_bits, rows_to_ints, unpack_bits
from ..formats import INT8
from ..requantize import MULTIPLIER_BITS, SHIFT_BITS, Requantizer
from .gemm import weight_codes
from .parameters import SystolicParameters

__all__ = ["activation_beats", "operand_beats", "packed", "psum_beats", "result_words",
           "results_of", "scale_beats", "sum_words", "sums_of", "weight_beats"]

Array = NDArray[Any]


def packed(values: Array, width: int) -> list[int]:
    """(beats, ...) integers to one packed integer per beat."""
    return rows_to_ints(pack_bits(np.asarray(values, np.int64).reshape(len(values), -1), width))


def _steps(p: SystolicParameters, values: Array, lines: int, width: int) -> list[int]:
    """(lines at most, k) integers to one packed word for each ``dot`` of k; zeros beyond."""
    count = -(-values.shape[1] // p.dot)
    padded = np.zeros((lines, count * p.dot), np.int64)
    padded[:values.shape[0], :values.shape[1]] = values
    beats = padded.reshape(lines, count, p.dot).transpose(1, 0, 2)
    return packed(beats, width)


def operand_beats(p: SystolicParameters, a: Array, w: Array) -> list[dict[str, int]]:
    """The ``operand`` stream of one operation: activations (R at most, k), weights (C at most, k)
    as integers in units of their format."""
    activations = _steps(p, a, p.R, p.a_bits)
    # what pads the weights meets activations of zero
    weights = _steps(p, weight_codes(p, w), p.C, p.weight_bits)
    return [{"activations": x, "weights": y, "last": int(i == len(weights) - 1)}
            for i, (x, y) in enumerate(zip(activations, weights, strict=True))]


def weight_beats(p: SystolicParameters, w: Array) -> list[dict[str, int]]:
    """The ``weight`` stream of one operation: weights (C at most, R * dot at most), the last row
    of elements first."""
    padded = np.zeros((p.C, p.R * p.dot), np.int64)
    padded[:w.shape[0], :w.shape[1]] = weight_codes(p, w)
    rows = padded.reshape(p.C, p.R, p.dot).transpose(1, 0, 2)[::-1]
    return [{"weights": word} for word in packed(rows, p.weight_bits)]


def activation_beats(p: SystolicParameters, a: Array) -> list[dict[str, int]]:
    """The ``activation`` stream of one operation: vectors (rows, R * dot at most)."""
    padded = np.pad(a, ((0, 0), (0, p.R * p.dot - a.shape[1])))
    words = packed(padded, p.a_bits)
    return [{"values": word, "last": int(i == len(words) - 1)} for i, word in enumerate(words)]


def psum_beats(p: SystolicParameters, psum: Array) -> list[dict[str, int]]:
    """The ``psum`` stream of one operation: integers (rows, C)."""
    return [{"values": word} for word in sum_words(p, psum)]


def scale_beats(p: SystolicParameters, by: Requantizer) -> list[dict[str, int]]:
    """The ``scale`` stream of one operation: one beat for C columns at most."""
    spare = (0, p.C - len(by.multiplier))
    return [{name: packed(np.pad(values, spare)[None], width)[0] for name, values, width in (
        ("multiplier", by.multiplier, MULTIPLIER_BITS), ("shift", by.shift, SHIFT_BITS),
        ("zero", by.zero, INT8.bits))}]


def result_words(p: SystolicParameters, results: Array) -> list[int]:
    """The ``values`` of the ``result`` stream of one operation: results (rows, C)."""
    return packed(results, p.out.bits)


def sum_words(p: SystolicParameters, sums: Array) -> list[int]:
    """Sums (rows, C) as the ``result`` stream has them beside results of int8, or alone."""
    return packed(sums, p.acc_bits)


def results_of(p: SystolicParameters, words: list[int]) -> Array:
    """The inverse of :func:`result_words`."""
    return _integers(p, words, p.out.bits)


def sums_of(p: SystolicParameters, words: list[int]) -> Array:
    """The inverse of :func:`sum_words`."""
    return _integers(p, words, p.acc_bits)


def _integers(p: SystolicParameters, words: list[int], width: int) -> Array:
    rows = ints_to_rows(words, p.C * width)
    return unpack_bits(rows, width, p.C, signed=True).astype(np.int64)
