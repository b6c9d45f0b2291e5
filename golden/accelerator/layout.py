"""Weights as they lie in memory, and rows of activations and results.

Columns are cut into blocks of N (the last one padded), a block's groups into chunks that fill a
slot of the weight buffer. A chunk has three parts, each filling blocks of 64 bytes: patterns (for
each group, step and plane a word), scales, and offsets where there are some (for each group
``drain`` words). Within a block of columns, physical column c * drain + t of the core holds column
t * chains + c of the matrix: so the results that leave together are neighbours in memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import pack_bits
from ..formats import ScaleFormat
from ..group_scale import Codes, exact_codes
from ..grouped import GroupedWeights
from ..lut.packing import fold
from ..parameters import ParameterError
from .isa import BLOCK, FIELDS, Op
from .parameters import AccelParameters

__all__ = ["Chunk", "Matrix", "Packed", "blocks", "codes_of", "group_of", "groups_apart",
           "is_sliced", "pack", "plan", "row_words"]

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
    """Where a matrix of n columns (outputs) and k inputs lies in memory: all but its numbers."""

    n: int
    k: int
    planes: int
    group_size: int         #: as the core takes it: :func:`group_of`
    codes: Codes
    has_offsets: bool
    chunks: tuple[Chunk, ...]
    data: int               #: bytes of codes, scales and offsets without padding: the bound

    @property
    def groups(self) -> int:
        return self.k // self.group_size

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return sum(size for chunk in self.chunks for _, size in chunk.parts.values()) * BLOCK


@dataclass(frozen=True)
class Packed(Matrix):
    """A matrix and its bytes."""

    image: bytes


def group_of(p: AccelParameters, k: int, size: int | None) -> int:
    """Weights of a group as the core takes it: all, or the largest equal part that it has.

    :class:`ParameterError` where there is none.
    """
    size = size or k
    low, high = p.steps_range
    smallest = p.per_beat << low
    if k % size or size % smallest:
        raise ParameterError(f"k = {k} in groups of {size} must be whole groups of a multiple of "
                             f"--min-group {smallest}")
    return next(part for part in (p.per_beat << i for i in range(high, low - 1, -1))
                if size % part == 0)


def row_words(p: AccelParameters) -> int:
    """Words of M rows of activations that the buffer holds, and that an instruction can say."""
    return min(p.a_depth, (1 << FIELDS[Op.LDA]["words"]) - 1)


def is_sliced(p: AccelParameters, k: int) -> bool:
    """Are M rows of k activations more than the activation buffer holds?"""
    return k // p.per_beat > row_words(p)


def groups_apart(p: AccelParameters, group_size: int) -> int:
    """Groups of a row from one that begins a block of memory to the next that does."""
    return BLOCK // math.gcd(BLOCK, group_size * p.a_bits // 8)


def plan(p: AccelParameters, n: int, k: int, planes: int, group_size: int | None, codes: Codes,
         has_offsets: bool, slot_words: int | None = None) -> Matrix:
    """Lay a matrix out without its numbers; ``slot_words``: of the weight buffer, that a chunk may
    fill (default a slot)."""
    if planes > p.w_bits:
        raise ParameterError(f"weights of {planes} bits need --w-bits {planes}; this design has "
                             f"{p.w_bits}")
    if has_offsets and p.core.offset_format is None:
        raise ParameterError("zero points and minima need a design with --offset")
    size = group_of(p, k, group_size)
    words, groups = planes * size // p.per_beat, k // size
    fits = min(min(slot_words or p.w_slot, p.w_slot) // words, p.s_slot // p.drain)
    if fits < 1:
        raise ParameterError(f"a group of {size} weights of {planes} bits must fit a slot of the "
                             "buffers; raise --w-kib or --s-kib")
    if is_sliced(p, k):
        # a chunk's activations are in their buffer together, from a block of memory on
        fits = max(min(fits, row_words(p) * p.per_beat // size - groups_apart(p, size) + 1), 1)
    fits = -(-groups // -(-groups // fits))             # chunks alike: none waits for a larger one
    of_group = {"patterns": words * p.w_word, "scales": p.drain * p.s_word}     # bits
    per_group = p.core.scale_format.bits
    if has_offsets and p.core.offset_format is not None:
        of_group["offsets"] = p.drain * p.o_word
        per_group += p.core.offset_format.bits
    chunks, at = [], 0
    for block in range(-(-n // p.N)):
        for first in range(0, groups, fits):
            count = min(fits, groups - first)
            parts = {}
            for name, bits in of_group.items():
                parts[name] = at, blocks(count * bits // 8)
                at += parts[name][1]
            chunks.append(Chunk(block, first, count, parts))
    return Matrix(n, k, planes, size, codes, has_offsets, tuple(chunks),
                  n * (k * planes + groups * per_group) // 8)


def codes_of(weights: GroupedWeights) -> tuple[Codes, bool]:
    """What weights' codes stand for, and whether they have offsets.

    :class:`ParameterError` for codes of a floating type and groups that are not neighbours.
    """
    if weights.levels is not None or weights.order is not None:
        raise ParameterError("weights must be integer codes in groups that are neighbours")
    if weights.zero is not None and (weights.zero == 1 << weights.bits - 1).all():
        return Codes.SIGNED, False
    return (Codes.ODD, False) if weights.symmetric else (Codes.UNSIGNED, True)


def pack(p: AccelParameters, weights: GroupedWeights, slot_words: int | None = None) -> Packed:
    """Lay weights out; ``slot_words`` as of :func:`plan`. :class:`ParameterError` for weights that
    the design has no form for."""
    n, k = weights.codes.shape
    codes, has_offsets = codes_of(weights)
    matrix = plan(p, n, k, weights.bits, weights.group_size, codes, has_offsets, slot_words)
    parts = (weights.group_size or k) // matrix.group_size
    values = {"scales": _codes_in(weights.scale, p.core.scale_format, "scales")}
    if has_offsets:
        offset = weights.minimum
        if weights.zero is not None:
            offset = -weights.scale * weights.zero.astype(np.float32)
        assert offset is not None and p.core.offset_format is not None
        values["offsets"] = _codes_in(offset, p.core.offset_format, "offsets")
    values = {name: np.repeat(value, parts, axis=1) for name, value in values.items()}
    return _Packer(p, weights.codes, matrix, values).packed()


def _codes_in(values: Array, fmt: ScaleFormat, what: str) -> Array:
    codes, bad = exact_codes(fmt, values)
    if bad.any() or not np.isfinite(values).all():
        raise ParameterError(f"{what} must be finite {fmt.name} numbers; others need a design "
                             "with --group-scale fp32")
    return codes


class _Packer:
    def __init__(self, p: AccelParameters, q: Array, matrix: Matrix,
                 values: dict[str, Array]) -> None:
        self.p, self.q, self.matrix, self.values = p, q, matrix, values

    def packed(self) -> Packed:
        p, m = self.p, self.matrix
        image, block = bytearray(m.size), -1
        for chunk in m.chunks:
            if chunk.column_block != block:
                block = chunk.column_block
                columns = slice(block * p.N, min((block + 1) * p.N, m.n))
                data = {"patterns": self._patterns(self.q[columns])}    # (groups, words, bytes)
                for name, fmt in (("scales", p.core.scale_format),
                                  ("offsets", p.core.offset_format)):
                    if name in self.values and fmt is not None:
                        data[name] = self._values(self.values[name][columns], fmt)
            for name, (at, _) in chunk.parts.items():
                raw = data[name][chunk.group:chunk.group + chunk.groups].tobytes()
                image[at * BLOCK:at * BLOCK + len(raw)] = raw
        return Packed(**vars(m), image=bytes(image))

    def _physical(self, values: Array) -> Array:
        """Values of columns (columns, ...) in the order of the core, padded to N."""
        p = self.p
        padded = np.zeros((p.N, *values.shape[1:]), values.dtype)
        padded[:len(values)] = values
        return padded.reshape(p.drain, p.chains, -1).swapaxes(0, 1).reshape(padded.shape)

    def _patterns(self, codes: Array) -> Array:
        """Pattern words uint8 (groups, steps * planes, bytes) of a block of columns."""
        p, bits = self.p, self.matrix.planes
        q = self._physical(codes)                                   # (N, k)
        steps = q.shape[1] // p.per_beat
        of_table = np.ascontiguousarray(
            q.reshape(p.N, steps, p.groups, p.K).transpose(3, 1, 0, 2))     # columns innermost
        pattern = np.zeros((steps, bits, p.N, p.groups), np.uint8)
        for plane in range(bits):
            for i, activation in enumerate(of_table):
                pattern[:, plane] |= (activation >> np.uint8(plane) & np.uint8(1)) << np.uint8(i)
        sign, index = fold(pattern, p.K)
        field = index | sign << np.uint8(p.K - 1)                   # (steps, planes, N, groups)
        words = pack_bits(field.reshape(steps * bits, -1), p.K)
        return words.reshape(self.matrix.groups, -1, words.shape[-1])

    def _values(self, values: Array, fmt: ScaleFormat) -> Array:
        """Words uint8 (groups, drain, bytes) of codes (columns, groups)."""
        p = self.p
        of_groups = self._physical(values).T                        # (groups, N)
        beats = of_groups.reshape(-1, p.chains, p.drain).swapaxes(1, 2)
        return pack_bits(beats, fmt.bits)
