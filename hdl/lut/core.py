"""The LUT tensor core tile (LUT Tensor Core, ISCA'25): M rows x N columns, elongated in N.

Tables (one per row and group) are broadcast to all columns; each column turns its weight pattern
into a read of all rows' tables; 2**plane is a step of the table, taken once per row. The
accumulators of all outputs fill during an operation and leave through a few output lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.pipeline import delayed, register
from ..common.shared import Shared
from ..common.trit_decoder import TritDecoder
from ..fabric.elastic import Beat, forward, of_port, registered, to_port
from .column import LutColumn, value_bits
from .drain import Drain
from .entry_step import EntryStep, lowest_plane
from .fix_up import row_correction
from .lane import offset_bits, sum_exponent_bits
from .streams import (
    activation_layout,
    psum_layout,
    result_layout,
    scale_layout,
    table_layout,
    weight_layout,
)
from .table import LutTable

__all__ = ["LutCore"]


class LutCore(Design[LutCoreParameters | DotCoreParameters]):
    """Streams in: ``table`` (or ``activation``), ``weight``, ``psum``, with group scales or
    results of int8 ``scale``; out: ``result``.

    A beat is read when its weights and its tables are both there; tables are consumed with the
    beat that has ``table_last``. The beat with ``last`` ends the operation, whose M*N results
    then leave in N * M / (lanes * chains) output beats, each when its partial sum is there. With
    group scales what runs from ``first`` to ``last`` is a group: its sums are scaled and added to
    those of the operation's groups before, which wait inside, and leave with the last one. No
    stream's handshake depends on another's within a cycle. See :mod:`.streams` for the fields.
    """

    def __init__(self, given: LutCoreParameters | DotCoreParameters) -> None:
        p = self.core = given.frame if isinstance(given, DotCoreParameters) else given
        members: dict[str, Any] = {}
        if p.table_source == "internal":
            members["activation"] = In(stream.Signature(activation_layout(p, p.M)))
        else:
            members["table"] = In(stream.Signature(table_layout(p, p.M)))
        members["weight"] = In(stream.Signature(self.weights(p)))
        if p.scales_groups or p.requantizes:
            members["scale"] = In(stream.Signature(scale_layout(p)))
        if p.preload:
            members["psum"] = In(stream.Signature(psum_layout(p)))
        members["result"] = Out(stream.Signature(result_layout(p)))
        super().__init__(given, members)

    @property
    def latency(self) -> int:
        """Cycles from taking the last weight beat to the first result, without stalls."""
        p = self.core
        return p.result_latency

    def timing(self) -> Timing:
        p = self.core
        return Timing(self.latency, 1, "last weight beat taken to first result; a weight beat a "
                      "cycle", {"result_beats": p.drain_beats})

    # -- weight side --------------------------------------------------------------------------
    @staticmethod
    def weights(p: LutCoreParameters) -> data.StructLayout:
        """Payload of the ``weight`` stream."""
        return weight_layout(p)

    def _column(self, m: Module, weights: Any) -> Any:
        """A column with its weights."""
        column = Shared(LutColumn(self.core), "lut_column")
        m.d.comb += column.patterns.eq(weights)
        return column

    def _operands(self, m: Module) -> tuple[Beat, Beat]:
        """The weight beat and the table beat that are read together.

        Neither stream's ready may follow the other's valid, and both can move every cycle. So
        one of them needs a register in which it waits for the other, beside the register that
        weights pass anyway (unless ``pipeline`` is 0): the one with fewer bits. A table unit
        inside has such a register at its output.
        """
        p, weight = self.core, of_port(self.weight)
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
        m, p = Module(), self.core
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

        weights = self._weights(m, beat)
        shift = Signal(p.M)
        heads: list[Value] = []
        chain: Value = Const(0, p.M * value_bits(p))
        for n in reversed(range(p.N)):
            m.submodules[f"column_{n}"] = column = self._column(m, weights[n])
            m.d.comb += [
                column.active.eq(fire), column.first.eq(first), column.entries.eq(entries),
                column.shift.eq(shift), column.chain.eq(chain)]
            if odd is not None and p.table == "half":
                m.d.comb += column.odd.eq(odd)
            if p.buffer == "double":
                m.d.comb += column.capture.eq(done)
            chain = column.value
            if n % p.chain_columns == 0:
                heads.insert(0, chain)
                chain = Const(0, p.M * value_bits(p))
        m.submodules.drain = drain = Drain(p)
        side = self._side(m, table, fire, beat, odd)
        m.d.comb += [drain.start.eq(done), drain.heads.eq(Cat(heads)), shift.eq(drain.shift)]
        m.d.comb += [getattr(drain, name).eq(value) for name, value in side.items()
                     if name in drain.signature.members]
        with m.If(drain.done):
            m.d.sync += busy.eq(0)
        with m.If(fire & beat["last"]):
            m.d.sync += busy.eq(1)
        for name in ("psum", "scale"):
            if name in self.signature.members:
                to_port(m, of_port(getattr(self, name)), getattr(drain, name))
        to_port(m, of_port(drain.result), self.result)
        return m

    def _weights(self, m: Module, beat: Beat) -> Sequence[Any]:
        """Weights of each column, here patterns; packed trits are unpacked."""
        p = self.core
        code = p.trit_code
        if code is None:
            found: Sequence[Any] = beat["patterns"]
            return found
        trits = []
        words = beat["packed"].as_value()
        for i in range(p.packed_words):
            # the last word may have trits to spare
            count = min(code.trits, p.N * p.groups * p.K - i * code.trits)
            m.submodules[f"unpack_{i}"] = decoder = Shared(
                TritDecoder(code, count), "trit_decoder" + ("_last" if count < code.trits else ""),
                key=(code.name, count))
            m.d.comb += decoder.word.eq(words.word_select(i, code.bits))
            trits.append(decoder.trits)
        width = p.reads * p.pattern_bits
        unpacked = Signal(p.N * width)
        m.d.comb += unpacked.eq(Cat(trits))
        return [unpacked.word_select(n, width) for n in range(p.N)]

    def _stepped_entries(self, m: Module, entries: Any, beat: Beat) -> Value:
        """All entries of all rows after the plane step."""
        p = self.core
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
        p = self.core
        odd = Signal(p.M * p.groups)
        lowest = Cat(entries[row][group][0][0] for row in range(p.M) for group in range(p.groups))
        step = beat["plane"].any() if p.plane_bits else Const(0, 1)
        m.d.comb += odd.eq(lowest & (~step).replicate(len(odd)))
        return odd

    def _odd_entries(self, m: Module, odd: Value, fire: Signal, beat: Beat) -> Value:
        """How many odd entries each row has read in this operation, this beat included."""
        p = self.core
        counts = []
        for row in range(p.M):
            count = Signal(p.odd_bits, name=f"odd_running_{row}", reset_less=True)
            here: Value = Const(0, 1)
            for bit in odd.word_select(row, p.groups):
                here = here + bit
            # a plane p of the beat reads it 2**p times
            if p.parallel_planes > 1:
                here = here.shift_left(p.parallel_planes) - here
            more = (Mux(beat["first"], 0, count) + here)[:p.odd_bits]
            with m.If(fire):
                m.d.sync += count.eq(more)
            counts.append(more)
        return Cat(counts)

    def _side(self, m: Module, table: Beat, fire: Signal, beat: Beat,
              odd: Value | None) -> dict[str, Value]:
        """What an operation leaves beside its sums, held for the lanes from its last beat on."""
        p = self.core
        side: dict[str, Value] = {}
        anew = beat["first"] & beat["start"] if p.scales_groups else beat["first"]
        if p.has_invalid:
            side["invalid"] = self._sticky(m, "invalid", table, fire, anew)
        if offset_bits(p):
            count = Signal(offset_bits(p), name="beats_running", reset_less=True)
            more = (Mux(beat["first"], 0, count) - p.beat_offset[0])[:offset_bits(p)]
            with m.If(fire):
                m.d.sync += count.eq(more)
            side["offset"] = more
        if odd is not None:
            side["odd"] = self._odd_entries(m, odd, fire, beat)
        if p.can_saturate:
            side["saturated"] = self._sticky(m, "saturated", table, fire, anew)
        plane: Value = Const(0, 1)
        if p.is_aligned or p.scales_groups:
            plane = self._last_plane(m, fire, beat)
        if p.is_aligned:
            # planes count from the top: sums are in units of the last beat's lowest
            lowest = lowest_plane(p, plane) if p.plane_bits else plane
            side["exponent"] = Cat((table["exponent"][row] + lowest)[:sum_exponent_bits(p)]
                                   for row in range(p.M))
        if p.is_quantized:
            side["scales"] = table["scale"].as_value()
        if p.scales_groups:
            side |= {"starts": beat["start"], "finishes": beat["finish"]}
            if p.has_codes:
                side |= {"codes": beat["codes"], "plane": plane}
            if p.has_row_sums:
                side["row_sums"] = Cat(self._row_sums(m, table, fire, beat))
            if p.row_scale_format is not None:
                side["row_scales"] = table["scale"].as_value()
            if p.offset_format is not None and p.is_aligned:
                side["row_exponents"] = table["exponent"].as_value()
        held = {name: register(m, value, f"{name}_held", enable=fire & beat["last"])
                for name, value in side.items()}
        if p.has_codes:
            held["correction"] = register(m, Cat(
                row_correction(p, held["row_sums"].word_select(row, p.acc_bits), held["codes"],
                               held["plane"]) for row in range(p.M)), "correction")
        return held

    def _sticky(self, m: Module, name: str, table: Beat, fire: Signal, anew: Value) -> Value:
        """A flag of the tables for each row: set in this beat, or before it since ``anew``."""
        running = Signal(self.core.M, name=f"{name}_running", reset_less=True)
        now = table[name].as_value() | Mux(anew, 0, running)
        with m.If(fire):
            m.d.sync += running.eq(now)
        return now

    def _row_sums(self, m: Module, table: Beat, fire: Signal, beat: Beat) -> list[Value]:
        """The sums of each row's activations, this beat included: of the entries for all ones,
        once for each table."""
        p = self.core
        sums: list[Value] = []
        for row in range(p.M):
            running = Signal(signed(p.acc_bits), name=f"row_sum_running_{row}", reset_less=True)
            here: Value = Const(0, 1)
            for group in range(p.groups):
                here = here + table["entries"][row][group][p.plain_sum].as_signed()
            more = Signal(signed(p.acc_bits), name=f"row_sum_more_{row}")
            m.d.comb += more.eq(Mux(beat["first"], 0, running)
                                + Mux(beat["table_last"], here, 0))
            with m.If(fire):
                m.d.sync += running.eq(more)
            sums.append(more)
        return sums

    def _last_plane(self, m: Module, fire: Signal, beat: Beat) -> Value:
        """The largest number of a beat of the accumulation: one less than a step has."""
        p = self.core
        if not p.plane_bits:
            return Const(0, 1)
        running = Signal(p.plane_bits, name="plane_running", reset_less=True)
        before = Mux(beat["first"], 0, running)
        largest = Signal(p.plane_bits, name="plane_largest")
        m.d.comb += largest.eq(Mux(beat["plane"] > before, beat["plane"], before))
        with m.If(fire):
            m.d.sync += running.eq(largest)
        return largest
