"""The tiles of a design and what feeds them: term generators above, activations from the left.

Operands reach the first tile of a row or column ``read_latency`` cycles after the sequencer has
decided, and tile (i, j) i + j cycles later: the decision travels right along the term generators
and down along the activations, one tile a cycle, so operands wait nowhere. Row-aligned activations
are made here, once for all columns; the operand registers of the first tile hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Value

from lowbit.golden.bitmod.pe_parameters import BitmodTermGeneratorParameters
from lowbit.golden.bitmod.tile_parameters import BitmodMeshParameters
from lowbit.golden.formats import FP16

from ..common.adders import Adders
from ..common.aligner import Aligner
from ..common.pipeline import delayed
from ..common.shared import Shared
from ..fabric.grid import connect_neighbours
from ..fabric.skew import skewed
from .row_flags import RowFlags
from .streams import activation_layout, group_layout, weight_layout
from .term_generator import SpecialValues, TermLanes, shared_significance
from .tile_datapath import TileDatapath

__all__ = ["ColumnOperands", "Mesh", "RowOperands", "mesh"]


@dataclass(frozen=True)
class ColumnOperands:
    """Operands of a tile column in the cycle of its step: weight codes and group data."""

    codes: Value
    selectors: Value
    scales: Value


@dataclass(frozen=True)
class RowOperands:
    """Operands of a tile row in the cycle of its step: FP16 codes, and with row alignment the
    exponents of the rows in their group."""

    activations: Value
    exponents: Value | None = None


@dataclass(frozen=True)
class Mesh:
    """Where results come from: the ``tiles`` ([row][column]), and of each tile row which of its
    rows are ``invalid`` and, where exponents are given, ``clipped``."""

    tiles: list[list[Any]]
    invalid: list[Value]
    clipped: list[Value]


def mesh(m: Module, p: BitmodMeshParameters, step: Any, special: SpecialValues,
         rows: Sequence[RowOperands], columns: Sequence[ColumnOperands]) -> Mesh:
    """The tiles of a design, added to ``m``.

    ``step`` of the sequencer; ``rows`` and ``columns``: the operands of each tile row and
    column, in the cycle of their step.
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
    feed = _feed_aligned_row if p.align == "row" else _feed_row
    flags = [feed(m, p, i, row_steps[i], operands, tiles[i][0])
             for i, operands in enumerate(rows)]
    for i, row in enumerate(tiles):
        for j, tile in enumerate(row):
            m.submodules[f"core_{i}_{j}"] = tile
    right = ("activations", "exponents") if p.align == "row" else ("activations",)
    connect_neighbours(m, tiles, right=right, down=("terms", "scales", "beat"))
    return Mesh(tiles, [row["invalid"] for row in flags],
                [row["clipped"] for row in flags if "clipped" in row])


def _feed_row(m: Module, p: BitmodMeshParameters, i: int, step: Any, operands: RowOperands,
              tile: Any) -> dict[str, Value]:
    """Activations of a tile row into its first ``tile``, as they are; returns the row flags."""
    rows = activation_layout(p.tile)["values"].shape(operands.activations)[0]
    special = [Cat(code[FP16.mbits:-1].all() for code in row).any() for row in rows]
    m.d.comb += tile.activations_in.eq(operands.activations)
    return _flags(m, p, i, step, {"invalid": special})


def _feed_aligned_row(m: Module, p: BitmodMeshParameters, i: int, step: Any,
                      operands: RowOperands, tile: Any) -> dict[str, Value]:
    """The same with an aligner a lane of each row: integers at the exponents of the rows."""
    assert operands.exponents is not None
    rows = activation_layout(p.tile)["values"].shape(operands.activations)[0]
    words, invalid, clipped = [], [], []
    for r, row in enumerate(rows):
        exponent = operands.exponents.word_select(r, FP16.ebits)
        lanes = []
        for lane, code in enumerate(row):
            aligner = Shared(Aligner(FP16, p.align_bits, adders=Adders(p.adder),
                                     clips=not p.scans), "bitmod_aligner")
            m.submodules[f"aligner_{i}_{r}_{lane}"] = aligner
            m.d.comb += [aligner.code.eq(code), aligner.top.eq(exponent)]
            words.append(Cat(aligner.magnitude, aligner.negative))
            lanes.append(aligner)
        invalid.append(~Cat(lane.finite for lane in lanes).all())
        if not p.scans:
            clipped.append(Cat(lane.clipped for lane in lanes).any())
    m.d.comb += [tile.activations_in.eq(Cat(words)), tile.exponents_in.eq(operands.exponents)]
    # an exponent that was found is the largest: nothing is cut to it
    flags = {"invalid": invalid} | ({} if p.scans else {"clipped": clipped})
    return _flags(m, p, i, step, flags)


def _flags(m: Module, p: BitmodMeshParameters, i: int, step: Any,
           rows: dict[str, list[Value]]) -> dict[str, Value]:
    """What is known of the rows of an operation, by name: any of the flags of its cycles."""
    held = {}
    for name, flags in rows.items():
        m.submodules[f"{name}_rows_{i}"] = part = Shared(RowFlags(p.tile), "bitmod_row_flags")
        m.d.comb += [part.flags.eq(Cat(flags)), part.enable.eq(step.enable),
                     part.begins.eq(step.begins), part.ends.eq(step.ends)]
        held[name] = part.held
    return held


def _feed_column(m: Module, p: BitmodMeshParameters, j: int, step: Any, special: Value,
                 operands: ColumnOperands, tile: Any) -> None:
    """Terms of a tile column and what goes with them, into its first ``tile``."""
    generator = BitmodTermGeneratorParameters(lanes=p.lanes, flint=p.flint, olive=p.olive)
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
        terms.append(Cat(lanes.terms, lanes.wide) if p.olive else lanes.terms)
    beat = tile.beat_in
    m.d.comb += [
        tile.terms_in.eq(Cat(terms)),
        tile.scales_in.eq(operands.scales),
        beat.enable.eq(step.enable), beat.first.eq(step.first), beat.last.eq(step.last),
        beat.fresh.eq(step.fresh),
        beat.bsig.eq(shared_significance(step.lines, step.floating))]
    if p.align == "row":
        m.d.comb += beat.floating.eq(step.floating)
