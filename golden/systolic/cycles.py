"""Cycle model of the array, exact where nothing waits: operands are there when they are wanted, and
results are taken when they are there."""

from __future__ import annotations

from collections.abc import Sequence

from .parameters import SystolicParameters

__all__ = ["operation_cycles", "vector_starts"]


def operation_cycles(p: SystolicParameters, beats: Sequence[int]) -> int:
    """Cycles of operations back to back, from the first operand or weight beat to the last result;
    ``beats``: operand beats (vectors) of each."""
    if p.dataflow == "os":
        # the next operation starts when the last row has left
        return sum(count - 1 + p.drain_start + p.R for count in beats) + p.lane_stages
    starts = vector_starts(p, beats)
    return starts[-1] + beats[-1] + p.result_latency


def vector_starts(p: SystolicParameters, vectors: Sequence[int]) -> list[int]:
    """Weight-stationary: the cycle of the first vector of each operation, the first weights
    coming in cycle 0; the last of an operation's weights comes in the cycle before, or earlier."""
    starts, loaded, free = [], p.R, 0       # when weights are there, and when vectors may start
    for count in vectors:
        starts.append(max(loaded, free))
        # the next weights come when the last element has taken these
        loaded = starts[-1] + p.R + p.C - 1 + p.R
        free = starts[-1] + count
    return starts
