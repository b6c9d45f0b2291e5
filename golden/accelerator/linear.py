"""Programs of linear layers: rows of activations times matrices that share them.

The loop, outermost first: passes of rows that fit the buffers, matrices, blocks of columns, chunks
of the weight buffer; in one LMMA all row blocks, groups, steps and planes. Weights cross the bus
once a pass. Tokens keep the chunks in the slots of the weight
buffers, and two column blocks of results, apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..parameters import ParameterError
from .isa import BLOCK, Instruction, Op
from .layout import Matrix
from .parameters import AccelParameters

__all__ = ["Activations", "Product", "linear", "rows_per_pass", "row_blocks_of_bytes"]


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
    """Rows of k activations that the buffers take at once."""
    words = k // p.per_beat
    blocks = min(p.a_depth // words, p.p_slot // p.drain, 127 // p.M)
    if blocks < 1:
        raise ParameterError(f"{p.M} rows of k = {k} must fit the activation buffer, and a column "
                             f"block half of the results; raise --a-kib {p.a_kib} or --p-kib "
                             f"{p.p_kib}")
    return blocks * p.M


def linear(p: AccelParameters, rows: int, x: Activations,
           products: Sequence[Product]) -> Iterator[Instruction]:
    """Instructions of ``products``, whose matrices have the same inputs. END is the caller's;
    between two calls a SYNC is needed."""
    k = products[0].matrix.k
    if any(product.matrix.k != k for product in products):
        raise ParameterError("matrices that share activations must have the same k")
    at_once = rows_per_pass(p, k)
    for first in range(0, rows, at_once):
        if first:
            yield Instruction(Op.SYNC)
        yield from _one_pass(p, first, min(at_once, rows - first), x, products)


def _one_pass(p: AccelParameters, first: int, rows: int, x: Activations,
              products: Sequence[Product]) -> Iterator[Instruction]:
    words = products[0].matrix.k // p.per_beat
    loaded = slots = block = 0
    for product in products:
        steps = product.matrix.group_size // p.per_beat
        if steps != loaded:
            # exponents belong to groups of one size
            if loaded:
                yield Instruction(Op.SYNC)
                slots = block = 0
            yield Instruction(Op.LDA, dict(
                base=x.base, offset=x.offset + first * x.pitch, rows=rows, words=words,
                steps=steps.bit_length() - 1, dst=0, pitch=x.pitch))
            loaded = steps
        for chunk in product.matrix.chunks:
            opens = chunk.group == 0
            closes = chunk.group + chunk.groups == product.matrix.groups
            width = min(p.N, product.matrix.n - chunk.column_block * p.N)
            of_row = dict(rows=rows, words=-(-width // p.chains))
            init = opens and product.psum is None
            if opens and product.psum is not None:
                # results may not be written before the store of those before is done
                yield Instruction(Op.SYNC)
                slots = block = 0
                yield Instruction(Op.LDP, dict(
                    base=product.psum.base, dst=0, pitch=product.psum.pitch,
                    offset=product.psum.offset + first * product.psum.pitch
                    + chunk.column_block * 4 * p.N // BLOCK, **of_row))
            slot, result = slots % p.slots, block % 2 * p.p_slot
            yield from _load(p, product, chunk.parts, slot, slots >= p.slots)
            yield Instruction(Op.LMMA, dict(
                a=chunk.group * steps, a_pitch=words, w=slot * p.w_slot,
                s=slot * p.s_slot, p=result, row_blocks=-(-rows // p.M),
                groups=chunk.groups, steps=steps.bit_length() - 1,
                planes=product.matrix.planes - 1, codes=int(product.matrix.codes),
                offsets=int(product.matrix.has_offsets), init=int(init),
                pop_prev=1, push_prev=1, pop_next=int(opens and block >= 2),
                push_next=int(closes)))
            slots += 1
            if closes:
                size = (2 if product.fp16 else 4) * p.N
                yield Instruction(Op.ST, dict(
                    base=product.result_base, src=result, pitch=product.result_pitch,
                    offset=product.result_offset + first * product.result_pitch
                    + chunk.column_block * size // BLOCK,
                    fp16=int(product.fp16), pop_prev=1, push_prev=1, **of_row))
                block += 1


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
