"""Output-stationary array: operands move right and down, the outputs stay until they are whole.

Row i sees its activations i cycles later than row 0, column j its weights j cycles later: the two
operands of a product meet. As the elements do not stop, every cycle adds the offset of the rows in
offset form to every sum; all sums start in one cycle and are read in one cycle, so that is one
number for all of them, counted here and subtracted in the lanes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.pipeline import delayed
from ..common.shared import Shared
from ..fabric.elastic import Beat, backward
from ..fabric.grid import connect_neighbours
from .lane import OutputLane
from .operands import entering, gated
from .output_pe import OutputPe
from .products import segments

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
    grid = _grid(m, p, take, operand)
    row = Signal(range(p.R))
    for line in grid:
        for pe in line:
            m.d.comb += pe.clear.eq(idle)
            if p.drain != "mux":
                m.d.comb += pe.shift.eq(moves)
    heads = _heads(m, p, grid, row)

    # after a reset too: until what was on its way through the elements has gone
    waiting = Signal(range(p.R + p.C + 1), init=p.R + p.C)
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
    entering = Signal()
    valid = delayed(m, entering, stages, "valid", enable=leave, reset=True)
    last = delayed(m, last_row, stages, "last", enable=leave)
    taken = Signal()
    ends = Signal()
    m.d.comb += [leave.eq(~valid | taken), ends.eq(valid & taken & last)]
    scales = _scales(m, scale, entering & leave & last_row, ends)
    m.d.comb += [entering.eq(draining & scales.there), moves.eq(entering & leave)]
    values = _lanes(m, p, heads, leave, _correction(m, p, idle), scales.by_name)
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


def _grid(m: Module, p: SystolicParameters, take: Value,
          operand: Beat) -> list[list[Shared]]:
    """The elements and what enters them, skewed; zeros in cycles without operands."""
    grid = [[Shared(OutputPe(p), "systolic_pe") for _ in range(p.C)] for _ in range(p.R)]
    for i, line in enumerate(grid):
        for j, pe in enumerate(line):
            m.submodules[f"pe_{i}_{j}"] = pe
    connect_neighbours(m, grid, right=("activation",), down=("weight",))
    for i, line in enumerate(grid):
        word = gated(p, operand["activations"][i].as_value(), take)
        m.d.comb += line[0].activation_in.eq(delayed(m, word, i, f"activation_{i}"))
    for j, pe in enumerate(grid[0]):
        word = delayed(m, operand["weights"][j].as_value(), j, f"weight_{j}")
        m.d.comb += pe.weight_in.eq(entering(m, p, j, word))
    return grid


def _heads(m: Module, p: SystolicParameters, grid: list[list[Shared]],
           row: Value) -> list[Value]:
    """The values of the row that leaves, one a column."""
    bits = segments(p).value_bits
    if p.drain != "mux":
        for line, below in zip(grid, [*grid[1:], None], strict=True):
            for j, pe in enumerate(line):
                m.d.comb += pe.chain.eq(below[j].value if below else Const(0, bits))
        return [pe.value for pe in grid[0]]
    selected = [Signal(name=f"selected_{i}") for i in range(p.R)]
    m.d.comb += [select.eq(row == i) for i, select in enumerate(selected)]
    heads: list[Value] = []
    for j in range(p.C):
        head = Signal(bits, name=f"head_{j}")
        words = [line[j].value & select.replicate(bits)
                 for line, select in zip(grid, selected, strict=True)]
        while len(words) > 1:       # a balanced OR
            words = [words[i] | words[i + 1] if i + 1 < len(words) else words[i]
                     for i in range(0, len(words), 2)]
        m.d.comb += head.eq(words[0])
        heads.append(head)
    return heads


def _correction(m: Module, p: SystolicParameters, idle: Value) -> Value:
    """Minus the offsets that the sums have gathered since they started."""
    low = (p.beat_offset & -p.beat_offset).bit_length() - 1
    count = Signal(p.acc_bits - low, name="correction", reset_less=True)
    m.d.sync += count.eq(Mux(idle, 0, count) - (p.beat_offset >> low))
    return Cat(Const(0, low), count)


def _lanes(m: Module, p: SystolicParameters, heads: list[Value], leave: Value,
           correction: Value, scales: Mapping[str, Any]) -> list[Value]:
    results: list[Value] = []
    for j, head in enumerate(heads):
        m.submodules[f"lane_{j}"] = lane = Shared(OutputLane(p), "systolic_lane")
        m.d.comb += [lane.enable.eq(leave), lane.value.eq(head), lane.correction.eq(correction)]
        m.d.comb += [getattr(lane, name).eq(values[j]) for name, values in scales.items()]
        results.append(lane.result)
    return results
