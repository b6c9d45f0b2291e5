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

from ..group_scale import Codes
from ..workload import Beat, Progress, StreamPass, Workload
from .cycles import accumulation_cycles
from .gemm import Gemm, Operands, psum_codes
from .parameters import LutCoreParameters
from .ports import (
    activation_beats,
    psum_beats,
    requantizer_beats,
    results_of,
    scale_beats,
    table_beats,
    weight_fields,
)
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
        self._cut(parameters, Gemm(parameters, operands))

    def _cut(self, core: LutCoreParameters, gemm: Gemm) -> None:
        parameters = self.core = core
        self.gemm = gemm
        self.rows, self.columns = self.gemm.rows, self.gemm.columns
        self.k = self.operands.codes.shape[1]
        tiles = -(-self.rows // parameters.M) * -(-self.gemm.streamed // parameters.N)
        self.operations = tiles * (1 if parameters.scales_groups else len(self.gemm.blocks))

    def golden(self, progress: Progress = lambda done, total: None) -> Array:
        total = len(self.gemm.blocks)
        return self.gemm.result(self.gemm.run(lambda done: progress(done, total)))

    def start(self) -> LutPass:
        return LutPass(self)

    @property
    def plane_beats(self) -> int:
        """Weight beats of the whole product, those of zero points included."""
        return sum(self._accumulations())

    @property
    def cycles(self) -> int | None:
        """Cycles of the product by :mod:`.cycles`; None where partial sums wait for results, which
        it does not model."""
        if any(block.chained for block in self.gemm.blocks):
            return None
        tables = self._in_order([block.steps.stop - block.steps.start
                                 for block in self.gemm.blocks])
        return accumulation_cycles(self.core, self._accumulations(), tables)

    def _accumulations(self) -> list[int]:
        """Weight beats of each accumulation, in order."""
        gemm = self.gemm
        return self._in_order([len(gemm.beats(block, slice(0, 1))) for block in gemm.blocks])

    def _in_order(self, beats: list[int]) -> list[int]:
        """What each block has, for all accumulations in their order."""
        p, gemm = self.core, self.gemm
        tiles = -(-self.rows // p.M) * -(-gemm.streamed // p.N)
        if p.scales_groups:
            return beats * tiles
        return [count for count in beats for _ in range(tiles)]

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
                "scale": x.scale is not None, "minimum": x.minimum is not None,
                "plane_beats": self.plane_beats, "cycle_model": self.cycles}


@dataclass(frozen=True)
class Tile:
    """One operation: a block of the reduction for M rows and N columns; with group scales all."""

    blocks: range
    rows: slice
    columns: slice


class LutPass(StreamPass):
    """The streams of a product, and its results."""

    def __init__(self, workload: LutWorkload) -> None:
        p, gemm = workload.core, workload.gemm
        self.p, self.gemm = p, gemm
        count = len(gemm.blocks)
        self.parts = [range(count)] if p.scales_groups else [range(i, i + 1) for i in range(count)]
        self.results = np.zeros((len(self.parts), gemm.rows, gemm.streamed), np.int64)
        self.finished = 0                           #: operations whose results are in
        self.words: list[int] = []                  #: result words of the operation under way
        self.psums: deque[Beat] = deque()
        self.tiles = [Tile(part, slice(m, m + p.M), slice(n, n + p.N)) for part in self.parts
                      for n in range(0, gemm.streamed, p.N) for m in range(0, gemm.rows, p.M)]
        self.per_part = len(self.tiles) // len(self.parts)
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
        if self.p.scales_groups or self.p.requantizes:
            streams["scale"] = self._scales()
        return streams

    def _tables(self) -> Iterator[Beat]:
        """Beats of the table (or activation) stream."""
        p = self.p
        made: dict[tuple[int, int], list[Beat]] = {}
        for tile in self.tiles:
            for block in tile.blocks:
                key = block, tile.rows.start
                if key not in made:
                    if not p.scales_groups and any(other != block for other, _ in made):
                        made.clear()
                    codes = self.gemm.activations(self.gemm.blocks[block], tile.rows)
                    spare = (0, p.M - len(codes))
                    codes = np.pad(codes, (spare, (0, 0)))
                    scale = self.gemm.row_scales(self.gemm.blocks[block], tile.rows)
                    if scale is not None:
                        scale = np.pad(scale, spare)
                    made[key] = table_beats(p, make_tables(codes, p)) \
                        if p.table_source == "external" else activation_beats(p, codes, scale=scale)
                yield from made[key]

    def _weights(self) -> Iterator[Beat | None]:
        """Beats of the weight stream. Waits where an operation adds to one not yet finished."""
        p = self.p
        made: dict[int, list[Beat]] = {}
        columns = -1
        for index, tile in enumerate(self.tiles):
            if self.chained:
                chained = self.gemm.blocks[tile.blocks.start].chained
                while chained and self.finished <= index - self.per_part:
                    yield None
                self.psums.extend(psum_beats(p, self._psum(tile) if chained else
                                             np.zeros((p.M, p.N), np.int64)))
            if columns != tile.columns.start:
                columns, made = tile.columns.start, {}
            for block in tile.blocks:
                if block not in made:
                    made = made if p.scales_groups else {}
                    made[block] = self._weight_beats(tile, block)
                yield from made[block]

    def _weight_beats(self, tile: Tile, block: int) -> list[Beat]:
        p, gemm = self.p, self.gemm
        part = gemm.beats(gemm.blocks[block], tile.columns)
        spare = p.N - part.patterns.shape[2]
        part = replace(part, patterns=np.pad(part.patterns, ((0, 0), (0, 0), (0, spare))))
        codes = Codes.ODD if gemm.scales is None else gemm.scales.codes
        return weight_fields(p, part, codes, block == tile.blocks[0], block == tile.blocks[-1])

    def _scales(self) -> Iterator[Beat]:
        """Beats of the scale stream."""
        p, gemm = self.p, self.gemm

        def padded(values: Array | None, columns: slice) -> Array | None:
            if values is None:
                return None
            part = values[columns]
            return np.pad(part, (0, p.N - len(part)))

        for tile in self.tiles:
            if gemm.requantizer is not None:
                yield from requantizer_beats(p, gemm.requantizer.of(tile.columns))
                continue
            for block in tile.blocks:
                _, scale, offset = gemm.group_scales(gemm.blocks[block])
                scales = padded(scale, tile.columns)
                assert scales is not None
                yield from scale_beats(p, scales, padded(offset, tile.columns))

    def _psum(self, tile: Tile) -> Array:
        """What the block before left for a tile, as partial sums (M, N)."""
        before = self.results[tile.blocks.start - 1, tile.rows, tile.columns]
        rows, columns = before.shape
        return np.pad(psum_codes(self.p, before),
                      ((0, self.p.M - rows), (0, self.p.N - columns)))

    def _partial_sums(self) -> Iterator[Beat | None]:
        while True:
            yield self.psums.popleft() if self.psums else None

    def take(self, beat: Beat) -> None:
        p = self.p
        self.words.append(beat["values"])
        complete = len(self.words) == p.drain_beats
        assert beat["last"] == complete, "result_last must mark the last beat of an operation"
        if complete:
            tile = self.tiles[self.finished]
            target = self.results[self.parts.index(tile.blocks), tile.rows, tile.columns]
            target[:] = results_of(p, self.words)[:target.shape[0], :target.shape[1]]
            self.words = []
            self.finished += 1

    def result(self) -> Array:
        return self.gemm.result(list(self.results))
