"""A matrix product on the array, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parameters import ParameterError
from ..workload import Beat, Progress, StreamPass, Workload
from .cycles import operation_cycles
from .gemm import Operands, product, weight_codes
from .parameters import SystolicParameters
from .ports import operand_beats, results_of

__all__ = ["SystolicWorkload"]

Array = NDArray[Any]


class SystolicWorkload(Workload):
    """Integer activations times weights of a digit format."""

    operand_class = Operands
    parameters: SystolicParameters
    operands: Operands

    def __init__(self, parameters: SystolicParameters, operands: Operands) -> None:
        self.parameters, self.operands = p, x = parameters, operands
        (self.rows, self.k), (self.columns, k) = x.a.shape, x.w.shape
        if k != self.k:
            raise ParameterError("activations and weights must have the same k; got shapes "
                                 f"{x.a.shape} and {x.w.shape}")
        weight_codes(p, x.w)        # refuses weights that the format has not
        self.tiles = [(slice(m, m + p.R), slice(n, n + p.C)) for n in range(0, self.columns, p.C)
                      for m in range(0, self.rows, p.R)]
        self.operations = len(self.tiles)

    def golden(self, progress: Progress = lambda done, total: None) -> Array:
        return product(self.parameters, self.operands.a, self.operands.w)

    def start(self) -> SystolicPass:
        return SystolicPass(self)

    @property
    def cycles(self) -> int:
        """Cycles of the product by :mod:`.cycles`."""
        p = self.parameters
        return operation_cycles(p, [-(-self.k // p.dot)] * self.operations)

    def weights(self) -> str:
        return self.parameters.w_format

    def facts(self) -> dict[str, Any]:
        return {"cycle_model": self.cycles}


class SystolicPass(StreamPass):
    """The beats of all tiles, one column of tiles after the other."""

    def __init__(self, workload: SystolicWorkload) -> None:
        self.workload = workload
        self.results = np.zeros((workload.rows, workload.columns), np.int64)
        self.finished = 0
        self.words: list[int] = []

    @property
    def done(self) -> bool:
        return self.finished == self.workload.operations

    def inputs(self) -> dict[str, Iterator[Beat | None]]:
        return {"operand": self._operands()}

    def _operands(self) -> Iterator[Beat]:
        x, p = self.workload.operands, self.workload.parameters
        for rows, columns in self.workload.tiles:
            yield from operand_beats(p, x.a[rows], x.w[columns])

    def take(self, beat: Beat) -> None:
        p = self.workload.parameters
        self.words.append(beat["values"])
        complete = len(self.words) == p.R
        assert beat["last"] == complete, "result_last must mark the last row of an operation"
        if complete:
            target = self.results[self.workload.tiles[self.finished]]
            target[:] = results_of(p, self.words)[:target.shape[0], :target.shape[1]]
            self.words = []
            self.finished += 1

    def result(self) -> Array:
        return self.results
