"""Offset beats of an LMMA, where offsets belong to its columns and not to groups."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import FIELDS, Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.struct import StructComponent
from ..fabric.elastic import forward, of_port
from .loops import nested

__all__ = ["OffsetFeed"]

JOB = ("s", "row_blocks", "offsets", "keep", "push_prev")


class OffsetFeed(StructComponent):
    """Walks the words of a column block, from ``s`` on, once for each row block; a job with
    ``keep`` has no results, and wants none.

    Streams: ``job``, fields of LMMA; ``request``: an ``address``, and whether there are
    ``offsets`` at all. ``freed``: a job with ``push_prev`` has read its last word; ``fault``: the
    address is beyond the buffer.
    """

    def __init__(self, p: AccelParameters) -> None:
        self.parameters = p
        bits = FIELDS[Op.LMMA] | {"push_prev": 1}
        super().__init__({
            "job": In(stream.Signature(data.StructLayout({name: bits[name] for name in JOB}))),
            "request": Out(stream.Signature(data.StructLayout({"address": 12, "offsets": 1}))),
            "freed": Out(1), "fault": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        job, out = forward(m, of_port(self.job), "job"), self.request
        takes = Signal()
        over = Signal()
        beats = Const(p.drain - 1, (p.drain - 1).bit_length())
        (beat, _), done = nested(m, "at", (
            ("beat", beats), ("row_block", job["row_blocks"] - 1)), takes)
        address = Signal(14)
        m.d.comb += [
            address.eq(job["s"] + beat.value), out.valid.eq(job.valid & ~job["keep"]),
            takes.eq(out.valid & out.ready), over.eq((takes & done) | (job.valid & job["keep"])),
            job.ready.eq(over), self.freed.eq(over & job["push_prev"]),
            out.payload.address.eq(address), out.payload.offsets.eq(job["offsets"]),
            self.fault.eq(out.valid & job["offsets"] & (address >= p.s_depth))]
        return m
