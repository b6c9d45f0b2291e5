"""A product of FP16 matrices on the baseline tile, which has no streams: a schedule of cycles.

An operation takes operands in k cycles; then its rows are read, one a cycle. The next one starts
so early that its first sums replace the old ones in the cycle after the last row was read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import ints_to_rows, unpack_bits
from ..workload import Beat, Cycle, CyclePass, Progress, Workload
from .gemm import Gemm, Operands
from .parameters import Fp16TileParameters

__all__ = ["Fp16Workload"]

Array = NDArray[Any]


class Fp16Workload(Workload):
    """FP16 activations times FP16 weights; see :class:`~.gemm.Gemm`."""

    operand_class = Operands
    parameters: Fp16TileParameters
    operands: Operands

    def __init__(self, parameters: Fp16TileParameters, operands: Operands) -> None:
        self.parameters, self.operands = parameters, operands
        self.gemm = Gemm(parameters, operands)
        self.rows, self.columns, self.k = self.gemm.rows, self.gemm.columns, self.gemm.k
        self.operations = len(self.gemm.blocks)

    @property
    def cycles(self) -> int:
        return sum(self.k + rows.stop - rows.start - 1 for rows, _ in self.gemm.blocks) \
            + self.parameters.latency

    def golden(self, progress: Progress = lambda done, total: None) -> Array:
        return self.gemm.run(progress)

    def start(self) -> Fp16Pass:
        return Fp16Pass(self)

    def weights(self) -> str:
        return f"fp16, sums in {self.parameters.acc}"


class Fp16Pass(CyclePass):
    """The schedule of a product, and its results."""

    fields = ("results",)

    def __init__(self, workload: Fp16Workload) -> None:
        self.p, self.gemm = workload.parameters, workload.gemm
        self.words: list[int] = []

    def _schedule(self) -> Iterator[tuple[Beat, int | None]]:
        """All operations: inputs of a cycle, and the row of sums to be read ``latency`` cycles
        later."""
        for rows, columns in self.gemm.blocks:
            for i, (activations, weights) in enumerate(self.gemm.words(rows, columns)):
                yield ({"en": 1, "first": int(i == 0), "activations": activations,
                        "weights": weights}, 0 if i == self.gemm.k - 1 else None)
            for row in range(1, rows.stop - rows.start):
                yield {"en": 0}, row

    def cycles(self) -> Iterator[Cycle]:
        p = self.p
        first: Beat = {"en": 0, "first": 0, "activations": 0, "weights": 0}
        yield first | ({"row": 0} if p.rows > 1 else {}), False
        waiting: deque[int | None] = deque([None] * p.latency)
        for inputs, row in chain(self._schedule(), repeat(({"en": 0}, None), p.latency)):
            waiting.append(row)
            read = waiting.popleft()
            yield ({**inputs, "row": read} if read is not None and p.rows > 1 else inputs,
                   read is not None)

    def take(self, beat: Beat) -> None:
        self.words.append(beat["results"])

    def result(self) -> Array:
        fmt = self.p.acc_format
        values = unpack_bits(ints_to_rows(self.words, fmt.bits * self.p.columns), fmt.bits,
                             self.p.columns)
        codes = np.zeros((self.gemm.rows, self.gemm.columns), np.int64)
        for rows, columns in self.gemm.blocks:
            block, values = np.split(values, [rows.stop - rows.start])
            codes[rows, columns] = block[:, :columns.stop - columns.start]
        return fmt.to_array(codes)
