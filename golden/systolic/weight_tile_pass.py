"""A matrix product through the bare weight-stationary tile: what its ports carry in every cycle.

Weights of the next operation are loaded while vectors of this one are on their way, as early as
the array with its own control does it (:func:`.cycles.vector_starts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..workload import Beat, Cycle, CyclePass
from .cycles import vector_starts
from .parameters import SystolicParameters
from .ports import packed, sum_words, sums_of, weight_beats

if TYPE_CHECKING:
    from .workload import SystolicWorkload

__all__ = ["TileOperation", "WeightTilePass", "WeightTileRun", "first_weight_cycles"]

Array = NDArray[Any]


@dataclass(frozen=True)
class TileOperation:
    """Vectors (rows, R * dot at most) times weights (C at most, R * dot at most), integers."""

    a: Array
    w: Array
    psum: Array | None = None       #: (rows, C) added to the results
    after: int | None = None        #: the operation whose results are added, in place of them


def first_weight_cycles(p: SystolicParameters) -> Iterator[Cycle]:
    """From power on until every element has weights, zeros, and nothing is on its way. Without
    them columns have no defined value before the first results."""
    idle = {"activations": 0, "weights": 0, "load": 0, "swap": 0, "psum": 0}
    for _ in range(p.R):
        yield idle | {"load": 1}, False
    yield idle | {"swap": 1}, False
    for _ in range(p.tile_latency + p.C):
        yield idle, False


class WeightTileRun:
    """Operations back to back: ports cycle by cycle, and what their results are."""

    def __init__(self, p: SystolicParameters, operations: Sequence[TileOperation]) -> None:
        self.p, self.operations = p, operations
        counts = [len(x.a) for x in operations]
        starts = vector_starts(p, counts)
        self.results = [np.zeros((count, p.C), np.int64) for count in counts]
        #: the operation and the vector that enter row 0 in a cycle; -1: none
        length = starts[-1] + counts[-1] + p.tile_latency + p.C - 1
        self._enters = np.full((length, 2), -1)
        self._load, self._swap = (np.zeros(length, np.int64) for _ in range(2))
        activations = np.zeros((length, p.R, p.dot), np.int64)
        self._weights = [0] * length
        loads = [0, *(start + p.R + p.C - 1 for start in starts)]
        for n, (x, start, load, count) in enumerate(zip(operations, starts, loads, counts,
                                                        strict=False)):
            self._enters[start:start + count] = [(n, v) for v in range(count)]
            self._swap[start] = 1
            self._load[load:load + p.R] = 1
            vectors = np.pad(x.a, ((0, 0), (0, p.R * p.dot - x.a.shape[1])))
            for i in range(p.R):
                activations[start + i:start + i + count, i] = \
                    vectors[:, i * p.dot:(i + 1) * p.dot]
            self._weights[load:load + p.R] = [beat["weights"] for beat in weight_beats(p, x.w)]
        self._activations = packed(activations, p.a_bits)

    def _at(self, cycle: int, late: int) -> list[tuple[int, int]]:
        """Operation and vector at each column, so many cycles after row 0 of column 0."""
        found = (cycle - late - j for j in range(self.p.C))
        return [(int(self._enters[t, 0]), int(self._enters[t, 1])) if t >= 0 else (-1, -1)
                for t in found]

    def _psums(self, cycle: int) -> Array:
        psums = np.zeros((1, self.p.C), np.int64)
        for j, (n, v) in enumerate(self._at(cycle, self.p.tile_latency - 1)):
            x = self.operations[n]
            added = x.psum if x.after is None else self.results[x.after]
            if n >= 0 and added is not None:
                psums[0, j] = added[v, j]
        return psums

    def cycles(self) -> Iterator[Cycle]:
        """All cycles; those with results are to be given to :meth:`take` before the next one."""
        for cycle in range(len(self._enters)):
            ports = {"activations": self._activations[cycle], "weights": self._weights[cycle],
                     "load": int(self._load[cycle]), "swap": int(self._swap[cycle]),
                     "psum": sum_words(self.p, self._psums(cycle))[0]}
            self._now = self._at(cycle, self.p.tile_latency)
            yield ports, any(n >= 0 for n, _ in self._now)

    def take(self, word: int) -> None:
        """The ``results`` port in the cycle that was given last."""
        values = sums_of(self.p, [word])[0]
        for j, (n, v) in enumerate(self._now):
            if n >= 0:
                self.results[n][v, j] = values[j]


class WeightTilePass(CyclePass):
    """The cycles of all tiles of a product; slices of a reduction add to the ones before."""

    fields = ("results",)

    def __init__(self, workload: SystolicWorkload) -> None:
        x, p, self.workload = workload.operands, workload.parameters, workload
        across = workload.operations // workload.chained
        self.run = WeightTileRun(p, [
            TileOperation(x.a[tile.rows, tile.k], x.w[tile.columns, tile.k],
                          after=i - across if tile.k.start else None)
            for i, tile in enumerate(workload.tiles)])

    def cycles(self) -> Iterator[Cycle]:
        first = list(first_weight_cycles(self.run.p))
        yield first[-1]         # during reset
        yield from first
        yield from self.run.cycles()

    def take(self, beat: Beat) -> None:
        self.run.take(beat["results"])

    def result(self) -> Array:
        workload = self.workload
        results = np.zeros((workload.rows, workload.columns), np.int64)
        for tile, found in zip(workload.tiles, self.run.results, strict=True):
            target = results[tile.rows, tile.columns]
            target[:] = found[:, :target.shape[1]]
        return results
