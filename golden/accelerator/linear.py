"""Programs of linear layers: rows of activations times matrices that share them.

The loop, outermost first: passes of rows that fit the buffers, matrices, blocks of columns, chunks
of the weight buffer; in one LMMA all row blocks, groups, steps and planes. Weights cross the bus
once a pass. Tokens keep the chunks in the slots of the weight
buffers, and two column blocks of results, apart.

Where not even M rows of k fit the activation buffer, k goes in slices of whole chunks: as many
column blocks as the buffer of results holds take the first slice, then the next one, and each adds
to what is there. Groups are added in the same order as without slices, and an activation's exponent
is that of its group: results are the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..parameters import ParameterError
from .isa import BLOCK, TOKENS, Instruction, Op
from .layout import Chunk, Matrix, groups_apart, is_sliced, row_words
from .parameters import AccelParameters

__all__ = ["Activations", "Product", "Slice", "blocks_at_once", "instructions_of_pass", "linear",
           "row_blocks_of_bytes", "rows_per_pass", "slices"]


@dataclass(frozen=True)
class Activations:
    """Rows of activations in memory: base register, and offset and pitch in blocks of 64 bytes."""

    base: int
    offset: int
    pitch: int


@dataclass(frozen=True)
class Product:
    """A matrix, where it lies, and where its results go; pitch and offsets in blocks of 64 bytes.

    ``psum``: where partial sums (FP32, as the results) are added from, if they are.
    """

    matrix: Matrix
    base: int
    offset: int
    result_base: int
    result_offset: int
    result_pitch: int
    fp16: bool = False
    psum: Activations | None = None


def row_blocks_of_bytes(p: AccelParameters, k: int) -> int:
    """Pitch, in blocks of 64 bytes, of rows of k activations."""
    return -(-k * p.a_bits // (8 * BLOCK))


def rows_per_pass(p: AccelParameters, k: int) -> int:
    """Rows of k activations that the buffers take at once; M where k goes in slices."""
    whole = 1 if is_sliced(p, k) else p.a_depth // (k // p.per_beat)
    return min(whole, p.p_slot // p.drain, 127 // p.M) * p.M


@dataclass(frozen=True)
class Slice:
    """Groups of k that are in the activation buffer together: those of some chunks, from a block
    of memory on."""

    group: int          #: the first that is loaded
    groups: int
    chunks: range       #: of those of a column block


def slices(p: AccelParameters, matrix: Matrix) -> list[Slice]:
    """Slices of k, each of as many chunks as M rows of it fit."""
    chunks = [chunk for chunk in matrix.chunks if chunk.column_block == 0]
    room = row_words(p) * p.per_beat // matrix.group_size
    apart = groups_apart(p, matrix.group_size)
    found, at = [], 0
    while at < len(chunks):
        first, end = chunks[at].group // apart * apart, at
        while end < len(chunks) and chunks[end].group + chunks[end].groups - first <= room:
            end += 1
        if end == at:
            raise ParameterError(f"{p.M} rows of {chunks[at].groups} groups of "
                                 f"{matrix.group_size} must fit the activation buffer; raise "
                                 f"--a-kib {p.a_kib}")
        last = chunks[end - 1]
        found.append(Slice(first, last.group + last.groups - first, range(at, end)))
        at = end
    return found


def blocks_at_once(p: AccelParameters) -> int:
    """Column blocks that take a slice of k one after another: as the buffer of results holds."""
    return min(p.p_depth // p.drain, TOKENS)


def instructions_of_pass(p: AccelParameters, matrix: Matrix) -> int:
    """Instructions of a pass of a matrix at most."""
    if not is_sliced(p, matrix.k):
        return 5 * len(matrix.chunks) + 2       # of a chunk loads, LMMA, ST; a SYNC and LDA
    turns = -(-(matrix.chunks[-1].column_block + 1) // blocks_at_once(p)) * len(slices(p, matrix))
    return 5 * len(matrix.chunks) + 2 * turns


def linear(p: AccelParameters, rows: int, x: Activations,
           products: Sequence[Product]) -> Iterator[Instruction]:
    """Instructions of ``products``, whose matrices have the same inputs. END is the caller's;
    between two calls a SYNC is needed."""
    k = products[0].matrix.k
    if any(product.matrix.k != k for product in products):
        raise ParameterError("matrices that share activations must have the same k")
    if p.compute.keeps and is_sliced(p, k):
        raise ParameterError(f"{p.M} rows of k = {k} must fit the activation buffer with --engine "
                             f"{p.engine}; raise --a-kib {p.a_kib}")
    at_once = rows_per_pass(p, k)
    if p.compute.keeps and any(_is_cut(product.matrix) for product in products):
        at_once = p.M       # sums stay in the engine, which holds those of a row block
    for first in range(0, rows, at_once):
        a_pass = _Pass(p, first, min(at_once, rows - first), x)
        if not is_sliced(p, k):
            if first:
                yield Instruction(Op.SYNC)
            yield from a_pass.whole(products)
            continue
        for number, product in enumerate(products):
            yield from a_pass.sliced(product, bool(first or number))


def _is_cut(matrix: Matrix) -> bool:
    """Does a block of columns have more than one chunk?"""
    return any(chunk.group for chunk in matrix.chunks)


@dataclass(frozen=True)
class _Pass:
    """Rows of activations, from ``first`` on, that are multiplied together."""

    p: AccelParameters
    first: int
    rows: int
    x: Activations

    def whole(self, products: Sequence[Product]) -> Iterator[Instruction]:
        """All of k is in the activation buffer."""
        p, words = self.p, products[0].matrix.k // self.p.per_beat
        loaded = slots = block = 0
        for product in products:
            matrix = product.matrix
            steps = matrix.group_size // p.per_beat
            if steps != loaded:
                # exponents belong to groups of one size
                if loaded:
                    yield Instruction(Op.SYNC)
                    slots = block = 0
                yield self._activations(matrix, 0, words)
                loaded = steps
            for chunk in matrix.chunks:
                opens = chunk.group == 0
                closes = chunk.group + chunk.groups == matrix.groups
                if opens and product.psum is not None:
                    # results may not be written before the store of those before is done
                    yield Instruction(Op.SYNC)
                    slots = block = 0
                    yield self._partial_sums(product, product.psum, chunk.column_block, 0)
                # partial sums are read with the first chunk, or where sums stay with the last
                init = product.psum is None and (opens or p.compute.keeps)
                slot, result = slots % p.slots, block % 2 * p.p_slot
                yield from _load(p, product, chunk.parts, slot, slots >= p.slots)
                yield self._multiply(matrix, chunk, chunk.group, words, slot, result, dict(
                    init=int(init), keep=int(p.compute.keeps and not closes),
                    pop_next=int(opens and block >= 2), push_next=int(closes)))
                slots += 1
                if closes:
                    yield self._results(product, chunk.column_block, result, push_prev=1)
                    block += 1

    def sliced(self, product: Product, after: bool) -> Iterator[Instruction]:
        """k in slices; ``after``: something came before."""
        p, matrix = self.p, product.matrix
        at_once, parts = blocks_at_once(p), slices(p, matrix)
        per_block = parts[-1].chunks.stop
        for start in range(0, len(matrix.chunks) // per_block, at_once):
            some = range(start, min(start + at_once, len(matrix.chunks) // per_block))
            for part in parts:
                # one slice at a time is in the buffer; stores of the blocks before are done
                if after:
                    yield Instruction(Op.SYNC)
                after, slots = True, 0
                yield self._activations(matrix, part.group,
                                        part.groups * matrix.group_size // p.per_beat)
                if part.chunks.start == 0 and product.psum is not None:
                    for block in some:
                        yield self._partial_sums(product, product.psum, block,
                                                 (block - start) * p.drain)
                for block in some:
                    for number in part.chunks:
                        chunk = matrix.chunks[block * per_block + number]
                        closes = number == per_block - 1
                        slot, result = slots % p.slots, (block - start) * p.drain
                        yield from _load(p, product, chunk.parts, slot, slots >= p.slots)
                        yield self._multiply(
                            matrix, chunk, chunk.group - part.group,
                            part.groups * matrix.group_size // p.per_beat, slot, result, dict(
                                init=int(number == 0 and product.psum is None),
                                push_next=int(closes)))
                        slots += 1
                        if closes:
                            yield self._results(product, block, result)

    # -- instructions -------------------------------------------------------------------------
    def _activations(self, matrix: Matrix, group: int, words: int) -> Instruction:
        """Rows of ``words`` words from ``group`` on, which begins a block of memory."""
        x, steps = self.x, matrix.group_size // self.p.per_beat
        return Instruction(Op.LDA, dict(
            base=x.base, rows=self.rows, words=words, steps=steps.bit_length() - 1, dst=0,
            offset=x.offset + self.first * x.pitch
            + group * matrix.group_size * self.p.a_bits // 8 // BLOCK, pitch=x.pitch))

    def _partial_sums(self, product: Product, psum: Activations, block: int,
                      place: int) -> Instruction:
        return Instruction(Op.LDP, dict(
            base=psum.base, dst=place, pitch=psum.pitch,
            offset=psum.offset + self.first * psum.pitch + block * 4 * self.p.N // BLOCK,
            **self._shape(product, block)))

    def _multiply(self, matrix: Matrix, chunk: Chunk, group: int, pitch: int, slot: int,
                  result: int, flags: dict[str, int]) -> Instruction:
        """A chunk, whose first group is at ``group`` of the activation buffer."""
        p, steps = self.p, matrix.group_size // self.p.per_beat
        return Instruction(Op.LMMA, dict(
            a=group * steps, a_pitch=pitch, w=slot * p.w_slot,
            s=slot * p.s_slot, p=result, row_blocks=-(-self.rows // p.M),
            groups=chunk.groups, steps=steps.bit_length() - 1,
            planes=matrix.planes - 1, codes=int(matrix.codes),
            offsets=int("offsets" in chunk.parts), pop_prev=1, push_prev=1) | flags)

    def _results(self, product: Product, block: int, place: int,
                 push_prev: int = 0) -> Instruction:
        size = (2 if product.fp16 else 4) * self.p.N
        return Instruction(Op.ST, dict(
            base=product.result_base, src=place, pitch=product.result_pitch,
            offset=product.result_offset + self.first * product.result_pitch
            + block * size // BLOCK, fp16=int(product.fp16), pop_prev=1, push_prev=push_prev,
            **self._shape(product, block)))

    def _shape(self, product: Product, block: int) -> dict[str, int]:
        """Rows, and words of each, of a block of columns."""
        width = min(self.p.N, product.matrix.n - block * self.p.N)
        return dict(rows=self.rows, words=-(-width // self.p.chains))


def _load(p: AccelParameters, product: Product, parts: dict[str, tuple[int, int]], slot: int,
          waits: bool) -> Iterator[Instruction]:
    """Loads of a chunk: the first waits for the slot, the last says that all are there."""
    ops = {"patterns": (Op.LDW, p.w_slot), "scales": (Op.LDS, p.s_slot),
           "offsets": (Op.LDO, p.s_slot)}
    for i, (name, (at, size)) in enumerate(parts.items()):
        op, words = ops[name]
        yield Instruction(op, dict(
            base=product.base, offset=product.offset + at, blocks=size, dst=slot * words,
            pop_next=int(waits and i == 0), push_next=int(i == len(parts) - 1)))
