"""Weight-stationary array: a tile of weights stays, activations move right and sums down.

Row i sees the activations of a vector i steps after row 0, as the sums come down; the results of
column j are whole j steps after those of column 0, and wait for the last column. The whole array
steps on or stops: it stops where a result is not taken, or its partial sums are not there.

The weights of the next tile move down, beside those in use, while these work; the first vector of
an operation brings them into use as it passes.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.pipeline import delayed
from ..common.shared import Shared
from ..fabric.elastic import Beat, backward
from ..fabric.grid import connect_neighbours
from ..fabric.skew import skewed
from .lane import OutputLane
from .operands import entering, gated
from .products import segments
from .weight_pe import WeightPe

__all__ = ["weight_array"]


def weight_array(m: Module, p: SystolicParameters, weight: Beat, activation: Beat,
                 psum: Beat) -> Beat:
    """The array between its streams and its results."""
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
    grid = _grid(m, p, weight, vector, take, move, load, swap)
    depth = p.R + p.C
    whole = delayed(m, take, depth, "whole", enable=move, reset=True)
    last = delayed(m, vector["last"], depth, "last", enable=move)

    valid = Signal(name="result_there")
    leave = Signal()
    m.d.comb += partial.ready.eq(whole & leave)
    values: list[Value] = []
    for j in range(p.C):
        m.submodules[f"lane_{j}"] = lane = Shared(OutputLane(p), "systolic_lane")
        value = delayed(m, grid[-1][j].sum_out, p.C - 1 - j, f"sum_{j}", enable=move)
        m.d.comb += [lane.enable.eq(move), lane.value.eq(value),
                     lane.correction.eq(Const(-p.R * p.beat_offset, p.acc_bits)),
                     lane.psum.eq(partial["values"][j])]
        values.append(lane.result)
    ends = Signal(name="result_ends", reset_less=True)
    beat = Beat(valid, {"values": Cat(values), "last": ends}, Signal(name="result_taken"))
    m.d.comb += [leave.eq(~valid | beat.ready), move.eq(leave & (partial.valid | ~whole))]
    with m.If(move):
        m.d.sync += [valid.eq(whole), ends.eq(last)]
    with m.Elif(leave):
        m.d.sync += valid.eq(0)
    return beat


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


def _grid(m: Module, p: SystolicParameters, weight: Beat, vector: Beat, take: Value, move: Value,
          load: Value, swap: Value) -> list[list[Shared]]:
    """The elements and what enters them."""
    grid = [[Shared(WeightPe(p), "systolic_pe") for _ in range(p.C)] for _ in range(p.R)]
    swaps = skewed(m, swap, p.R + p.C - 1, "swap", enable=move, reset=True)
    for i, line in enumerate(grid):
        for j, pe in enumerate(line):
            m.submodules[f"pe_{i}_{j}"] = pe
            m.d.comb += [pe.move.eq(move), pe.load.eq(load), pe.swap.eq(swaps[i + j])]
    connect_neighbours(m, grid, right=("activation",), down=("weight", "sum"))
    for i, line in enumerate(grid):
        word = gated(p, vector["values"][i].as_value(), take)
        m.d.comb += line[0].activation_in.eq(
            delayed(m, word, i, f"activation_{i}", enable=move))
    for j, pe in enumerate(grid[0]):
        word = entering(m, p, j, weight["weights"][j].as_value())
        m.d.comb += [pe.weight_in.eq(word), pe.sum_in.eq(Const(0, segments(p).value_bits))]
    return grid
