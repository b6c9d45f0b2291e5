"""The way out of the core: results leave their chains, pass the lanes, and meet what they add to.

It moves in parts, each with its enable and as soon as it can: up to where group scales come in, up
to where partial sums do, and from there.

With group scales the sums of the groups before wait in a line of registers and go round: each is
taken as the next group's result of the same output comes by, and put back. Its length makes the
round as long as a group has output beats, so nothing is counted or addressed; for that, beats of
groups that go on, and of those that add to them, must follow each other without gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import FP32
from lowbit.golden.lut.parameters import LutCoreParameters

from ..common.adders import Adders
from ..common.normalize import FixedToFloat
from ..common.pipeline import delayed, register
from ..common.shared import Shared
from ..common.struct import StructComponent
from ..fabric.elastic import backward, of_port
from .column import value_bits
from .fix_up import code_sum_bits
from .lane import OutputLane, offset_bits, sum_exponent_bits
from .streams import psum_layout, result_layout, scale_layout

__all__ = ["Drain"]


@dataclass(frozen=True)
class Stage:
    """What goes with the results in a stage of the lanes."""

    valid: Signal
    last: Value         #: last beat of the operation (or group)
    first: Value        #: first beat of the group
    block: Value        #: which rows
    start: Value        #: the group is the first of its operation
    finish: Value       #: the group is the last of its operation

    def after(self, m: Module, i: int, enable: Value, valid: Value, drop: set[str]) -> Stage:
        """The next stage, ``i``; ``valid``: a beat comes into it; ``drop``: what does not."""
        flag = Signal(name=f"valid_{i}")
        with m.If(enable):
            m.d.sync += flag.eq(valid)
        following = {name: Const(0, 1) if name in drop else value if isinstance(value, Const) else
                     register(m, value, f"{name}_{i}", enable=enable)
                     for name, value in vars(self).items() if name != "valid"}
        return Stage(flag, **following)


class Drain(StructComponent):
    """Results of all chains through the output lanes.

    Ports: ``heads``, the values of column 0 of each chain, all rows (chain 0 lowest, see
    :func:`~.column.value_bits`), which ``shift`` moves on, a row each; ``start``: they are there
    from the next cycle on; ``done``: in this cycle the last of them leaves. What belongs to an
    accumulation (:meth:`.core.LutCore._side`) holds from before ``start`` until ``done``.
    Streams: ``psum``, ``scale`` and ``result`` of the core.
    """

    def __init__(self, p: LutCoreParameters) -> None:
        self.parameters = p
        members: dict[str, Any] = {
            "heads": In(p.chains * p.M * value_bits(p)), "start": In(1), "shift": Out(p.M),
            "done": Out(1), "result": Out(stream.Signature(result_layout(p)))}
        beside = {"invalid": p.has_invalid * p.M, "saturated": p.can_saturate * p.M,
                  "exponent": sum_exponent_bits(p) * p.M, "scales": p.is_quantized * 32 * p.M,
                  "odd": p.common_lsb * p.odd_bits * p.M, "offset": offset_bits(p)}
        if p.scales_groups:
            beside |= {"starts": 1, "finishes": 1,
                       "correction": p.has_codes * code_sum_bits(p) * p.M}
            members["scale"] = In(stream.Signature(scale_layout(p)))
            if p.row_scale_format is not None:
                beside["row_scales"] = p.row_scale_format.bits * p.M
            if p.offset_format is not None:
                beside |= {"row_sums": p.acc_bits * p.M, "row_exponents": p.exponent_bits * p.M}
        if p.requantizes:
            members["scale"] = In(stream.Signature(scale_layout(p)))
        if p.preload:
            members["psum"] = In(stream.Signature(psum_layout(p)))
        self.beside = {name: bits for name, bits in beside.items() if bits}
        super().__init__(members | {name: In(bits) for name, bits in self.beside.items()})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        blocks = p.M // p.out_lanes
        draining = Signal()
        enable = Signal()
        scaling = Signal()
        leave = Signal()
        entering = Signal()     # a beat goes from the first part into the second
        passing = Signal()      # and one from there into the last
        follows = Signal()      # beats that must not have gaps between them have none
        column = Signal(range(p.chain_columns))
        block = Signal(range(blocks))
        final = (column == p.chain_columns - 1) & (block == blocks - 1)
        m.d.comb += [self.shift.eq(Cat(draining & enable & (block == row // p.out_lanes)
                                       for row in range(p.M))),
                     self.done.eq(draining & enable & final)]
        with m.If(draining & enable):
            m.d.sync += column.eq(column + 1)
            with m.If(column == p.chain_columns - 1):
                m.d.sync += [column.eq(0), block.eq(block + 1)]
            with m.If(final):
                m.d.sync += [block.eq(0), draining.eq(0)]
        with m.If(self.start):
            m.d.sync += draining.eq(1)

        inside, adding, latency = p.lane_stages
        one, scaled = Const(1, 1), p.scales_groups
        # something of the rows comes in where group scales do
        of_rows = p.offset_format is not None or p.row_scale_format is not None
        stages = [Stage(draining, final, (column == 0) & (block == 0) if scaled else one,
                        block if blocks > 1 and scaled else Const(0, 1),
                        self.starts if scaled else one, self.finishes if scaled else one)]
        for i in range(1, latency + 1):
            part = enable if i <= inside else scaling if i <= adding else leave
            valid = passing if i == adding + 1 else entering if i == inside + 1 \
                else stages[-1].valid
            last_stage = {"first": inside - 1, "block": inside, "start": adding} \
                if of_rows else {"first": 0, "block": 0, "start": adding}
            drop = {name for name, stage in last_stage.items() if i > stage}
            stages.append(stages[-1].after(m, i, part, valid, drop))
        gate, adds, out, result = stages[inside], stages[adding], stages[-1], self.result
        there: Value = Const(1, 1)      # what sums are requantised by
        by_column: dict[str, Any] = {}
        if p.requantizes:
            by = backward(m, of_port(self.scale), "scale_beat")
            there = by.valid
            m.d.comb += by.ready.eq(passing & leave)
            # a sum with a partial sum takes a step more
            by_column = {name: register(m, value, f"{name}_held", enable=leave)
                         for name, value in by.fields.items()} if p.preload else dict(by.fields)
        room = Signal()
        m.d.comb += [room.eq(result.ready | ~(out.valid & out.finish)),
                     result.valid.eq(out.valid & out.finish), result.payload.last.eq(out.last),
                     passing.eq(adds.valid & follows & there)]
        if p.preload:
            psum = backward(m, of_port(self.psum), "psum_beat")
            m.d.comb += [passing.eq(adds.valid & follows & there & (psum.valid | ~adds.start)),
                         psum.ready.eq(adds.valid & follows & there & adds.start & leave)]
        outputs, saturated = [], []
        if scaled:
            scales = backward(m, of_port(self.scale), "scale_beat")
            # beats of groups that go on, and of one that adds to them and is not all in yet
            midst = Signal()
            with m.If(scaling & entering):
                m.d.sync += midst.eq(~gate.start & ~gate.last)
            m.d.comb += [
                entering.eq(gate.valid & scales.valid), scales.ready.eq(gate.valid & scaling),
                enable.eq(~gate.valid | (scaling & entering)),
                follows.eq(entering | ~(midst | _going_on(stages[inside + 1:]))),
                scaling.eq(follows & (~adds.valid | (leave & passing))),
                # results need not wait for the partial sums of the operation behind them
                leave.eq(room & (passing | ~adds.valid
                                 | (adds.start & ~_going_on(stages[adding + 1:]))))]
            # a result that is taken while all wait is gone
            with m.If(~leave & result.ready & out.finish):
                m.d.sync += out.valid.eq(0)
            y_next = Signal(32 * p.out_values)
            # a sum is in the first of these registers 3 beats after what it was added to
            line = delayed(m, y_next, p.drain_beats - 2, "sums", enable=leave)
            first_sums = Value.cast(psum["values"]) if p.preload else Const(0, len(y_next))
            y = Mux(adds.start, first_sums, line)
            row_sums = self._float_row_sums(m, stages[inside - 1], enable) \
                if p.offset_format is not None else Const(0, 32 * p.M)
            before = stages[inside - 1]
            row_scales = register(m, self.row_scales, "row_scales_at", enable=enable & before.valid
                                  & before.first) if p.row_scale_format is not None else None
        else:
            m.d.comb += [follows.eq(1), leave.eq(room), enable.eq(~adds.valid | (leave & passing))]

        for i in range(p.out_values):
            chain, row = divmod(i, p.out_lanes)
            m.submodules[f"lane_{i}"] = lane = Shared(OutputLane(p), "lut_lane")

            def of_row(word: Value, block: Value = block, row: int = row) -> Value:
                bits = len(word) // p.M
                return _choose([word.word_select(b * p.out_lanes + row, bits)
                                for b in range(blocks)], block)

            head = self.heads.word_select(chain, p.M * value_bits(p))
            m.d.comb += [lane.enable.eq(enable), lane.leave.eq(leave),
                         lane.value.eq(of_row(head))]
            if offset_bits(p):
                m.d.comb += lane.offset.eq(self.offset)
            for name, port in (("invalid", "invalid"), ("saturated", "saturated"),
                               ("exponent", "exponent"), ("scale", "scales"), ("odd", "odd"),
                               ("correction", "correction")):
                if port in self.beside:
                    m.d.comb += getattr(lane, name).eq(of_row(getattr(self, port)))
            if scaled:
                scale = scales["scale"][chain]
                if row_scales is not None:
                    scale = Cat(scale, of_row(row_scales, gate.block))
                m.d.comb += [lane.group_scale.eq(scale),
                             lane.scaling.eq(scaling),
                             lane.y.eq(y.word_select(i, 32)),
                             y_next.word_select(i, 32).eq(lane.y_next)]
                if p.offset_format is not None:
                    m.d.comb += [lane.group_offset.eq(scales["offset"][chain]),
                                 lane.row_sum.eq(of_row(row_sums, gate.block))]
            elif p.preload:
                m.d.comb += lane.psum.eq(Value.cast(psum["values"]).word_select(i, p.psum.bits))
            m.d.comb += [getattr(lane, name).eq(value[chain]) for name, value in by_column.items()]
            outputs.append(lane.result)
            if p.can_saturate:
                saturated.append(lane.result_saturated)
        m.d.comb += result.payload["values"].eq(Cat(outputs))
        if saturated:
            m.d.comb += result.payload["saturated"].eq(Cat(saturated))
        return m

    def _float_row_sums(self, m: Module, before: Stage, enable: Value) -> Value:
        """Each row's sum of activations in FP32, for the beats of a group from its first on."""
        p = self.parameters
        low = p.entry_unit
        high = low + (p.largest_exponent if p.is_aligned else 0)
        sums = []
        for row in range(p.M):
            m.submodules[f"row_sum_{row}"] = to_float = FixedToFloat(
                FP32, p.acc_bits, (low, high), stages=2, adders=Adders(p.adder))
            m.d.comb += [to_float.value.eq(self.row_sums.word_select(row, p.acc_bits)),
                         to_float.en.eq(1)]
            if p.is_aligned:
                exponent = self.row_exponents.word_select(row, p.exponent_bits)
                m.d.comb += to_float.exponent.eq(exponent + low)
            sums.append(to_float.code)
        return Value.cast(register(m, Cat(sums), "row_sums_float",
                                   enable=enable & before.valid & before.first))


def _going_on(stages: list[Stage]) -> Value:
    """Is there a beat of a group that another one follows?"""
    return Cat(stage.valid & ~stage.finish for stage in stages).any()


def _choose(values: list[Value], index: Value) -> Value:
    """values[index] by a chain of two-way choices (few values)."""
    result = values[0]
    for i, value in enumerate(values[1:], 1):
        result = Mux(index == i, value, result)
    return result
