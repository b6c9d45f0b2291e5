"""Elements of the weight-stationary array, what they are connected to, and the way out.

Weights come into use with the vector that they belong to: element (i, j) takes them i + j steps
after the first one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Value

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.shared import Shared
from ..fabric.grid import connect_neighbours
from ..fabric.skew import skewed
from .lane import OutputLane
from .lane_flow import LaneFlow
from .products import segments
from .weight_pe import WeightPe

__all__ = ["WeightGrid", "weight_grid", "weight_lanes"]


@dataclass(frozen=True)
class WeightGrid:
    """The elements [row][column], and ``swaps``: the ``swap`` of the first one so many steps
    later."""

    rows: list[list[Shared]]
    swaps: list[Value]


def weight_grid(m: Module, p: SystolicParameters, activations: Sequence[Value],
                weights: Sequence[Value], move: Value, load: Value, swap: Value) -> WeightGrid:
    """The elements; ``activations`` of each row and ``weights`` of each column, as they enter."""
    grid = [[Shared(WeightPe(p), "systolic_pe") for _ in range(p.C)] for _ in range(p.R)]
    # a mesh passes on what belongs to its last column
    count = max(p.R + p.C - 1, p.C + 1 if p.mesh else 0)
    swaps = skewed(m, swap, count, "swap", enable=move, reset=True)
    for i, line in enumerate(grid):
        m.d.comb += line[0].activation_in.eq(activations[i])
        for j, pe in enumerate(line):
            m.submodules[f"pe_{i}_{j}"] = pe
            m.d.comb += [pe.move.eq(move), pe.load.eq(load), pe.swap.eq(swaps[i + j])]
    connect_neighbours(m, grid, right=("activation",), down=("weight", "sum"))
    for pe, word in zip(grid[0], weights, strict=True):
        m.d.comb += [pe.weight_in.eq(word), pe.sum_in.eq(Const(0, segments(p).value_bits))]
    return WeightGrid(grid, swaps)


def weight_lanes(m: Module, p: SystolicParameters, values: Sequence[Value],
                 psums: Sequence[Value], flow: LaneFlow) -> list[Shared]:
    """The lane of each column between the ``values`` of its last element and its results."""
    lanes: list[Shared] = []
    for j, (value, psum) in enumerate(zip(values, psums, strict=True)):
        m.submodules[f"lane_{j}"] = lane = Shared(OutputLane(p), "systolic_lane")
        m.d.comb += [lane.value.eq(value), lane.psum.eq(psum),
                     lane.correction.eq(Const(-p.R * p.beat_offset, p.acc_bits))]
        flow.connect(m, p, lane, j)
        lanes.append(lane)
    return lanes
