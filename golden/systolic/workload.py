"""A matrix product on the array, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parameters import ParameterError
from ..workload import Beat, Progress, StreamPass, Workload
from .cycles import operation_cycles
from .gemm import Operands, product, weight_codes
from .parameters import SystolicParameters
from .ports import (
    activation_beats,
    operand_beats,
    psum_beats,
    results_of,
    scale_beats,
    weight_beats,
)

__all__ = ["SystolicWorkload"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Tile:
    """One operation: outputs, and a slice of the reduction."""

    rows: slice
    columns: slice
    k: slice


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
        self._check_requantizer()
        across = [slice(n, n + p.C) for n in range(0, self.columns, p.C)]
        if p.dataflow == "os":
            self.tiles = [Tile(slice(m, m + p.R), columns, slice(0, k)) for columns in across
                          for m in range(0, self.rows, p.R)]
        else:
            # an operation that adds to an earlier one comes as late after it as possible
            self.tiles = [Tile(slice(0, self.rows), columns, slice(i, i + p.R * p.dot))
                          for i in range(0, k, p.R * p.dot) for columns in across]
        self.operations = len(self.tiles)
        #: operations that make up an output
        self.chained = 1 if p.dataflow == "os" else -(-k // (p.R * p.dot))

    def _check_requantizer(self) -> None:
        p, x = self.parameters, self.operands
        for name in ("multiplier", "shift", "zero"):
            values = getattr(x, name)
            if (values is not None) != p.requantizes:
                raise ParameterError(f"{name} belongs to --out-format int8, which needs it; got "
                                     f"--out-format {p.out_format}")
            if values is not None and values.shape != (self.columns,):
                raise ParameterError(f"{name} must have one integer for each of {self.columns} "
                                     f"columns; got shape {values.shape}")
        try:
            _ = x.requantizer
        except ValueError as error:
            raise ParameterError(str(error)) from None

    def golden(self, progress: Progress = lambda done, total: None) -> Array:
        x = self.operands
        return product(self.parameters, x.a, x.w, x.requantizer)

    def start(self) -> SystolicPass:
        return SystolicPass(self)

    @property
    def cycles(self) -> int | None:
        """Cycles of the product by :mod:`.cycles`; None where partial sums wait for results, which
        it does not model."""
        if self.chained > 1:
            return None
        p = self.parameters
        beats = -(-self.k // p.dot) if p.dataflow == "os" else self.rows
        return operation_cycles(p, [beats] * self.operations)

    def weights(self) -> str:
        return self.parameters.w_format

    def facts(self) -> dict[str, Any]:
        return {"cycle_model": self.cycles}


class SystolicPass(StreamPass):
    """The beats of all tiles, and their results."""

    def __init__(self, workload: SystolicWorkload) -> None:
        self.workload = workload
        self.results = np.zeros((workload.rows, workload.columns), np.int64)
        self.finished = 0               #: operations whose results are in
        self.words: list[int] = []      #: result words of the operation under way

    @property
    def done(self) -> bool:
        return self.finished == self.workload.operations

    def inputs(self) -> dict[str, Iterator[Beat | None]]:
        if self.workload.operands.requantizer is not None:
            return {"operand": self._operands(), "scale": self._scales()}
        if self.workload.parameters.dataflow == "os":
            return {"operand": self._operands()}
        return {"weight": self._weights(), "activation": self._activations(),
                "psum": self._partial_sums()}

    def _operands(self) -> Iterator[Beat]:
        x, p = self.workload.operands, self.workload.parameters
        for tile in self.workload.tiles:
            yield from operand_beats(p, x.a[tile.rows, tile.k], x.w[tile.columns, tile.k])

    def _scales(self) -> Iterator[Beat]:
        by = self.workload.operands.requantizer
        assert by is not None
        for tile in self.workload.tiles:
            yield from scale_beats(self.workload.parameters, by.of(tile.columns))

    def _weights(self) -> Iterator[Beat]:
        x, p = self.workload.operands, self.workload.parameters
        for tile in self.workload.tiles:
            yield from weight_beats(p, x.w[tile.columns, tile.k])

    def _activations(self) -> Iterator[Beat]:
        x, p = self.workload.operands, self.workload.parameters
        for tile in self.workload.tiles:
            yield from activation_beats(p, x.a[tile.rows, tile.k])

    def _partial_sums(self) -> Iterator[Beat | None]:
        """Zeros, or what the operation before left for a tile. Waits where it has not yet."""
        workload = self.workload
        p, per_slice = workload.parameters, workload.operations // workload.chained
        for index, tile in enumerate(workload.tiles):
            before = np.zeros((workload.rows, p.C), np.int64)
            if tile.k.start:
                while self.finished <= index - per_slice:
                    yield None
                part = self.results[:, tile.columns]
                before[:, :part.shape[1]] = part
            yield from psum_beats(p, before)

    def take(self, beat: Beat) -> None:
        workload, p = self.workload, self.workload.parameters
        self.words.append(beat["values"])
        count = p.R if p.dataflow == "os" else workload.rows
        complete = len(self.words) == count
        assert beat["last"] == complete, "result_last must mark the last results of an operation"
        if complete:
            tile = workload.tiles[self.finished]
            target = self.results[tile.rows, tile.columns]
            target[:] = results_of(p, self.words)[:target.shape[0], :target.shape[1]]
            self.words = []
            self.finished += 1

    def result(self) -> Array:
        return self.results
