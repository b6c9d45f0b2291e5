"""A matrix product on the LUT core: tile by tile, block by block of the reduction.

Tiles of M rows and N columns go through the core block by block, so that an operation that adds
to an earlier one comes as late after it as possible.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..workload import Beat, Progress, StreamPass, Workload
from .gemm import Gemm, Operands, psum_codes
from .parameters import LutCoreParameters
from .ports import activation_beats, psum_beats, results_of, table_beats, weight_fields
from .table import make_tables

__all__ = ["LutWorkload"]

Array = NDArray[Any]


class LutWorkload(Workload):
    """Integer or floating activations times weights of 1 to 8 bits; see :class:`~.gemm.Gemm`."""

    operand_class = Operands
    parameters: LutCoreParameters
    operands: Operands

    def __init__(self, parameters: LutCoreParameters, operands: Operands) -> None:
        self.parameters, self.operands = parameters, operands
        self.gemm = Gemm(parameters, operands)
        self.rows, self.columns = self.gemm.rows, self.gemm.columns
        self.k = operands.codes.shape[1]
        tiles = -(-self.rows // parameters.M) * -(-self.gemm.streamed // parameters.N)
        self.operations = tiles * len(self.gemm.blocks)

    def golden(self, progress: Progress = lambda done, total: None) -> Array:
        total = len(self.gemm.blocks)
        return self.gemm.result(self.gemm.run(lambda done: progress(done, total)))

    def start(self) -> LutPass:
        return LutPass(self)

    def weights(self) -> str:
        x = self.operands
        group = f", groups of {x.group_size}" if x.group_size else ""
        parts = [name for name, array in (("zero points", x.zero), ("scales", x.scale),
                                          ("minima", x.minimum))
                 if array is not None]
        return f"{x.bits} bits{group}{''.join(f', {part}' for part in parts)}"

    def facts(self) -> dict[str, Any]:
        x = self.operands
        return {"bits": x.bits, "group_size": x.group_size, "zero_point": x.zero is not None,
                "scale": x.scale is not None, "minimum": x.minimum is not None}


@dataclass(frozen=True)
class Tile:
    """One operation: a block of the reduction for M rows and N columns."""

    block: int
    rows: slice
    columns: slice


class LutPass(StreamPass):
    """The streams of a product, and its results."""

    def __init__(self, workload: LutWorkload) -> None:
        p, gemm = workload.parameters, workload.gemm
        self.p, self.gemm = p, gemm
        self.results = np.zeros((len(gemm.blocks), gemm.rows, gemm.streamed), np.int64)
        self.finished = 0                           #: operations whose results are in
        self.words: list[int] = []                  #: result words of the operation under way
        self.psums: deque[Beat] = deque()
        self.tiles = [Tile(i, slice(m, m + p.M), slice(n, n + p.N))
                      for i in range(len(gemm.blocks))
                      for n in range(0, gemm.streamed, p.N) for m in range(0, gemm.rows, p.M)]
        self.per_block = len(self.tiles) // len(gemm.blocks)
        self.chained = any(block.chained for block in gemm.blocks)

    @property
    def done(self) -> bool:
        return self.finished == len(self.tiles)

    def constants(self) -> Beat:
        # where no operation adds to another, all partial sums are zero
        return {"psum_valid": int(not self.chained), "psum_values": 0} if self.p.preload else {}

    def inputs(self) -> dict[str, Iterator[Beat | None]]:
        tables = "activation" if self.p.table_source == "internal" else "table"
        streams: dict[str, Iterator[Beat | None]] = {"weight": self._weights(),
                                                     tables: self._tables()}
        if self.chained:
            streams["psum"] = self._partial_sums()
        return streams

    def _tables(self) -> Iterator[Beat]:
        """Beats of the table (or activation) stream."""
        p, block = self.p, -1
        cache: dict[int, list[Beat]] = {}
        for tile in self.tiles:
            if tile.block != block:
                block, cache = tile.block, {}
            if tile.rows.start not in cache:
                codes = self.gemm.activations(self.gemm.blocks[block], tile.rows)
                codes = np.pad(codes, ((0, p.M - len(codes)), (0, 0)))
                cache[tile.rows.start] = activation_beats(p, codes) \
                    if p.table_source == "internal" else table_beats(p, make_tables(codes, p))
            yield from cache[tile.rows.start]

    def _weights(self) -> Iterator[Beat | None]:
        """Beats of the weight stream. Waits where an operation adds to one not yet finished."""
        p, made = self.p, (-1, -1)
        beats: list[Beat] = []
        for index, tile in enumerate(self.tiles):
            block = self.gemm.blocks[tile.block]
            if self.chained:
                while block.chained and self.finished <= index - self.per_block:
                    yield None
                self.psums.extend(psum_beats(p, self._psum(tile) if block.chained else
                                             np.zeros((p.M, p.N), np.int64)))
            if made != (tile.block, tile.columns.start):
                made = tile.block, tile.columns.start
                part = self.gemm.beats(block, tile.columns)
                spare = p.N - part.patterns.shape[2]
                beats = weight_fields(p, replace(
                    part, patterns=np.pad(part.patterns, ((0, 0), (0, 0), (0, spare)))))
            yield from beats

    def _psum(self, tile: Tile) -> Array:
        """What the block before left for a tile, as partial sums (M, N)."""
        before = self.results[tile.block - 1, tile.rows, tile.columns]
        rows, columns = before.shape
        return np.pad(psum_codes(self.p, before),
                      ((0, self.p.M - rows), (0, self.p.N - columns)))

    def _partial_sums(self) -> Iterator[Beat | None]:
        while True:
            yield self.psums.popleft() if self.psums else None

    def take(self, beat: Beat) -> None:
        p = self.p
        self.words.append(beat["values"])
        complete = len(self.words) == p.M * p.N // p.out_lanes
        assert beat["last"] == complete, "result_last must mark the last beat of an operation"
        if complete:
            tile = self.tiles[self.finished]
            target = self.results[tile.block, tile.rows, tile.columns]
            target[:] = results_of(p, self.words)[:target.shape[0], :target.shape[1]]
            self.words = []
            self.finished += 1

    def result(self) -> Array:
        return self.gemm.result(list(self.results))
