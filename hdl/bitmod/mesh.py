"""What a tile and an array have in common: sequencer, encoders, tiles, and the way out.

Operands reach the first tile of a row or column ``read_latency`` cycles after the sequencer has
decided, and tile (i, j) i + j cycles later: the decision travels right along the encoders and
down along the activations, one tile a cycle, so operands wait nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

from amaranth.hdl import Array, Cat, Module, Signal, Value
from amaranth.lib import data

from lowbit.golden.bitmod.parameters import BitmodEncoderParameters, BitmodMeshParameters

from ..common.delay import delayed
from ..common.unit import Unit
from ..fabric.elastic import backward, of_port
from .core import BitmodCore
from .encoder import SpecialValues, TermLanes, shared_significance
from .output import FiniteRows, OutputLane
from .sequencer import Drain, Sequencer
from .streams import activation_layout, group_layout, weight_layout

__all__ = ["Mesh", "RowOperands", "ColumnOperands"]


@dataclass
class ColumnOperands:
    """Operands of a tile column in the cycle of its step: weight codes and group data."""

    codes: Value
    selectors: Value
    scales: Value


@dataclass
class RowOperands:
    """Activations of a tile row in the cycle of its step."""

    values: Value


class Mesh:
    """Parts of a design of ``p.tiles``, added to the module ``m``.

    First :attr:`sequencer` is there to be connected, then :meth:`connect` takes the operands of
    each tile row and column, then :meth:`results` connects the way out.
    """

    def __init__(self, m: Module, p: BitmodMeshParameters) -> None:
        self.m, self.p = m, p
        self.down, self.across = down, across = p.tiles
        self.sequencer = Sequencer(p)
        m.submodules.sequencer = self.sequencer
        step: data.View[Any] = self.sequencer.step
        base = delayed(m, step, p.read_latency, "step")
        #: the step as each tile column and row sees it, one cycle after the one before
        self.column_steps = [base]
        for j in range(1, across):
            self.column_steps.append(delayed(m, self.column_steps[-1], 1, f"column_step_{j}"))
        self.row_steps = [base]
        for i in range(1, down):
            self.row_steps.append(delayed(m, self.row_steps[-1], 1, f"row_step_{i}"))

    def special_values(self, write: Value, index: Value, value: Value) -> None:
        """The register file of special values: one for the whole design."""
        m = self.m
        m.submodules.special_values = self.special = file = SpecialValues()
        m.d.comb += [file.sv_write.eq(write), file.sv_index.eq(index), file.sv_value.eq(value)]

    def connect(self, rows: list[RowOperands], columns: list[ColumnOperands]) -> None:
        m, p = self.m, self.p
        cores = [[Unit(BitmodCore(p.tile), "bitmod_core") for _ in columns] for _ in rows]
        for j, (step, operands) in enumerate(zip(self.column_steps, columns, strict=True)):
            self._encode(cores[0][j], j, step, operands)
        self.invalid: list[Value] = []
        for i, (step, row) in enumerate(zip(self.row_steps, rows, strict=True)):
            # laid out as for a single tile
            values = chain.from_iterable(activation_layout(p.tile)["values"].shape(row.values)[0])
            m.submodules[f"finite_{i}"] = finite = Unit(FiniteRows(p.tile), "bitmod_finite")
            m.d.comb += [finite.exponents.eq(Cat(code[10:15] for code in values)),
                         finite.enable.eq(step.enable),
                         finite.begins.eq(step.begins), finite.ends.eq(step.ends),
                         cores[i][0].activations_in.eq(row.values)]
            self.invalid.append(finite.invalid)
        for i in range(self.down):
            for j in range(self.across):
                m.submodules[f"core_{i}_{j}"] = core = cores[i][j]
                if j:
                    m.d.comb += core.activations_in.eq(cores[i][j - 1].activations_out)
                if i:
                    above = cores[i - 1][j]
                    m.d.comb += [core.terms_in.eq(above.terms_out),
                                 core.scales_in.eq(above.scales_out),
                                 core.beat_in.eq(above.beat_out)]
        self.cores = cores

    def _encode(self, core: Any, j: int, step: Any, operands: ColumnOperands) -> None:
        """Terms of a tile column and what goes with them, into its first tile."""
        m, p = self.m, self.p
        special = self._special_terms(j, step)
        encoder = BitmodEncoderParameters(lanes=p.lanes)
        # laid out as for a single tile
        codes = weight_layout(p.tile)["codes"].shape(operands.codes)[0]
        selectors = group_layout(p.tile)["selectors"].shape(operands.selectors)[0]
        terms = []
        for c in range(p.columns):
            m.submodules[f"encoder_{j}_{c}"] = lanes = Unit(TermLanes(encoder), "bitmod_encoder")
            m.d.comb += [
                lanes.codes.eq(codes[c]),
                lanes.floating.eq(step.floating), lanes.lines.eq(step.lines),
                lanes.selector.eq(selectors[c]),
                lanes.special.eq(special)]
            terms.append(lanes.terms)
        beat = core.beat_in
        m.d.comb += [
            core.terms_in.eq(Cat(terms)),
            core.scales_in.eq(operands.scales),
            beat.enable.eq(step.enable), beat.first.eq(step.first), beat.last.eq(step.last),
            beat.fresh.eq(step.fresh),
            beat.bsig.eq(shared_significance(step.lines, step.floating))]

    def _special_terms(self, j: int, step: Any) -> Value:
        """Terms of the special values for this tile column's step."""
        if j == 0:
            self.m.d.comb += self.special.second.eq(step.lines[1])
            self.special_terms: Value = self.special.special
        else:
            self.special_terms = delayed(self.m, self.special_terms, 1, f"special_{j}",
                                         reset=False)
        return self.special_terms

    def results(self, result: Any, channel: Any) -> None:
        """Connect the ``result`` stream, and the ``channel`` stream unless it is None."""
        m, p = self.m, self.p
        m.submodules.drain = drain = Drain(p)
        m.d.comb += [drain.start.eq(self.sequencer.start), self.sequencer.left.eq(drain.left)]
        # one register at the port, that of the lanes
        held = Signal()
        held_last = Signal(reset_less=True)
        enable = Signal()
        m.d.comb += enable.eq(result.ready | ~held)
        with m.If(enable):
            m.d.sync += [held.eq(drain.advance), held_last.eq(drain.last)]
        if channel is None:
            m.d.comb += drain.enable.eq(enable)
        else:
            scales = backward(m, of_port(channel), "channel_beat")
            m.d.comb += [drain.enable.eq(enable & scales.valid),
                         scales.ready.eq(drain.advance & drain.set_ends)]
        words = []
        for i in range(self.down):
            invalid = Signal(name=f"invalid_{i}")
            m.d.comb += invalid.eq(Array(self.invalid[i])[drain.row])
            for j in range(self.across):
                core = self.cores[i][j]
                m.d.comb += [core.select.eq(drain.select), core.shift.eq(drain.advance)]
                for lane in range(p.out_columns):
                    m.submodules[f"lane_{i}_{j}_{lane}"] = out = Unit(OutputLane(p.tile),
                                                                      "bitmod_lane")
                    m.d.comb += [out.sum.eq(core.heads.word_select(lane, 32)),
                                 out.invalid.eq(invalid), out.enable.eq(enable)]
                    if channel is not None:
                        m.d.comb += out.scale.eq(scales["scales"][j][lane])
                    words.append(out.result)
        m.d.comb += [result.valid.eq(held), result.payload["values"].eq(Cat(words)),
                     result.payload.last.eq(held_last)]
