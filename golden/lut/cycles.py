"""Cycle model of the core, exact where nothing waits: tables and scales are there when they are
wanted, and results are taken when they are there.

A beat is read a cycle. The values of an accumulation leave their chains, one beat of output lanes a
cycle, from ``drain_start`` cycles after its last beat on. With one set of accumulators nothing is
read before they have left, with two no last beat.
"""

from __future__ import annotations

from collections.abc import Sequence

from .parameters import LutCoreParameters

__all__ = ["accumulation_cycles"]


def accumulation_cycles(p: LutCoreParameters, beats: Sequence[int]) -> int:
    """Cycles of accumulations back to back, from the first weight beat at the port to the last
    result; ``beats``: weight beats of each. With group scales the last one finishes an operation.
    """
    # a beat is read the cycle after it is at the port: weights or tables pass a register
    end, free = 0, 0
    for count in beats:
        end = max(end + count, free) if p.buffer == "double" else max(end, free - 1) + count
        free = end + p.drain_start + p.drain_beats
    return free + p.lane_stages[2]
