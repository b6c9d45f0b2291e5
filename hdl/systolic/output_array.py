"""Output-stationary array behind streams: operands move right and down, the outputs stay.

Row i sees its activations i cycles later than row 0, column j its weights j cycles later: the two
operands of a product meet.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.pipeline import delayed
from ..fabric.elastic import Beat
from .lane_flow import lane_flow
from .operands import entering, gated
from .output_grid import output_grid, output_lanes

__all__ = ["output_array"]


def output_array(m: Module, p: SystolicParameters, operand: Beat, scale: Beat | None) -> Beat:
    """The array between its operands and its results; ``scale``: what they are scaled by."""
    take = Signal()
    idle = Signal(init=1)
    draining = Signal()
    moves = Signal()            # a row goes into the lanes
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

    flow, result = lane_flow(m, draining, last_row, scale)
    m.d.comb += moves.eq(draining & flow.step)
    values = output_lanes(m, p, grid, row, idle, flow)
    return Beat(result.valid, {"values": Cat(values), **result.fields}, result.ready)
