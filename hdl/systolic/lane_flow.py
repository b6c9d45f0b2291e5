"""How values step through the output lanes, and where their scales meet them.

Lanes have two parts that may wait: the first register, in which a sum waits for the scales of its
operation, and behind it the requantiser, from which results leave. What is behind does not wait for
scales that belong to values before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Const, Module, Signal, Value

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.pipeline import delayed
from ..common.requantize import Requantize
from ..fabric.elastic import Beat, backward
from .lane import OutputLane

__all__ = ["LaneFlow", "free_flow", "lane_flow"]


@dataclass(frozen=True)
class LaneFlow:
    """What the lanes of all columns have in common.

    ``step``: the first registers take a value; ``leave``: requantisers step on; ``scales``: by
    name, what they scale by, an element a column.
    """

    step: Value
    leave: Value
    scales: Mapping[str, Any]

    def connect(self, m: Module, p: SystolicParameters, lane: OutputLane, column: int) -> None:
        """Drive a lane's inputs, all but values."""
        m.d.comb += lane.enable.eq(self.step)
        if p.requantizes:
            m.d.comb += [lane.scaling.eq(self.leave),
                         *(getattr(lane, name).eq(of_all[column])
                           for name, of_all in self.scales.items())]


def free_flow() -> LaneFlow:
    """Lanes of sums that never wait."""
    return LaneFlow(Const(1, 1), Const(1, 1), {})


def lane_flow(m: Module, enters: Value, last: Value, scale: Beat | None) -> tuple[LaneFlow, Beat]:
    """Lanes that a value ``enters`` in a ``step``; ``last``: it is the last one of its operation.
    ``scale``: what its results are scaled by, a beat an operation, if they are. And the stream of
    the results, in which the lanes' own fields are missing."""
    leave = Signal()
    taken = Signal(name="result_taken")
    if scale is None:
        valid = delayed(m, enters, 1, "valid", enable=leave, reset=True)
        ends = delayed(m, last, 1, "last", enable=leave)
        m.d.comb += leave.eq(~valid | taken)
        return LaneFlow(leave, leave, {}), Beat(valid, {"last": ends}, taken)
    held = backward(m, scale, "scale_held")
    step = Signal()
    there = delayed(m, enters, 1, "sum_there", enable=step, reset=True)
    ends = delayed(m, last, 1, "sum_ends", enable=step)
    scaled = Signal()
    m.d.comb += [scaled.eq(there & held.valid), step.eq(leave & (held.valid | ~there)),
                 held.ready.eq(scaled & leave & ends)]
    valid = delayed(m, scaled, Requantize.STAGES, "valid", enable=leave, reset=True)
    ends = delayed(m, ends, Requantize.STAGES, "last", enable=leave)
    m.d.comb += leave.eq(~valid | taken)
    return LaneFlow(step, leave, held.fields), Beat(valid, {"last": ends}, taken)
