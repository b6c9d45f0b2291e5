"""A whole GEMM through lut_core at full speed; its results go to a file, nothing is compared.

The plan names the operands (see generators/flow/gemm.py). Tiles of M rows and N columns go
through the core block by block, so that an operation that adds to an earlier one comes as late
after it as possible. Sources always have a beat, the sink is always ready.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from lowbit.generators.flow.gemm import load_operands
from lowbit.golden.lut.gemm import Gemm, psum_codes
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.ports import (
    activation_beats,
    psum_beats,
    results_of,
    table_beats,
    weight_fields,
)
from lowbit.golden.lut.table import make_tables
from lowbit.tb.benches.streams import Beat, Bench, Feed, load_plan

Array = NDArray[Any]

#: cycles in which nothing moves before the run is given up
IDLE_LIMIT = 4000


@dataclass(frozen=True)
class Tile:
    """One operation: a block of the reduction for M rows and N columns."""

    block: int
    rows: slice
    columns: slice


class Run:
    """The streams of a GEMM, and its results."""

    def __init__(self, p: LutCoreParameters, gemm: Gemm) -> None:
        self.p, self.gemm = p, gemm
        self.results = np.zeros((len(gemm.blocks), gemm.rows, gemm.columns), np.int64)
        self.finished = 0                           #: operations whose results are in
        self.words: list[int] = []                  #: result words of the operation under way
        self.psums: deque[Beat] = deque()
        self.tiles = [Tile(i, slice(m, m + p.M), slice(n, n + p.N))
                      for i in range(len(gemm.blocks))
                      for n in range(0, gemm.columns, p.N) for m in range(0, gemm.rows, p.M)]
        self.per_block = len(self.tiles) // len(gemm.blocks)
        self.chained = any(block.chained for block in gemm.blocks)

    def inputs(self) -> Iterator[Beat]:
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

    def weights(self) -> Iterator[Beat | None]:
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

    def partial_sums(self) -> Iterator[Beat | None]:
        while True:
            yield self.psums.popleft() if self.psums else None

    def take(self, word: int, last: int) -> None:
        """A result beat."""
        p = self.p
        self.words.append(word)
        complete = len(self.words) == p.M * p.N // p.out_lanes
        assert last == complete, "result_last must mark the last beat of an operation"
        if complete:
            tile = self.tiles[self.finished]
            target = self.results[tile.block, tile.rows, tile.columns]
            target[:] = results_of(p, self.words)[:target.shape[0], :target.shape[1]]
            self.words = []
            self.finished += 1


@cocotb.test()
async def stream(dut: Any) -> None:
    """Stream the GEMM, write its results."""
    plan = load_plan()
    p = LutCoreParameters(**plan["parameters"])
    run = Run(p, Gemm(p, load_operands(Path(plan["operands"]))))
    bench = Bench(dut)
    dut.result_ready.value = 1
    if p.preload:
        dut.psum_valid.value, dut.psum_values.value = int(not run.chained), 0
    await bench.reset()
    feeds = [Feed(dut, "weight", run.weights()),
             Feed(dut, "activation" if p.table_source == "internal" else "table", run.inputs())]
    if run.chained:
        feeds.append(Feed(dut, "psum", run.partial_sums()))

    edge, idle = RisingEdge(dut.clk), 0
    valid, values, last = dut.result_valid, dut.result_values, dut.result_last
    while run.finished < len(run.tiles):
        await edge      # reads give the values from before it, which are those that count
        idle += 1
        if int(valid.value):
            run.take(int(values.value), int(last.value))
            idle = 0
        for feed in feeds:
            if feed.step():
                idle = 0
        assert idle < IDLE_LIMIT, f"no stream moved for {IDLE_LIMIT} cycles"
        bench.cycles += 1
    np.save(plan["results"], run.results)
    bench.report(operations=len(run.tiles))
