"""Elements of the output-stationary array, what they are connected to, and the way out.

All sums start in one cycle (``clear``) and are read in one cycle. As the elements do not stop,
every cycle adds the offset of the rows in offset form to every sum: that is one number for all of
them, counted here and subtracted in the lanes.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.pipeline import register
from ..common.shared import Shared
from ..fabric.grid import connect_neighbours
from .lane import OutputLane
from .lane_flow import LaneFlow
from .output_pe import OutputPe
from .products import segments

__all__ = ["Grid", "output_grid", "output_lanes"]

#: [row][column]
Grid = list[list[Shared]]


def output_grid(m: Module, p: SystolicParameters, activations: Sequence[Value],
                weights: Sequence[Value], clear: Value, shift: Value) -> Grid:
    """The elements; ``activations`` of each row and ``weights`` of each column, as they enter."""
    grid = [[Shared(OutputPe(p), "systolic_pe") for _ in range(p.C)] for _ in range(p.R)]
    for i, line in enumerate(grid):
        m.d.comb += line[0].activation_in.eq(activations[i])
        for j, pe in enumerate(line):
            m.submodules[f"pe_{i}_{j}"] = pe
            m.d.comb += pe.clear.eq(clear)
            if p.drain != "mux":
                below = grid[i + 1][j].value if i + 1 < p.R else Const(0, segments(p).value_bits)
                m.d.comb += [pe.shift.eq(shift), pe.chain.eq(below)]
    for j, word in enumerate(weights):
        if p.weights == "pass":
            m.d.comb += grid[0][j].weight_in.eq(word)
            continue
        held = register(m, word, f"column_weight_{j}")
        m.d.comb += [line[j].weight_in.eq(held) for line in grid]
    connect_neighbours(m, grid, right=("activation",),
                       down=("weight",) if p.weights == "pass" else ())
    return grid


def _heads(m: Module, p: SystolicParameters, grid: Grid, row: Value) -> list[Value]:
    """The values of the row that leaves, one a column."""
    if p.drain != "mux":
        return [pe.value for pe in grid[0]]
    bits = segments(p).value_bits
    selected = [Signal(name=f"selected_{i}") for i in range(p.R)]
    m.d.comb += [select.eq(row == i) for i, select in enumerate(selected)]
    heads: list[Value] = []
    for j in range(p.C):
        head = Signal(bits, name=f"head_{j}")
        words = [line[j].value & select.replicate(bits)
                 for line, select in zip(grid, selected, strict=True)]
        while len(words) > 1:       # a balanced OR
            words = [words[i] | words[i + 1] if i + 1 < len(words) else words[i]
                     for i in range(0, len(words), 2)]
        m.d.comb += head.eq(words[0])
        heads.append(head)
    return heads


def _correction(m: Module, p: SystolicParameters, clear: Value) -> Value:
    """Minus the offsets that the sums have gathered since they started."""
    low = (p.beat_offset & -p.beat_offset).bit_length() - 1
    count = Signal(p.acc_bits - low, name="correction", reset_less=True)
    m.d.sync += count.eq(Mux(clear, 0, count) - (p.beat_offset >> low))
    return Cat(Const(0, low), count)


def output_lanes(m: Module, p: SystolicParameters, grid: Grid, row: Value, clear: Value,
                 flow: LaneFlow) -> list[Value]:
    """Results of each column, ``p.lane_stages`` steps after ``row`` was there."""
    results: list[Value] = []
    correction = _correction(m, p, clear)
    for j, head in enumerate(_heads(m, p, grid, row)):
        m.submodules[f"lane_{j}"] = lane = Shared(OutputLane(p), "systolic_lane")
        m.d.comb += [lane.value.eq(head), lane.correction.eq(correction)]
        flow.connect(m, p, lane, j)
        results.append(lane.result)
    return results
