"""Cycle model of the array, exact where nothing waits: operands are there when they are wanted, and
results are taken when they are there."""

from __future__ import annotations

from collections.abc import Sequence

from .parameters import SystolicParameters

__all__ = ["operation_cycles"]


def operation_cycles(p: SystolicParameters, beats: Sequence[int]) -> int:
    """Cycles of operations back to back, from the first operand or weight beat to the last result;
    ``beats``: operand beats (vectors) of each."""
    if p.dataflow == "os":
        # the next operation starts when the last row has left
        drained, free = 0, 0        # when results of the next one may leave, and it may start
        for count in beats:
            drain = max(free + count - 1 + p.drain_start, drained)
            free = drain + p.R
            # to be scaled otherwise, they wait until the last ones before are out
            drained = free + p.lane_stages if p.requantizes else 0
        return free + p.lane_stages
    loaded, free = p.R, 0       # when weights are there, and when vectors may start
    for count in beats:
        start = max(loaded, free)
        # the next weights come when the last element has taken these
        loaded = start + p.R + p.C - 1 + p.R
        free = start + count
    return free + p.result_latency
