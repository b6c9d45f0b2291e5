"""Weights as they lie in memory, and rows of activations and results.

Columns are cut into blocks of N (the last one padded), a block's groups into chunks that fill a
slot of the weight buffer. A chunk has three parts, each filling blocks of 64 bytes: patterns (for
each group, step and plane a word), scales, and offsets where there are some (for each group
``drain`` words). Within a block of columns, physical column c * drain + t of the core holds column
t * chains + c of the matrix: so the results that leave together are neighbours in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import pack_bits
from ..formats import FP16, FloatFormat
from ..group_scale import Codes
from ..grouped import GroupedWeights
from ..lut.packing import fold
from ..parameters import ParameterError
from .isa import BLOCK
from .parameters import AccelParameters

__all__ = ["Chunk", "Matrix", "blocks", "pack"]

Array = NDArray[Any]


def blocks(size: int) -> int:
    """Blocks of 64 bytes that hold ``size`` bytes."""
    return -(-size // BLOCK)


@dataclass(frozen=True)
class Chunk:
    """Groups of a block of columns, as one slot of the weight buffer takes them.

    Places and sizes count 64 bytes from the start of the matrix.
    """

    column_block: int
    group: int                              #: the first
    groups: int
    parts: dict[str, tuple[int, int]]       #: patterns, scales, offsets: place and size


@dataclass(frozen=True)
class Matrix:
    """A matrix of n columns (outputs) and k inputs in memory."""

    n: int
    k: int
    planes: int
    group_size: int
    codes: Codes
    has_offsets: bool
    chunks: tuple[Chunk, ...]
    image: bytes
    data: int           #: bytes of codes, scales and offsets without padding: the bound

    @property
    def groups(self) -> int:
        return self.k // self.group_size


def pack(p: AccelParameters, weights: GroupedWeights, slot_words: int | None = None) -> Matrix:
    """Lay weights out; ``slot_words``: of the weight buffer, that a chunk may fill (default
    half of it). :class:`ParameterError` for weights that the design has no form for."""
    k = weights.codes.shape[1]
    size = weights.group_size or k
    low, high = p.steps_range
    smallest, largest = p.per_beat << low, p.per_beat << high
    if weights.levels is not None or weights.order is not None:
        raise ParameterError("weights must be integer codes in groups that are neighbours")
    if weights.bits > p.w_bits:
        raise ParameterError(f"weights of {weights.bits} bits need --w-bits {weights.bits}; this "
                             f"design has {p.w_bits}")
    if k % size or size % smallest:
        raise ParameterError(f"k = {k} in groups of {size} must be whole groups of a multiple of "
                             f"--min-group {smallest}")
    parts = next(size // s for s in range(largest, 0, -1) if size % s == 0 and s % smallest == 0
                 and s // p.per_beat & (s // p.per_beat - 1) == 0)
    codes, offset = _meaning(p, weights)
    scale = _codes_of(weights.scale, p.core.scale_format, "scales")
    return _Packer(p, weights, size // parts, codes, np.repeat(scale, parts, axis=1),
                   None if offset is None else np.repeat(offset, parts, axis=1),
                   slot_words or p.w_slot).matrix()


def _meaning(p: AccelParameters, weights: GroupedWeights) -> tuple[Codes, Array | None]:
    """What the codes stand for, and codes of the offsets."""
    zero, offset = weights.zero, weights.minimum
    if zero is not None and (zero == 1 << weights.bits - 1).all():
        return Codes.SIGNED, None
    if zero is not None:
        offset = -weights.scale * zero.astype(np.float32)
    if offset is None:
        return Codes.ODD, None
    if p.core.offset_format is None:
        raise ParameterError("zero points and minima need a design with --offset")
    return Codes.UNSIGNED, _codes_of(offset, p.core.offset_format, "offsets")


def _codes_of(values: Array, fmt: FloatFormat, what: str) -> Array:
    with np.errstate(over="ignore"):
        typed = values.astype(np.float16 if fmt == FP16 else np.float32)
    if not np.isfinite(typed).all() or (typed.astype(np.float32) != values).any():
        raise ParameterError(f"{what} must be finite {fmt.name} numbers; others need a design "
                             "with --group-scale fp32")
    return fmt.from_array(typed)


class _Packer:
    def __init__(self, p: AccelParameters, weights: GroupedWeights, size: int, codes: Codes,
                 scale: Array, offset: Array | None, slot_words: int) -> None:
        self.p, self.weights, self.size, self.codes = p, weights, size, codes
        self.scale, self.offset = scale, offset
        steps = size // p.per_beat
        self.words = steps * weights.bits               # of a group
        self.steps = steps
        fits = min(slot_words // self.words, p.s_slot // p.drain)
        if fits < 1:
            raise ParameterError(f"a group of {size} weights of {weights.bits} bits must fit half "
                                 "of the buffers; raise --w-kib or --s-kib")
        self.fits = fits

    def matrix(self) -> Matrix:
        p, w = self.p, self.weights
        n, k = w.codes.shape
        groups = k // self.size
        pieces: list[bytes] = []
        chunks: list[Chunk] = []
        at = 0
        for block in range(-(-n // p.N)):
            columns = slice(block * p.N, min((block + 1) * p.N, n))
            patterns = self._patterns(w.codes[columns])         # (groups, words, bytes)
            values = {"scales": self._values(self.scale[columns], p.core.scale_format)}
            if self.offset is not None:
                assert p.core.offset_format is not None
                values["offsets"] = self._values(self.offset[columns], p.core.offset_format)
            for first in range(0, groups, self.fits):
                some = slice(first, min(first + self.fits, groups))
                parts = {}
                for name, data in ({"patterns": patterns} | values).items():
                    raw = data[some].tobytes()
                    count = blocks(len(raw))
                    pieces.append(raw + bytes(count * BLOCK - len(raw)))
                    parts[name] = (at, count)
                    at += count
                chunks.append(Chunk(block, first, some.stop - first, parts))
        per_group = p.core.scale_format.bits
        if self.offset is not None and p.core.offset_format is not None:
            per_group += p.core.offset_format.bits
        data = (n * k * w.bits + n * groups * per_group) // 8
        return Matrix(n, k, w.bits, self.size, self.codes, self.offset is not None,
                      tuple(chunks), b"".join(pieces), data)

    def _physical(self, values: Array) -> Array:
        """Values of columns (columns, ...) in the order of the core, padded to N."""
        p = self.p
        padded = np.zeros((p.N, *values.shape[1:]), values.dtype)
        padded[:len(values)] = values
        return padded.reshape(p.drain, p.chains, -1).swapaxes(0, 1).reshape(padded.shape)

    def _patterns(self, codes: Array) -> Array:
        """Pattern words uint8 (groups, steps * planes, bytes) of a block of columns."""
        p, w = self.p, self.weights
        q = self._physical(codes)                                   # (N, k)
        steps = q.shape[1] // p.per_beat
        of_table = np.ascontiguousarray(
            q.reshape(p.N, steps, p.groups, p.K).transpose(3, 1, 0, 2))     # columns innermost
        pattern = np.zeros((steps, w.bits, p.N, p.groups), np.uint8)
        for plane in range(w.bits):
            for i, activation in enumerate(of_table):
                pattern[:, plane] |= (activation >> np.uint8(plane) & np.uint8(1)) << np.uint8(i)
        sign, index = fold(pattern, p.K)
        field = index | sign << np.uint8(p.K - 1)                   # (steps, planes, N, groups)
        words = pack_bits(field.reshape(steps * w.bits, -1), p.K)
        return words.reshape(q.shape[1] // self.size, self.words, -1)

    def _values(self, values: Array, fmt: FloatFormat) -> Array:
        """Words uint8 (groups, drain, bytes) of codes (columns, groups)."""
        p = self.p
        of_groups = self._physical(values).T                        # (groups, N)
        beats = of_groups.reshape(-1, p.chains, p.drain).swapaxes(1, 2)
        return pack_bits(beats, fmt.bits)
