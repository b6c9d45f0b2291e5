"""A matrix product through the bare output-stationary tile: what its ports carry in every cycle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..workload import Beat, Cycle, CyclePass
from .gemm import weight_codes
from .parameters import SystolicParameters
from .ports import packed, results_of

if TYPE_CHECKING:
    from .workload import SystolicWorkload

__all__ = ["TilePass", "first_cycles", "tile_cycles"]

Array = NDArray[Any]


def _skewed(p: SystolicParameters, values: Array, delays: list[int], cycles: int) -> Array:
    """(lines at most, k) to (cycles, lines, dot): lines enter so many cycles late, zeros around."""
    lines = len(delays)
    count = -(-values.shape[1] // p.dot)
    padded = np.zeros((lines, count * p.dot), np.int64)
    padded[:values.shape[0], :values.shape[1]] = values
    entering = np.zeros((cycles, lines, p.dot), np.int64)
    for i, delay in enumerate(delays):
        entering[delay:delay + count, i] = padded[i].reshape(count, p.dot)
    return entering


def first_cycles(p: SystolicParameters) -> Iterator[Cycle]:
    """From power on until nothing is on its way: no operands, no sums."""
    ports = {"activations": 0, "weights": 0, "clear": 1}
    if p.drain != "mux":
        ports["shift"] = 0
    elif p.R > 1:
        ports["row"] = 0
    for _ in range(p.R + p.C):
        yield ports, False


def tile_cycles(p: SystolicParameters, a: Array, w: Array) -> Iterator[Cycle]:
    """One operation: activations (R at most, k), weights (C at most, k) as integers."""
    first_row = -(-a.shape[1] // p.dot) - 1 + p.drain_start     # leaves in this cycle
    count = first_row + p.R + 1
    activations = packed(_skewed(p, a, [p.row_delay(i) for i in range(p.R)], count), p.a_bits)
    weights = packed(_skewed(p, weight_codes(p, w), list(range(p.C)), count), p.weight_bits)
    for cycle in range(count):
        ports = {"activations": activations[cycle], "weights": weights[cycle],
                 "clear": int(cycle == 0)}
        row = cycle - first_row
        if p.drain != "mux":
            ports["shift"] = int(0 <= row < p.R)
        elif p.R > 1:
            ports["row"] = min(max(row, 0), p.R - 1)
        yield ports, row > 0


class TilePass(CyclePass):
    """The cycles of all tiles of a product."""

    fields = ("results",)

    def __init__(self, workload: SystolicWorkload) -> None:
        self.workload = workload
        self.words: list[int] = []

    def cycles(self) -> Iterator[Cycle]:
        x, p = self.workload.operands, self.workload.parameters
        yield from first_cycles(p)
        for tile in self.workload.tiles:
            yield from tile_cycles(p, x.a[tile.rows, tile.k], x.w[tile.columns, tile.k])

    def take(self, beat: Beat) -> None:
        self.words.append(beat["results"])

    def result(self) -> Array:
        workload, p = self.workload, self.workload.parameters
        results = np.zeros((workload.rows, workload.columns), np.int64)
        for i, tile in enumerate(workload.tiles):
            target = results[tile.rows, tile.columns]
            target[:] = results_of(p, self.words[i * p.R:(i + 1) * p.R])[
                :target.shape[0], :target.shape[1]]
        return results
