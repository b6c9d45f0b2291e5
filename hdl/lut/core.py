"""The LUT tensor core tile (LUT Tensor Core, ISCA'25): M rows x N columns, elongated in N.

Tables (one per row and group) are broadcast to all columns; each column turns its weight pattern
into a read of all rows' tables; 2**plane is a step of the table, taken once per row. The
accumulators of all outputs fill during an operation and leave through a few output lanes.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.pipeline import delayed, register
from ..common.shared import Shared
from ..fabric.elastic import Beat, backward, forward, of_port, registered, to_port
from .column import LutColumn, value_bits
from .entry_step import EntryStep
from .lane import OutputLane, lane_latency, offset_bits, sum_exponent_bits
from .streams import (
    activation_layout,
    psum_layout,
    result_layout,
    table_layout,
    weight_layout,
)
from .table import LutTable

__all__ = ["LutCore"]


class LutCore(Design[LutCoreParameters]):
    """Streams in: ``table`` (or ``activation``), ``weight``, ``psum``; out: ``result``.

    A beat is read when its weights and its tables are both there; tables are consumed with the
    beat that has ``table_last``. The beat with ``last`` ends the operation, whose M*N results
    then leave in N * M / lanes output beats, each when its partial sum is there. No stream's
    handshake depends on another's within a cycle. See :mod:`.streams` for the fields.
    """

    def __init__(self, p: LutCoreParameters) -> None:
        members: dict[str, Any] = {}
        if p.table_source == "internal":
            members["activation"] = In(stream.Signature(activation_layout(p, p.M)))
        else:
            members["table"] = In(stream.Signature(table_layout(p, p.M)))
        members["weight"] = In(stream.Signature(weight_layout(p)))
        if p.preload:
            members["psum"] = In(stream.Signature(psum_layout(p)))
        members["result"] = Out(stream.Signature(result_layout(p)))
        super().__init__(p, members)

    @property
    def latency(self) -> int:
        """Cycles from taking the last weight beat to the first result, without stalls."""
        p = self.parameters
        return min(p.pipeline, 2) + 2 + (p.buffer == "double") + lane_latency(p)[1]

    def timing(self) -> Timing:
        p = self.parameters
        return Timing(self.latency, 1, "last weight beat taken to first result; a weight beat a "
                      "cycle", {"result_beats": p.M * p.N // p.out_lanes})

    # -- weight side --------------------------------------------------------------------------
    def _operands(self, m: Module) -> tuple[Beat, Beat]:
        """The weight beat and the table beat that are read together.

        Neither stream's ready may follow the other's valid, and both can move every cycle. So
        one of them needs a register in which it waits for the other, beside the register that
        weights pass anyway (unless ``pipeline`` is 0): the one with fewer bits. A table unit
        inside has such a register at its output.
        """
        p, weight = self.parameters, of_port(self.weight)
        if p.table_source == "internal":
            m.submodules.table_unit = unit = LutTable(p)
            to_port(m, of_port(self.activation), unit.activation)
            table = of_port(unit.table)
            return weight if p.pipeline == 0 else forward(m, weight, "weight_beat"), table
        table = of_port(self.table)
        if p.pipeline == 0:
            return weight, registered(m, table, "table_beat")
        if p.waiting_stream == "table":
            return forward(m, weight, "weight_beat"), forward(m, table, "table_beat")
        return registered(m, weight, "weight_beat"), table

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        busy = Signal()
        beat, table = self._operands(m)
        # one set of accumulators: nothing starts before they are read;
        # two sets: an operation may run, but not end, before the last one has left
        free = Signal()
        fire = Signal()
        m.d.comb += [free.eq(~(busy & beat["last"] if p.buffer == "double" else busy)),
                     fire.eq(beat.valid & table.valid & free),
                     beat.ready.eq(table.valid & free),
                     table.ready.eq(beat.valid & free & beat["table_last"])]

        entries = self._stepped_entries(m, table["entries"], beat)
        odd = self._odd(m, table["entries"], beat) if p.common_lsb else None
        # cycles from a beat to its accumulate; the accumulators are whole one cycle later
        delay = 1 if p.pipeline == 2 else 0
        first = delayed(m, fire & beat["first"], delay, "first_at", reset=True)
        done = delayed(m, fire & beat["last"], delay + 1, "done_at", reset=True)

        shift = Signal(p.M)
        chain: Value = Const(0, p.M * value_bits(p))
        for n in reversed(range(p.N)):
            m.submodules[f"column_{n}"] = column = Shared(LutColumn(p), "lut_column")
            m.d.comb += [
                column.patterns.eq(beat["patterns"][n]),
                column.active.eq(fire), column.first.eq(first), column.entries.eq(entries),
                column.shift.eq(shift), column.chain.eq(chain)]
            if odd is not None and p.table == "half":
                m.d.comb += column.odd.eq(odd)
            if p.buffer == "double":
                m.d.comb += column.capture.eq(done)
            chain = column.value
        start = delayed(m, done, 1, "start_at", reset=True) if p.buffer == "double" else done
        self._drain(m, start, shift, chain, busy, fire & beat["last"],
                    self._side(m, table, fire, beat, odd))
        return m

    def _stepped_entries(self, m: Module, entries: Any, beat: Beat) -> Value:
        """All entries of all rows after the plane step."""
        p = self.parameters
        stepped = []
        places = product(range(p.M), range(p.groups), range(p.entries))
        for i, (row, group, entry) in enumerate(places):
            m.submodules[f"step_{i}"] = step = Shared(EntryStep(p), "lut_entry_step")
            m.d.comb += step.entry.eq(entries[row][group][entry])
            if p.plane_bits:
                m.d.comb += step.plane.eq(beat["plane"])
            stepped.append(step.stepped)
        return Cat(stepped)

    def _odd(self, m: Module, entries: Any, beat: Beat) -> Signal:
        """The lowest bit of the stepped entries, one for each row and group."""
        p = self.parameters
        odd = Signal(p.M * p.groups)
        lowest = Cat(entries[row][group][0][0] for row in range(p.M) for group in range(p.groups))
        step = beat["plane"].any() if p.plane_bits else Const(0, 1)
        m.d.comb += odd.eq(lowest & (~step).replicate(len(odd)))
        return odd

    def _odd_entries(self, m: Module, odd: Value, fire: Signal, beat: Beat) -> Value:
        """How many odd entries each row has read in this operation, this beat included."""
        p = self.parameters
        counts = []
        for row in range(p.M):
            count = Signal(p.odd_bits, name=f"odd_running_{row}", reset_less=True)
            here: Value = Const(0, 1)
            for bit in odd.word_select(row, p.groups):
                here = here + bit
            more = (Mux(beat["first"], 0, count) + here)[:p.odd_bits]
            with m.If(fire):
                m.d.sync += count.eq(more)
            counts.append(more)
        return Cat(counts)

    def _side(self, m: Module, table: Beat, fire: Signal, beat: Beat,
              odd: Value | None) -> dict[str, Value]:
        """What an operation leaves beside its sums, held for the lanes from its last beat on."""
        p = self.parameters
        side: dict[str, Value] = {}
        if p.has_invalid:
            running = Signal(p.M, name="invalid_running", reset_less=True)
            now = table["invalid"].as_value() | Mux(beat["first"], 0, running)
            with m.If(fire):
                m.d.sync += running.eq(now)
            side["invalid"] = now
        if offset_bits(p):
            count = Signal(offset_bits(p), name="beats_running", reset_less=True)
            more = (Mux(beat["first"], 0, count) - p.groups)[:offset_bits(p)]
            with m.If(fire):
                m.d.sync += count.eq(more)
            side["offset"] = more
        if odd is not None:
            side["odd"] = self._odd_entries(m, odd, fire, beat)
        if p.can_saturate:
            running = Signal(p.M, name="saturated_running", reset_less=True)
            now = table["saturated"].as_value() | Mux(beat["first"], 0, running)
            with m.If(fire):
                m.d.sync += running.eq(now)
            side["saturated"] = now
        if p.is_aligned:
            side["exponent"] = self._sum_exponents(m, table, fire, beat)
        if p.is_quantized:
            side["scale"] = table["scale"].as_value()
        return {name: register(m, value, f"{name}_held", enable=fire & beat["last"])
                for name, value in side.items()}

    def _sum_exponents(self, m: Module, table: Beat, fire: Signal, beat: Beat) -> Value:
        """Exponents of the rows' sums: those of the entries, plus the number of planes less one.

        That is the lowest plane, counted from the top: the largest of the operation.
        """
        p = self.parameters
        lowest: Value = Const(0, 1)
        if p.plane_bits:
            running = Signal(p.plane_bits, name="lowest_running", reset_less=True)
            before = Mux(beat["first"], 0, running)
            lowest = Mux(beat["plane"] > before, beat["plane"], before)
            with m.If(fire):
                m.d.sync += running.eq(lowest)
        return Cat((table["exponent"][row] + lowest)[:sum_exponent_bits(p)]
                   for row in range(p.M))

    # -- result side --------------------------------------------------------------------------
    def _drain(self, m: Module, start: Value, shift: Signal, head: Value, busy: Signal,
               ends: Value, side: dict[str, Value]) -> None:
        """Shift the results of ``lanes`` rows at a time out of column 0 and through the lanes."""
        p = self.parameters
        blocks = p.M // p.out_lanes
        draining = Signal()
        # two parts of the way out, each with its enable: up to where partial sums are added,
        # and from there. Results go on when the next partial sum is not there
        enable = Signal()
        leave = Signal()
        column = Signal(range(p.N))
        block = Signal(range(blocks))
        final = (column == p.N - 1) & (block == blocks - 1)
        m.d.comb += shift.eq(Cat(draining & enable & (block == row // p.out_lanes)
                                 for row in range(p.M)))
        with m.If(ends):
            m.d.sync += busy.eq(1)
        with m.If(start):
            m.d.sync += draining.eq(1)
        with m.If(draining & enable):
            m.d.sync += column.eq(column + 1)
            with m.If(column == p.N - 1):
                m.d.sync += [column.eq(0), block.eq(block + 1)]
            with m.If(final):
                m.d.sync += [block.eq(0), draining.eq(0), busy.eq(0)]

        needs_psum, latency = lane_latency(p)
        valid = [draining]
        last = [final]
        for i in range(latency):
            before: Value = valid[-1]
            if p.preload and i == needs_psum:
                psum = backward(m, of_port(self.psum), "psum_beat")
                m.d.comb += psum.ready.eq(before & leave)
                before = before & psum.valid
            valid.append(Signal(name=f"valid_{i + 1}"))
            last.append(Signal(name=f"last_{i + 1}", reset_less=True))
            with m.If(enable if i < needs_psum else leave):
                m.d.sync += [valid[-1].eq(before), last[-1].eq(last[-2])]
        result = self.result
        m.d.comb += [result.valid.eq(valid[-1]), result.payload.last.eq(last[-1]),
                     leave.eq(result.ready | ~valid[-1]),
                     enable.eq(leave & (psum.valid | ~valid[needs_psum]) if p.preload
                               else leave)]

        width = value_bits(p)
        outputs: list[Value] = []
        saturated: list[Value] = []
        for i in range(p.out_lanes):
            m.submodules[f"lane_{i}"] = lane = Shared(OutputLane(p), "lut_lane")

            def of_row(word: Value, bits: int, lane_index: int = i) -> Value:
                rows = [word.word_select(b * p.out_lanes + lane_index, bits)
                        for b in range(blocks)]
                return _choose(rows, block)

            m.d.comb += [lane.enable.eq(enable), lane.leave.eq(leave),
                         lane.value.eq(of_row(head, width))]
            if "offset" in side:
                m.d.comb += lane.offset.eq(side["offset"])
            for name, bits in (("invalid", 1), ("saturated", 1),
                               ("exponent", sum_exponent_bits(p)), ("scale", 32),
                               ("odd", p.odd_bits)):
                if name in side:
                    m.d.comb += getattr(lane, name).eq(of_row(side[name], bits))
            if p.preload:
                m.d.comb += lane.psum.eq(psum["values"][i])
            outputs.append(lane.result)
            if p.can_saturate:
                saturated.append(lane.result_saturated)
        m.d.comb += result.payload["values"].eq(Cat(outputs))
        if saturated:
            m.d.comb += result.payload["saturated"].eq(Cat(saturated))


def _choose(values: list[Value], index: Signal) -> Value:
    """values[index] by a chain of two-way choices (few values)."""
    result = values[0]
    for i, value in enumerate(values[1:], 1):
        result = Mux(index == i, value, result)
    return result
