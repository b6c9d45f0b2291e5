"""The tiles of a design and what feeds them: term generators above, activations from the left.

Operands reach the first tile of a row or column ``read_latency`` cycles after the sequencer has
decided, and tile (i, j) i + j cycles later: the decision travels right along the term generators
and down along the activations, one tile a cycle, so operands wait nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from amaranth.hdl import Cat, Module, Value

from lowbit.golden.bitmod.parameters import BitmodMeshParameters, BitmodTermGeneratorParameters

from ..common.pipeline import delayed
from ..common.shared import Shared
from ..fabric.grid import connect_neighbours
from ..fabric.skew import skewed
from .finite import FiniteRows
from .streams import activation_layout, group_layout, weight_layout
from .term_generator import SpecialValues, TermLanes, shared_significance
from .tile_datapath import TileDatapath

__all__ = ["ColumnOperands", "Mesh", "mesh"]


@dataclass(frozen=True)
class ColumnOperands:
    """Operands of a tile column in the cycle of its step: weight codes and group data."""

    codes: Value
    selectors: Value
    scales: Value


@dataclass(frozen=True)
class Mesh:
    """Where results come from: the ``tiles`` ([row][column]), and of each tile row which of its
    rows are ``invalid``."""

    tiles: list[list[Any]]
    invalid: list[Value]


def mesh(m: Module, p: BitmodMeshParameters, step: Any, special: SpecialValues,
         rows: Sequence[Value], columns: Sequence[ColumnOperands]) -> Mesh:
    """The tiles of a design, added to ``m``.

    ``step`` of the sequencer; ``rows``: the activations of each tile row, and ``columns``: the
    operands of each tile column, both in the cycle of their step.
    """
    down, across = p.tiles
    step = delayed(m, step, p.read_latency, "step", reset=True)
    column_steps = skewed(m, step, across, "column_step", reset=True)
    row_steps = skewed(m, step, down, "row_step", reset=True)
    m.d.comb += special.second.eq(step.lines[1])
    special_terms = skewed(m, special.special, across, "special")

    tiles = [[Shared(TileDatapath(p.tile), "bitmod_core") for _ in columns] for _ in rows]
    for j, operands in enumerate(columns):
        _feed_column(m, p, j, column_steps[j], special_terms[j], operands, tiles[0][j])
    invalid = [_feed_row(m, p, i, row_steps[i], values, tiles[i][0])
               for i, values in enumerate(rows)]
    for i, row in enumerate(tiles):
        for j, tile in enumerate(row):
            m.submodules[f"core_{i}_{j}"] = tile
    connect_neighbours(m, tiles, right=("activations",), down=("terms", "scales", "beat"))
    return Mesh(tiles, invalid)


def _feed_row(m: Module, p: BitmodMeshParameters, i: int, step: Any, activations: Value,
              tile: Any) -> Value:
    """Activations of a tile row into its first ``tile``; returns which of its rows are invalid."""
    values = chain.from_iterable(activation_layout(p.tile)["values"].shape(activations)[0])
    m.submodules[f"finite_{i}"] = finite = Shared(FiniteRows(p.tile), "bitmod_finite")
    m.d.comb += [finite.exponents.eq(Cat(code[10:15] for code in values)),
                 finite.enable.eq(step.enable),
                 finite.begins.eq(step.begins), finite.ends.eq(step.ends),
                 tile.activations_in.eq(activations)]
    return finite.invalid


def _feed_column(m: Module, p: BitmodMeshParameters, j: int, step: Any, special: Value,
                 operands: ColumnOperands, tile: Any) -> None:
    """Terms of a tile column and what goes with them, into its first ``tile``."""
    generator = BitmodTermGeneratorParameters(lanes=p.lanes)
    codes = weight_layout(p.tile)["codes"].shape(operands.codes)[0]
    selectors = group_layout(p.tile)["selectors"].shape(operands.selectors)[0]
    terms = []
    for c in range(p.columns):
        m.submodules[f"encoder_{j}_{c}"] = lanes = Shared(TermLanes(generator), "bitmod_encoder")
        m.d.comb += [
            lanes.codes.eq(codes[c]),
            lanes.floating.eq(step.floating), lanes.lines.eq(step.lines),
            lanes.selector.eq(selectors[c]),
            lanes.special.eq(special)]
        terms.append(lanes.terms)
    beat = tile.beat_in
    m.d.comb += [
        tile.terms_in.eq(Cat(terms)),
        tile.scales_in.eq(operands.scales),
        beat.enable.eq(step.enable), beat.first.eq(step.first), beat.last.eq(step.last),
        beat.fresh.eq(step.fresh),
        beat.bsig.eq(shared_significance(step.lines, step.floating))]
