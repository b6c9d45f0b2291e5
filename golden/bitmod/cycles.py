"""Cycle model of the BitMoD tile and array (paper sections IV-B and IV-C), exact.

A tile holds rows x columns outputs (output-stationary) and works through the reduction axis
group by group. While a group runs, the sums of the group before are taken over, scaled and added
by an accumulator that some columns share, one row of one column a cycle; groups follow each other
without a bubble as long as a group takes at least ``group_spacing`` cycles. The results of an
operation leave the columns while the first group of the next one runs; that group waits with its
last term until they have left. An array is tile_rows x tile_columns such tiles; operands move one
tile a cycle, so the tile at (i, j) runs i + j cycles behind the first.

Operands are taken to be there when they are wanted, and results to be taken when they are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..timing import Timing
from .datatypes import DataType
from .parameters import BitmodMeshParameters

__all__ = ["LayerCycles", "group_interval", "layer_cycles", "operation_cycles",
           "operation_timing"]


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of one layer on a tile or array."""

    cycles: int           #: from the first term to the last result, both included
    busy: int             #: cycles in which the first tile's PEs take a term
    blocks: int           #: blocks of outputs, worked through one after the other
    macs: int             #: multiply-accumulates of the layer
    peak: float           #: multiply-accumulates a cycle that the design could do at this type

    @property
    def utilization(self) -> float:
        """Multiply-accumulates done over those possible in the same cycles."""
        return self.macs / (self.peak * self.cycles)


def group_interval(parameters: BitmodMeshParameters, dtype: DataType, size: int) -> int:
    """Cycles from the end of the group before to the end of a group of ``size`` weights."""
    return max(parameters.cycles(dtype, size), parameters.group_spacing)


def operation_cycles(parameters: BitmodMeshParameters,
                     operations: Sequence[Sequence[int]]) -> int:
    """Cycles of operations back to back, from the first term to the last result.

    ``operations``: for each the cycles of terms of its groups (``parameters.cycles``).
    """
    p = parameters
    end, spacing, free = -1, 0, 0
    for groups in operations:
        for number, cycles in enumerate(groups):
            end = max(end + cycles, end + spacing, free if number == 0 else 0)
            spacing = p.group_spacing
        free = end + p.output_start + p.output_beats
    return free + p.output_latency if operations else 0


def operation_timing(parameters: BitmodMeshParameters) -> Timing:
    """When the results of an operation come."""
    p = parameters
    return Timing(
        p.output_start + p.output_latency, 1,
        "cycle of the last term of an operation to its first result; a term of each weight a cycle",
        {"output_beats": p.output_beats, "group_spacing": p.group_spacing})


def layer_cycles(parameters: BitmodMeshParameters, dtype: DataType, m: int, n: int, k: int,
                 group_size: int) -> LayerCycles:
    """Cycles of ``m`` activation rows times a layer of ``n`` channels and ``k`` inputs.

    ``parameters`` of a tile, or of an array, whose tiles take neighbouring rows and channels.
    Ragged edges occupy a whole block; a short last group costs its own, shorter, time.
    """
    down, across = parameters.tiles
    rows, columns = parameters.rows * down, parameters.columns * across
    groups = [parameters.cycles(dtype, min(group_size, k - i)) for i in range(0, k, group_size)]
    blocks = -(-m // rows) * -(-n // columns)
    return LayerCycles(
        cycles=operation_cycles(parameters, [groups] * blocks), busy=blocks * sum(groups),
        blocks=blocks, macs=m * n * k, peak=rows * columns * parameters.lanes / dtype.terms)
