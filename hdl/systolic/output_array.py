"""Output-stationary array behind streams: operands move right and down, the outputs stay.

Row i sees its activations i cycles later than row 0, column j its weights j cycles later: the two
operands of a product meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.pipeline import delayed
from ..fabric.elastic import Beat, backward
from .operands import entering, gated
from .output_grid import output_grid, output_lanes

__all__ = ["output_array"]


def output_array(m: Module, p: SystolicParameters, operand: Beat, scale: Beat | None) -> Beat:
    """The array between its operands and its results; ``scale``: what they are scaled by."""
    take = Signal()
    idle = Signal(init=1)
    draining = Signal()
    leave = Signal()            # the lanes step on
    moves = Signal()            # and a row goes into them
    is_open = Signal(name="open")
    m.d.comb += [take.eq(operand.valid & is_open), operand.ready.eq(is_open)]
    activations = [delayed(m, gated(p, operand["activations"][i].as_value(), take),
                           p.row_delay(i), f"activation_{i}") for i in range(p.R)]
    weights = [entering(m, p, j, delayed(m, operand["weights"][j].as_value(), j, f"weight_{j}"))
               for j in range(p.C)]
    grid = output_grid(m, p, activations, weights, idle, moves)

    # after a reset too: until what was on its way through the elements has gone
    waiting = Signal(range(p.R + p.C + 1), init=p.R + p.C)
    row = Signal(range(p.R))
    last_row = Signal()
    m.d.comb += last_row.eq(row == p.R - 1)
    with m.If(waiting != 0):
        m.d.sync += waiting.eq(waiting - 1)
        with m.If((waiting == 1) & ~idle):
            m.d.sync += draining.eq(1)
    with m.If((waiting == 1) & idle):
        m.d.sync += is_open.eq(1)
    with m.If(take):
        m.d.sync += idle.eq(0)
        with m.If(operand["last"]):
            m.d.sync += [is_open.eq(0), waiting.eq(p.drain_start - 1)]
    with m.If(moves):
        m.d.sync += row.eq(row + 1)
        with m.If(last_row):
            m.d.sync += [row.eq(0), draining.eq(0), idle.eq(1), is_open.eq(1)]

    stages = p.lane_stages
    entering_lanes = Signal()
    valid = delayed(m, entering_lanes, stages, "valid", enable=leave, reset=True)
    last = delayed(m, last_row, stages, "last", enable=leave)
    taken = Signal()
    ends = Signal()
    m.d.comb += [leave.eq(~valid | taken), ends.eq(valid & taken & last)]
    scales = _scales(m, scale, moves & last_row, ends)
    m.d.comb += [entering_lanes.eq(draining & scales.there), moves.eq(entering_lanes & leave)]
    values = output_lanes(m, p, grid, row, idle, leave, scales.by_name)
    return Beat(valid, {"values": Cat(values), "last": last}, taken)


@dataclass(frozen=True)
class _Scales:
    """What the results of an operation are scaled by, if they are: ``there`` while they may."""

    there: Value
    by_name: Mapping[str, Any]


def _scales(m: Module, scale: Beat | None, last_enters: Value, ends: Value) -> _Scales:
    """Held at its port from before an operation's first result enters the lanes until the last one
    is out; results of the next operation wait for it."""
    if scale is None:
        return _Scales(Const(1, 1), {})
    held = backward(m, scale, "scale_held")
    emptying = Signal()
    with m.If(last_enters):
        m.d.sync += emptying.eq(1)
    with m.Elif(ends):
        m.d.sync += emptying.eq(0)
    m.d.comb += held.ready.eq(ends)
    return _Scales(held.valid & ~emptying, held.fields)
