"""Weight beats of an LMMA: where their patterns are, and where they stand."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import FIELDS, Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.struct import StructComponent
from ..fabric.elastic import forward, of_port
from .loops import nested

__all__ = ["WeightFeed"]

JOB = ("w", "row_blocks", "groups", "steps", "planes", "codes")


class WeightFeed(StructComponent):
    """Walks planes, steps, groups and row blocks; every row block reads the same words.

    Streams: ``job``, fields of LMMA; ``request``: an ``address`` of the pattern buffer and what the
    engine wants to know of the beat, ``notes`` among it: fields of LMMA. ``fault``: the address is
    beyond the buffer. With ``tells``, ``freed``: a job with ``push_prev`` has read its last word.
    """

    def __init__(self, p: AccelParameters, notes: tuple[str, ...] = (),
                 tells: bool = False) -> None:
        self.parameters, self.notes, self.tells = p, notes, tells
        bits = FIELDS[Op.LMMA] | {"push_prev": 1}
        names = dict.fromkeys((*JOB, *notes, *(("push_prev",) if tells else ())))
        super().__init__({
            "job": In(stream.Signature(data.StructLayout({name: bits[name] for name in names}))),
            "request": Out(stream.Signature(data.StructLayout({
                "address": 16, "plane": bits["planes"], "first": 1, "last": 1, "table_last": 1,
                "codes": 2, "start": 1, "finish": 1, **{name: bits[name] for name in notes}}))),
            "fault": Out(1)} | ({"freed": Out(1)} if tells else {}))

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        job, out = forward(m, of_port(self.job), "job"), self.request
        takes = Signal()
        count = Signal(17, reset_less=True)
        fresh = Signal(init=1)
        steps_last = Signal(p.steps_range[1])
        m.d.comb += steps_last.eq((1 << job["steps"]) - 1)
        (plane, step, group, _), done = nested(m, "at", (
            ("plane", job["planes"]), ("step", steps_last), ("group", job["groups"] - 1),
            ("row_block", job["row_blocks"] - 1)), takes)
        row_done = Signal()
        before = Signal(17)
        address = Signal(17)
        m.d.comb += [
            row_done.eq(plane.last & step.last & group.last), before.eq(Mux(fresh, 0, count)),
            address.eq(job["w"] + before), takes.eq(job.valid & out.ready),
            job.ready.eq(takes & done), out.valid.eq(job.valid),
            self.fault.eq(job.valid & (address >= p.w_depth))]
        with m.If(takes):
            m.d.sync += [count.eq(before + 1), fresh.eq(row_done)]
        beat = out.payload
        m.d.comb += [
            beat.address.eq(address), beat.codes.eq(job["codes"]),
            # aligned entries step down from the top plane
            beat.plane.eq(job["planes"] - plane.value if p.compute.exponent_bits else plane.value),
            beat.first.eq(plane.first & step.first), beat.last.eq(plane.last & step.last),
            beat.table_last.eq(plane.last), beat.start.eq(group.first),
            beat.finish.eq(group.last)]
        m.d.comb += [beat[name].eq(job[name]) for name in self.notes]
        if self.tells:
            m.d.comb += self.freed.eq(takes & done & job["push_prev"])
        return m
