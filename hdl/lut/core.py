"""The LUT tensor core tile (LUT Tensor Core, ISCA'25): M rows x N columns, elongated in N.

Tables (one per row and group) are broadcast to all columns; each column turns its weight pattern
into a read of all rows' tables; 2**plane is a step of the table, taken once per row. The
accumulators of all outputs fill during an operation and leave through a few output lanes.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.timing import Timing

from ..common.delay import delayed
from ..common.design import Design
from ..common.unit import Unit
from .column import LutColumn, value_bits
from .entry_step import EntryStep
from .lane import OutputLane, lane_latency, offset_bits
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

    A beat is taken when its weights and its tables are both there; tables are consumed with the
    beat that has ``table_last``. The beat with ``last`` ends the operation, whose M*N results
    then leave in N * M / lanes output beats. See :mod:`.streams` for the fields.
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
    def _beat(self, m: Module, fire: Signal) -> tuple[Any, Value]:
        """The weight beat at the table (registered unless ``pipeline`` is 0) and its valid."""
        weight = self.weight
        if self.parameters.pipeline == 0:
            m.d.comb += weight.ready.eq(fire)
            return weight.payload, weight.valid
        layout = weight_layout(self.parameters)
        beat = Signal(layout, name="beat", reset_less=True)
        valid = Signal(name="beat_valid")
        m.d.comb += weight.ready.eq(~valid | fire)
        with m.If(weight.ready):
            m.d.sync += [valid.eq(weight.valid), beat.eq(weight.payload)]
        return beat, valid

    def _table(self, m: Module) -> Any:
        """The stream of tables, from outside or from the table unit inside."""
        if self.parameters.table_source == "external":
            return self.table
        m.submodules.table_unit = unit = LutTable(self.parameters)
        wiring.connect(m, wiring.flipped(self.activation), unit.activation)
        return unit.table

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        fire = Signal()
        busy = Signal()
        beat, beat_valid = self._beat(m, fire)
        table = self._table(m)
        # one set of accumulators: nothing starts before they are read;
        # two sets: an operation may run, but not end, before the last one has left
        hold = busy & beat.last if p.buffer == "double" else busy
        m.d.comb += [fire.eq(beat_valid & table.valid & ~hold),
                     table.ready.eq(fire & beat.table_last)]

        entries = self._stepped_entries(m, table.payload.entries, beat)
        odd = self._odd(m, table.payload.entries, beat) if p.common_lsb else None
        # cycles from a beat to its accumulate; the accumulators are whole one cycle later
        delay = 1 if p.pipeline == 2 else 0
        first = delayed(m, fire & beat.first, delay, "first_at")
        done = delayed(m, fire & beat.last, delay + 1, "done_at")

        shift = Signal(p.M)
        chain: Value = Const(0, p.M * value_bits(p))
        for n in reversed(range(p.N)):
            m.submodules[f"column_{n}"] = column = Unit(LutColumn(p), "lut_column")
            m.d.comb += [
                column.patterns.eq(beat.patterns[n]),
                column.active.eq(fire), column.first.eq(first), column.entries.eq(entries),
                column.shift.eq(shift), column.chain.eq(chain)]
            if odd is not None and p.table == "half":
                m.d.comb += column.odd.eq(odd)
            if p.buffer == "double":
                m.d.comb += column.capture.eq(done)
            chain = column.value
        start = delayed(m, done, 1, "start_at") if p.buffer == "double" else done
        self._drain(m, start, shift, chain, busy, fire & beat.last,
                    self._side(m, table.payload, fire, beat, odd))
        return m

    def _stepped_entries(self, m: Module, entries: Any, beat: Any) -> Value:
        """All entries of all rows times 2**plane."""
        p = self.parameters
        stepped = []
        places = product(range(p.M), range(p.groups), range(p.entries))
        for i, (row, group, entry) in enumerate(places):
            m.submodules[f"step_{i}"] = step = Unit(EntryStep(p), "lut_entry_step")
            m.d.comb += step.entry.eq(entries[row][group][entry])
            if p.plane_bits:
                m.d.comb += step.plane.eq(beat.plane)
            stepped.append(step.stepped)
        return Cat(stepped)

    def _odd(self, m: Module, entries: Any, beat: Any) -> Signal:
        """The lowest bit of the stepped entries, one for each row and group."""
        p = self.parameters
        odd = Signal(p.M * p.groups)
        lowest = Cat(entries[row][group][0][0] for row in range(p.M) for group in range(p.groups))
        step = beat.plane.any() if p.plane_bits else Const(0, 1)
        m.d.comb += odd.eq(lowest & (~step).replicate(len(odd)))
        return odd

    def _odd_entries(self, m: Module, odd: Value, fire: Signal, beat: Any) -> Value:
        """How many odd entries each row has read in this operation, this beat included."""
        p = self.parameters
        counts = []
        for row in range(p.M):
            count = Signal(p.odd_bits, name=f"odd_running_{row}", reset_less=True)
            here: Value = Const(0, 1)
            for bit in odd.word_select(row, p.groups):
                here = here + bit
            more = (Mux(beat.first, 0, count) + here)[:p.odd_bits]
            with m.If(fire):
                m.d.sync += count.eq(more)
            counts.append(more)
        return Cat(counts)

    def _side(self, m: Module, table: Any, fire: Signal, beat: Any,
              odd: Value | None) -> dict[str, Value]:
        """What an operation leaves beside its sums, held for the lanes from its last beat on."""
        p = self.parameters
        side: dict[str, Value] = {}
        if p.has_invalid:
            running = Signal(p.M, name="invalid_running", reset_less=True)
            now = table.invalid.as_value() | Mux(beat.first, 0, running)
            with m.If(fire):
                m.d.sync += running.eq(now)
            side["invalid"] = now
        if offset_bits(p):
            count = Signal(offset_bits(p), name="beats_running", reset_less=True)
            more = (Mux(beat.first, 0, count) - p.groups)[:offset_bits(p)]
            with m.If(fire):
                m.d.sync += count.eq(more)
            side["offset"] = more
        if odd is not None:
            side["odd"] = self._odd_entries(m, odd, fire, beat)
        if p.is_aligned:
            side["exponent"] = table.exponent.as_value()
        if p.is_quantized:
            side["scale"] = table.scale.as_value()
        held: dict[str, Value] = {}
        for name, value in side.items():
            held[name] = register = Signal(len(value), name=f"{name}_held", reset_less=True)
            with m.If(fire & beat.last):
                m.d.sync += register.eq(value)
        return held

    # -- result side --------------------------------------------------------------------------
    def _drain(self, m: Module, start: Value, shift: Signal, head: Value, busy: Signal,
               ends: Value, side: dict[str, Value]) -> None:
        """Shift the results of ``lanes`` rows at a time out of column 0 and through the lanes."""
        p = self.parameters
        blocks = p.M // p.out_lanes
        draining = Signal()
        enable = Signal()
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
            valid.append(Signal(name=f"valid_{i + 1}"))
            last.append(Signal(name=f"last_{i + 1}", reset_less=True))
            with m.If(enable):
                m.d.sync += [valid[-1].eq(valid[-2]), last[-1].eq(last[-2])]
        # the lanes advance together: when the result there is taken, and the partial sum that
        # the step needs has come
        result = self.result
        psum_here: Value = Const(1, 1)
        if p.preload:
            waiting = valid[needs_psum]
            psum_here = self.psum.valid | ~waiting
            m.d.comb += self.psum.ready.eq(waiting & (result.ready | ~valid[-1]))
        m.d.comb += [result.valid.eq(valid[-1] & psum_here), result.payload.last.eq(last[-1]),
                     enable.eq((result.ready | ~valid[-1]) & psum_here)]

        width = value_bits(p)
        outputs: list[Value] = []
        for i in range(p.out_lanes):
            m.submodules[f"lane_{i}"] = lane = Unit(OutputLane(p), "lut_lane")

            def of_row(word: Value, bits: int, lane_index: int = i) -> Value:
                rows = [word.word_select(b * p.out_lanes + lane_index, bits)
                        for b in range(blocks)]
                return _choose(rows, block)

            m.d.comb += [lane.enable.eq(enable), lane.value.eq(of_row(head, width))]
            if "offset" in side:
                m.d.comb += lane.offset.eq(side["offset"])
            for name, bits in (("invalid", 1), ("exponent", p.exponent_bits), ("scale", 32),
                               ("odd", p.odd_bits)):
                if name in side:
                    m.d.comb += getattr(lane, name).eq(of_row(side[name], bits))
            if p.preload:
                m.d.comb += lane.psum.eq(self.psum.payload["values"][i])
            outputs.append(lane.result)
        m.d.comb += result.payload["values"].eq(Cat(outputs))


def _choose(values: list[Value], index: Signal) -> Value:
    """values[index] by a chain of two-way choices (few values)."""
    result = values[0]
    for i, value in enumerate(values[1:], 1):
        result = Mux(index == i, value, result)
    return result
