"""Scale beats of an LMMA: where the scales of its groups are."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import FIELDS, Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.struct import StructComponent
from ..fabric.elastic import forward, of_port
from .loops import nested

__all__ = ["ScaleFeed"]

JOB = ("s", "row_blocks", "groups", "offsets", "push_prev")


class ScaleFeed(StructComponent):
    """Walks the words of a group, groups and row blocks; every row block reads the same words.

    ``freed``: a job with ``push_prev`` has read its last word. (The LUT core takes the last scales
    of an operation after its last weights: such a job is done with its slots of all buffers.)

    Streams: ``job``, fields of LMMA; ``request``: an ``address`` of scales and offsets, and whether
    there are ``offsets``. ``fault``: the address is beyond the buffer.
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
        words = p.compute.scale_words
        beats = Const(words - 1, (words - 1).bit_length())
        (beat, group, _), done = nested(m, "at", (
            ("beat", beats), ("group", job["groups"] - 1),
            ("row_block", job["row_blocks"] - 1)), takes)
        fresh = Signal(init=1)
        count = Signal(16, reset_less=True)
        before = Signal(16)
        address = Signal(16)
        m.d.comb += [
            before.eq(Mux(fresh, 0, count)), address.eq(job["s"] + before),
            takes.eq(job.valid & out.ready), job.ready.eq(takes & done),
            self.freed.eq(takes & done & job["push_prev"]), out.valid.eq(job.valid),
            out.payload.address.eq(address), out.payload.offsets.eq(job["offsets"]),
            self.fault.eq(job.valid & (address >= p.s_depth))]
        with m.If(takes):
            m.d.sync += [count.eq(before + 1), fresh.eq(beat.last & group.last)]
        return m
