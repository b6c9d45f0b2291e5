"""Weights as they lie in memory.

Columns are cut into blocks of N (the last one padded), a block's groups into chunks that fill a
slot of the weight buffer. A chunk has two or three parts, each filling blocks of 64 bytes: patterns
(for each group and step some words), scales (for each group some words), and offsets where there
are some: for each group ``drain`` words, or so many in the last chunk of a block alone. What a word
holds is the engine's affair.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..parameters import ParameterError
from .isa import BLOCK, FIELDS, Op

if TYPE_CHECKING:
    from .parameters import AccelParameters

__all__ = ["Chunk", "Matrix", "Packed", "blocks", "filled", "group_of", "groups_apart",
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
    planes: int             #: words of patterns of a step
    group_size: int         #: as the engine takes it: :func:`group_of`
    codes: int            #: LMMA's field
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
    """Weights of a group as the engine takes it: all, or the largest equal part that it has.

    :class:`ParameterError` where there is none.
    """
    size = size or k
    low, high = p.steps_range
    smallest = p.per_beat << low
    if k % size or size % smallest:
        raise ParameterError(f"k = {k} in groups of {size} must be whole groups of a multiple of "
                             f"--min-group {smallest}")
    found = next(part for part in (p.per_beat << i for i in range(high, low - 1, -1))
                 if size % part == 0)
    if found != size and not p.compute.cuts_groups:
        raise ParameterError(f"groups of {size} must be {p.per_beat} times a power of two, at most "
                             f"--max-group {p.max_group}, with --engine {p.engine}")
    return found


def row_words(p: AccelParameters) -> int:
    """Words of M rows of activations that the buffer holds, and that an instruction can say."""
    return min(p.a_depth, (1 << FIELDS[Op.LDA]["words"]) - 1)


def is_sliced(p: AccelParameters, k: int) -> bool:
    """Are M rows of k activations more than the activation buffer holds?"""
    return k // p.per_beat > row_words(p)


def groups_apart(p: AccelParameters, group_size: int) -> int:
    """Groups of a row from one that begins a block of memory to the next that does."""
    return BLOCK // math.gcd(BLOCK, group_size * p.a_bits // 8)


def plan(p: AccelParameters, n: int, k: int, planes: int, group_size: int | None, codes: int,
         has_offsets: bool, slot_words: int | None = None) -> Matrix:
    """Lay a matrix out without its numbers; ``slot_words``: of the weight buffer, that a chunk may
    fill (default a slot)."""
    engine = p.compute
    if planes > engine.planes:
        bits = planes * engine.plane_bits
        raise ParameterError(f"weights of {bits} bits need --w-bits {bits}; this design has "
                             f"{p.w_bits}")
    if has_offsets and not p.o_word:
        raise ParameterError(engine.needs_offsets)
    size = group_of(p, k, group_size)
    words, groups = planes * size // p.per_beat, k // size
    of_slot = engine.drain if has_offsets and engine.offsets_of_groups else engine.scale_words
    fits = min(min(slot_words or p.w_slot, p.w_slot) // words, p.s_slot // of_slot)
    if fits < 1:
        raise ParameterError(f"a group of {size} weights of {planes} bits must fit a slot of the "
                             "buffers; raise --w-kib or --s-kib")
    if is_sliced(p, k):
        # a chunk's activations are in their buffer together, from a block of memory on
        fits = max(min(fits, row_words(p) * p.per_beat // size - groups_apart(p, size) + 1), 1)
    fits = -(-groups // -(-groups // fits))             # chunks alike: none waits for a larger one
    of_group = {"patterns": words * p.w_word, "scales": engine.scale_words * p.s_word}  # bits
    of_offsets = p.drain * p.o_word
    chunks, at = [], 0
    for block in range(-(-n // p.N)):
        for first in range(0, groups, fits):
            count = min(fits, groups - first)
            parts = {}
            sizes = {name: count * bits for name, bits in of_group.items()}
            if has_offsets and (engine.offsets_of_groups or first + count == groups):
                sizes["offsets"] = of_offsets * (count if engine.offsets_of_groups else 1)
            for name, bits in sizes.items():
                parts[name] = at, blocks(bits // 8)
                at += parts[name][1]
            chunks.append(Chunk(block, first, count, parts))
    offsets = has_offsets * engine.offset_bits * (groups if engine.offsets_of_groups else 1)
    of_column = k * planes * engine.plane_bits + groups * engine.scale_bits + offsets
    return Matrix(n, k, planes, size, codes, has_offsets, tuple(chunks), n * of_column // 8)


def pack(p: AccelParameters, weights: Any, slot_words: int | None = None) -> Packed:
    """Lay weights out, in the form that the design's engine has; ``slot_words`` as of :func:`plan`.

    :class:`ParameterError` for weights that the design has no form for.
    """
    return p.compute.pack(weights, slot_words)


def filled(p: AccelParameters, m: Matrix,
           parts: Callable[[slice], dict[str, Array]]) -> Packed:
    """A matrix with its numbers: ``parts`` of the columns of a block, uint8 (groups, words, bytes)
    each; offsets that belong to no group are (words, bytes)."""
    image, block = bytearray(m.size), -1
    for chunk in m.chunks:
        if chunk.column_block != block:
            block = chunk.column_block
            data = parts(slice(block * p.N, min((block + 1) * p.N, m.n)))
        for name, (at, _) in chunk.parts.items():
            of_groups = data[name].ndim == 3
            part = data[name][chunk.group:chunk.group + chunk.groups] if of_groups else data[name]
            raw = np.ascontiguousarray(part).tobytes()
            image[at * BLOCK:at * BLOCK + len(raw)] = raw
    return Packed(**vars(m), image=bytes(image))
