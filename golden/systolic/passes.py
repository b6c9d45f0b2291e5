"""A matrix product on the array: the beats of its streams, and what becomes of the results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..workload import Beat, StreamPass
from .ports import (
    activation_beats,
    operand_beats,
    psum_beats,
    results_of,
    scale_beats,
    sums_of,
    weight_beats,
)

if TYPE_CHECKING:
    from .workload import SystolicWorkload

__all__ = ["SystolicPass", "Tile"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Tile:
    """One operation: outputs, and a slice of the reduction."""

    rows: slice
    columns: slice
    k: slice


class SystolicPass(StreamPass):
    """The beats of all tiles, and their results."""

    def __init__(self, workload: SystolicWorkload) -> None:
        self.workload = workload
        self.results = np.zeros((workload.rows, workload.columns), np.int64)
        self.finished = 0               #: operations whose results are in
        self.words: list[int] = []      #: result words of the operation under way
        p = workload.parameters
        if p.gives_sums:
            self.fields = (*self.fields, "sums")
        self.sums = np.zeros_like(self.results)     #: of the slices so far
        self.sum_words: list[int] = []

    @property
    def done(self) -> bool:
        return self.finished == self.workload.operations

    def inputs(self) -> dict[str, Iterator[Beat | None]]:
        streams: dict[str, Iterator[Beat | None]] = {"operand": self._operands()} \
            if self.workload.parameters.dataflow == "os" else {
                "weight": self._weights(), "activation": self._activations(),
                "psum": self._partial_sums()}
        if self.workload.operands.requantizer is not None:
            streams["scale"] = self._scales()
        return streams

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
                part = (self.sums if p.gives_sums else self.results)[:, tile.columns]
                before[:, :part.shape[1]] = part
            yield from psum_beats(p, before)

    def take(self, beat: Beat) -> None:
        workload, p = self.workload, self.workload.parameters
        self.words.append(beat["values"])
        if p.gives_sums:
            self.sum_words.append(beat["sums"])
        count = p.R if p.dataflow == "os" else workload.rows
        complete = len(self.words) == count
        assert beat["last"] == complete, "result_last must mark the last results of an operation"
        if complete:
            tile = workload.tiles[self.finished]
            target = self.results[tile.rows, tile.columns]
            target[:] = results_of(p, self.words)[:target.shape[0], :target.shape[1]]
            self.words = []
            if p.gives_sums:
                sums = self.sums[tile.rows, tile.columns]
                sums[:] = sums_of(p, self.sum_words)[:sums.shape[0], :sums.shape[1]]
                self.sum_words = []
            self.finished += 1

    def result(self) -> Array:
        return self.results
