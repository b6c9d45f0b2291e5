"""Cycle model of the array, exact where nothing waits: operands are there when they are wanted, and
results are taken when they are there."""

from __future__ import annotations

from collections.abc import Sequence

from .parameters import SystolicParameters

__all__ = ["operation_cycles"]


def operation_cycles(p: SystolicParameters, beats: Sequence[int]) -> int:
    """Cycles of operations back to back, from the first operand beat to the last result; ``beats``:
    operand beats of each."""
    # the next operation starts when the last row has left
    return sum(count - 1 + p.drain_start + p.R for count in beats) + 1
