"""Cycle model of the BitMoD tile and array (paper sections IV-B and IV-C).

A tile holds rows x columns outputs (output-stationary) and works through the reduction axis
group by group. While a group runs, the sums of the group before are dequantised in all PEs at
once (one scale bit a cycle) and drained through the column's one accumulator (one row a cycle);
groups follow each other without a bubble as long as both take no longer than the group itself.
An array is tile_rows x tile_columns such tiles; operands move one tile a cycle, so the tile at
(i, j) runs i + j cycles behind the first, and only the last block of outputs pays for it.

The model counts what the schedule costs; registers on the way in and out add a constant
``latency``, which a design states.
"""

from __future__ import annotations

from dataclasses import dataclass

from .datatypes import DataType
from .parameters import BitmodArrayParameters, BitmodTileParameters

__all__ = ["LayerCycles", "group_interval", "layer_cycles"]


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of one layer on a tile or array."""

    cycles: int           #: from the first term to the last drained output
    busy: int             #: cycles in which the first tile's PEs take a term
    blocks: int           #: blocks of outputs, worked through one after the other
    macs: int             #: multiply-accumulates of the layer
    peak: float           #: multiply-accumulates a cycle that the design could do at this type

    @property
    def utilization(self) -> float:
        """Multiply-accumulates done over those possible in the same cycles."""
        return self.macs / (self.peak * self.cycles)


def group_interval(parameters: BitmodTileParameters, dtype: DataType, size: int) -> int:
    """Cycles from the start of a group of ``size`` weights to the start of the next."""
    return max(parameters.cycles(dtype, size), parameters.dequant_cycles, parameters.rows)


def layer_cycles(parameters: BitmodTileParameters, dtype: DataType, m: int, n: int, k: int,
                 group_size: int, latency: int = 0) -> LayerCycles:
    """Cycles of ``m`` activation rows times a layer of ``n`` channels and ``k`` inputs.

    ``parameters`` of a tile, or of an array, whose tiles take neighbouring rows and channels.
    Ragged edges occupy a whole block; a short last group costs its own, shorter, time.
    """
    across = down = 1
    if isinstance(parameters, BitmodArrayParameters):
        down, across = parameters.tile_rows, parameters.tile_columns
    rows, columns = parameters.rows * down, parameters.columns * across
    sizes = [min(group_size, k - i) for i in range(0, k, group_size)]
    blocks = -(-m // rows) * -(-n // columns)
    intervals = [group_interval(parameters, dtype, size) for size in sizes]
    block = sum(intervals)
    # after the last group its sums are still dequantised and drained
    last = parameters.cycles(dtype, sizes[-1]) - intervals[-1] \
        + parameters.dequant_cycles + parameters.rows
    skew = down - 1 + across - 1
    return LayerCycles(
        cycles=blocks * block + last + skew + latency,
        busy=blocks * sum(parameters.cycles(dtype, size) for size in sizes),
        blocks=blocks, macs=m * n * k,
        peak=rows * columns * parameters.lanes / dtype.terms)
