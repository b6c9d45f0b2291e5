"""Products on the golden accelerator: operands placed in a memory, programs, results; and the same
products by the core's own golden model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lowbit.golden.accelerator.device import Device
from lowbit.golden.accelerator.isa import BLOCK, Error, Instruction, Op, to_bytes
from lowbit.golden.accelerator.layout import Matrix, blocks, pack
from lowbit.golden.accelerator.linear import Activations, Product, linear, row_blocks_of_bytes
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.bits import pack_bits
from lowbit.golden.formats import FloatFormat
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.gemm import Gemm, Operands

__all__ = ["Memory", "Placed", "activations", "expected", "product", "random_weights", "run"]

Array = np.ndarray[Any, Any]


class Memory:
    """A memory that is filled from its start, in blocks of 64 bytes."""

    def __init__(self, size: int = 1 << 21) -> None:
        self.data = np.random.default_rng(0).integers(0, 256, size, np.uint8)
        self.used = 0

    def place(self, data: bytes) -> int:
        """The block where ``data`` now is."""
        at = self.used
        self.data[at * BLOCK:at * BLOCK + len(data)] = np.frombuffer(data, np.uint8)
        self.used += blocks(len(data))
        assert self.used * BLOCK <= len(self.data)
        return at

    def reserve(self, count: int) -> int:
        at = self.used
        self.used += count
        return at


def random_weights(rng: np.random.Generator, n: int, k: int, bits: int, size: int,
                   meaning: str) -> GroupedWeights:
    """Weights with FP16 scales; ``meaning``: odd, signed, zero (integer zero points), minimum."""
    groups = k // size
    scale = (rng.normal(0, 0.05, (n, groups))).astype(np.float16).astype(np.float32)
    zero = {"signed": np.full((n, groups), 1 << bits - 1),
            "zero": rng.integers(0, 1 << bits, (n, groups))}.get(meaning)
    minimum = rng.normal(0, 0.3, (n, groups)).astype(np.float16).astype(np.float32) \
        if meaning == "minimum" else None
    codes = rng.integers(0, 1 << bits, (n, k), np.uint8)
    return GroupedWeights(codes, scale, zero, bits, size, minimum).check()


def activations(rng: np.random.Generator, p: AccelParameters, rows: int, k: int) -> Array:
    """Raw codes, or integers: rows of very different size, a row of zeros, some zeros."""
    fmt = p.compute.activation
    if not isinstance(fmt, FloatFormat):
        return rng.integers(fmt.low, fmt.high + 1, (rows, k))
    values = rng.normal(0, 1, (rows, k)) * 2.0 ** rng.integers(-12, 6, (rows, 1))
    values *= rng.random((rows, k)) < 0.9
    if rows > 2:
        values[1] = 0
    return fmt.from_float64(values)


def expected(p: AccelParameters, codes: Array, weights: GroupedWeights,
             group_size: int) -> Array:
    """FP32 codes of the product by the core's golden model, with groups of ``group_size``."""
    parts = (weights.group_size or weights.codes.shape[1]) // group_size
    zero, minimum = weights.zero, weights.minimum
    cut = replace(weights, scale=np.repeat(weights.scale, parts, axis=1), group_size=group_size,
                  zero=None if zero is None else np.repeat(zero, parts, axis=1),
                  minimum=None if minimum is None else np.repeat(minimum, parts, axis=1))
    core = replace(p.core, exponent="scan")
    return Gemm(core, Operands.of(codes, cut)).run()[0]


@dataclass(frozen=True)
class Placed:
    """A product in memory: its program, and where its results are."""

    matrix: Matrix
    weights: int                #: block where the matrix begins
    address: int                #: of the program, in bytes
    instructions: int
    results: int                #: block of the first row
    pitch: int
    shape: tuple[int, int]
    fp16: bool

    def read(self, memory: Memory) -> Array:
        """Codes of the results."""
        rows, n = self.shape
        flat = memory.data[self.results * BLOCK:][:rows * self.pitch * BLOCK]
        codes = flat.reshape(rows, -1).view("<u2" if self.fp16 else "<u4")
        return codes[:, :n].astype(np.int64)


def product(p: AccelParameters, memory: Memory, codes: Array, weights: GroupedWeights, *,
            fp16: bool = False, psum: Array | None = None,
            slot_words: int | None = None) -> Placed:
    """Place operands and the program of a product; ``psum``: FP32 codes (rows, n)."""
    matrix = pack(p, weights, slot_words)
    rows, n = len(codes), matrix.n
    pitch = row_blocks_of_bytes(p, matrix.k)
    packed = pack_bits(codes, p.a_bits)
    padded = np.zeros((rows, pitch * BLOCK), np.uint8)
    padded[:, :packed.shape[1]] = packed
    x = Activations(0, memory.place(padded.tobytes()), pitch)
    of_row = blocks((2 if fp16 else 4) * -(-n // p.N) * p.N)
    added = None
    if psum is not None:
        wide = np.zeros((rows, blocks(4 * -(-n // p.N) * p.N) * 16), "<u4")
        wide[:, :n] = psum
        added = Activations(0, memory.place(wide.tobytes()), wide.shape[1] // 16)
    results = memory.reserve(rows * of_row)
    place = memory.place(matrix.image)
    program = [*linear(p, rows, x, [Product(matrix, 0, place, 0, results,
                                            of_row, fp16, added)]), Instruction(Op.END, {"irq": 1})]
    address = memory.place(to_bytes(program)) * BLOCK
    return Placed(matrix, place, address, len(program), results, of_row, (rows, n), fp16)


def run(p: AccelParameters, memory: Memory, placed: Placed, seed: int | None = None) -> Array:
    """Results of a product on a new device: codes (rows, n)."""
    device = Device(p, memory.data)
    assert device.run(placed.address, placed.instructions, seed) is Error.NONE
    return placed.read(memory)


