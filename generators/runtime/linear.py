"""One matrix on a device, of any engine: activations in, products out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.accelerator.isa import BLOCK, Error, Instruction, Op, to_bytes
from lowbit.golden.accelerator.layout import Packed, blocks
from lowbit.golden.accelerator.linear import Activations, Product, linear, row_blocks_of_bytes
from lowbit.golden.accelerator.parameters import AccelParameters

from ..errors import UsageError
from .accelerator import Device, DeviceError, golden

__all__ = ["Linear", "WithSettings"]

Array = NDArray[Any]


class WithSettings(Device, Protocol):
    """A device with registers that belong to its engine."""

    settings: dict[str, int]


class Linear:
    """Products of rows of activations with ``matrix`` (:func:`~lowbit.golden.accelerator.layout.
    pack`), on a device that ``device`` makes of the parameters and a memory; ``settings``: values
    of registers that belong to the engine.

    Rows are given as raw codes of the design's activations: uint16 of FP16, say, or float16.
    """

    def __init__(self, p: AccelParameters, matrix: Packed,
                 device: Callable[[AccelParameters, Array], WithSettings] = golden,
                 settings: Mapping[str, int] | None = None, rows: int = 16) -> None:
        self.p, self.matrix, self.rows = p, matrix, rows
        self.pitch = row_blocks_of_bytes(p, matrix.k)
        columns = -(-matrix.n // p.N) * p.N
        self.of_row = blocks(4 * columns)
        # weights, activations, results, and at the end a program, of whatever length
        self._x_at = blocks(len(matrix.image))
        self._y_at = self._x_at + rows * self.pitch
        self._program_at = self._y_at + rows * self.of_row
        longest = len(to_bytes(self.program(rows)))
        self.memory = np.zeros((self._program_at + blocks(longest)) * BLOCK, np.uint8)
        self.memory[:len(matrix.image)] = np.frombuffer(matrix.image, np.uint8)
        self.device = device(p, self.memory)
        self.device.settings.update(settings or {})

    def __call__(self, x: Array) -> Array:
        """float32 (rows, n) of ``x`` (rows, k); rows beyond those that there is room for go in
        several programs, and inputs that the matrix was filled up with count as zeros."""
        codes = x.view(np.uint16) if x.dtype == np.float16 else x
        if codes.ndim != 2 or not len(codes) or codes.shape[1] > self.matrix.k:
            raise UsageError(f"activations must have shape (rows, k), k at most {self.matrix.k}; "
                             f"got {x.shape}")
        parts = [self._run(codes[at:at + self.rows]) for at in range(0, len(codes), self.rows)]
        return np.concatenate(parts)

    def program(self, rows: int) -> list[Instruction]:
        """The instructions for so many rows; addresses begin with the memory."""
        product = Product(self.matrix, 0, 0, 0, self._y_at, self.of_row)
        return [*linear(self.p, rows, Activations(0, self._x_at, self.pitch), [product]),
                Instruction(Op.END, {"irq": 1})]

    def _run(self, codes: Array) -> Array:
        rows = len(codes)
        program = self.program(rows)
        self._put(self._program_at, np.frombuffer(to_bytes(program), np.uint8))
        width = self.p.a_bits // 8
        padded = np.zeros((rows, self.pitch * BLOCK // width), f"<u{width}")
        padded[:, :codes.shape[1]] = codes
        self._put(self._x_at, padded.reshape(-1).view(np.uint8))
        code = self.device.run(self._program_at * BLOCK, len(program))
        if code is not Error.NONE:
            raise DeviceError(f"{rows} rows: the device says {code.name}")
        found = self.memory[self._y_at * BLOCK:][:rows * self.of_row * BLOCK]
        return found.reshape(rows, -1).view("<f4")[:, :self.matrix.n].copy()

    def _put(self, block: int, data: Array) -> None:
        self.memory[block * BLOCK:block * BLOCK + len(data)] = data
