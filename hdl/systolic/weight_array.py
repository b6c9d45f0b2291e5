"""Weight-stationary array: a tile of weights stays, activations move right and sums down.

Row i sees the activations of a vector i steps after row 0, as the sums come down; the results of
column j are whole j steps after those of column 0, and wait for the last column. The whole array
steps on or stops: it stops where a result is not taken, or its partial sums are not there.

The weights of the next tile move down, beside those in use, while these work; the first vector of
an operation brings them into use as it passes.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.pipeline import delayed
from ..fabric.elastic import Beat, backward
from .lane_flow import lane_flow
from .operands import entering, gated
from .weight_grid import weight_grid, weight_lanes

__all__ = ["weight_array"]


def weight_array(m: Module, p: SystolicParameters, weight: Beat, activation: Beat,
                 psum: Beat, scale: Beat | None) -> Beat:
    """The array between its streams and its results; ``scale``: what they are scaled by."""
    # registers of their own keep the handshakes apart
    vector, partial = backward(m, activation, "vector"), backward(m, psum, "partial")
    take = Signal()
    move = Signal()
    full = Signal()             # the next weights are there
    fresh = Signal(init=1)      # the next vector is the first of an operation
    m.d.comb += [vector.ready.eq(move & (full | ~fresh)), take.eq(vector.valid & vector.ready)]
    with m.If(take):
        m.d.sync += fresh.eq(vector["last"])

    load, swap = _load_control(m, p, weight, take & fresh, move, full)
    activations = [delayed(m, gated(p, vector["values"][i].as_value(), take), i, f"activation_{i}",
                           enable=move) for i in range(p.R)]
    weights = [entering(m, p, j, weight["weights"][j].as_value()) for j in range(p.C)]
    grid = weight_grid(m, p, activations, weights, move, load, swap)
    depth = p.R + p.C
    whole = delayed(m, take, depth, "whole", enable=move, reset=True)
    last = delayed(m, vector["last"], depth, "last_whole", enable=move)

    enters = Signal()
    m.d.comb += enters.eq(whole & partial.valid)
    flow, result = lane_flow(m, enters, last, scale)
    m.d.comb += [move.eq(flow.step & (partial.valid | ~whole)), partial.ready.eq(whole & flow.step)]
    values = [delayed(m, pe.sum_out, p.C - 1 - j, f"sum_{j}", enable=move)
              for j, pe in enumerate(grid.rows[-1])]
    lanes = weight_lanes(m, p, values, list(partial["values"]), flow)
    fields: dict[str, Value] = {"values": Cat(lane.result for lane in lanes)}
    if p.gives_sums:
        fields["sums"] = Cat(lane.sum for lane in lanes)
    return Beat(result.valid, fields | dict(result.fields), result.ready)


def _load_control(m: Module, p: SystolicParameters, weight: Beat, start: Value, move: Value,
                  full: Signal) -> tuple[Signal, Signal]:
    """When weights step on, and when they come into use at the first element."""
    load = Signal()
    swap = Signal()
    is_open = Signal(name="open")
    row = Signal(range(p.R))
    passing = Signal(range(p.R + p.C))
    m.d.sync += is_open.eq(1)
    m.d.comb += [weight.ready.eq(is_open & ~full & (passing == 0)), swap.eq(start),
                 load.eq(weight.valid & weight.ready)]
    with m.If(load):
        m.d.sync += row.eq(row + 1)
        with m.If(row == p.R - 1):
            m.d.sync += [row.eq(0), full.eq(1)]
    # the next weights wait until all elements have taken these
    with m.If(swap):
        m.d.sync += [full.eq(0), passing.eq(p.R + p.C - 2)]
    with m.Elif((passing != 0) & move):
        m.d.sync += passing.eq(passing - 1)
    return load, swap
