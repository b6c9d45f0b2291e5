"""The words of an LMMA's results, in order: read as partial sums, and written."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import FIELDS, Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.struct import StructComponent
from ..fabric.elastic import forward, of_port
from .loops import nested

__all__ = ["ResultWalk"]

JOB = ("p", "row_blocks", "flag")


class ResultWalk(StructComponent):
    """Walks the words of a row block and row blocks, one after another.

    Streams: ``job``, fields of LMMA and a flag (or some) that goes with every word; ``place``: an
    ``address`` and the ``flag``. ``done``: the job's last word is taken. ``fault``: the address
    is beyond the buffer; ``busy``: there is a job.
    """

    def __init__(self, p: AccelParameters, flags: int = 1) -> None:
        self.parameters = p
        bits = FIELDS[Op.LMMA] | {"flag": flags}
        super().__init__({
            "job": In(stream.Signature(data.StructLayout({name: bits[name] for name in JOB}))),
            "place": Out(stream.Signature(data.StructLayout({"address": 12, "flag": flags}))),
            "done": Out(1), "fault": Out(1), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        job, out = forward(m, of_port(self.job), "job"), self.place
        takes = Signal()
        beats = Const(p.drain - 1, (p.drain - 1).bit_length())
        _, done = nested(m, "at", (("beat", beats), ("row_block", job["row_blocks"] - 1)), takes)
        count = Signal(16)
        address = Signal(16)
        m.d.comb += [
            address.eq(job["p"] + count), takes.eq(job.valid & out.ready),
            job.ready.eq(takes & done), self.done.eq(takes & done), out.valid.eq(job.valid),
            out.payload.address.eq(address), out.payload.flag.eq(job["flag"]),
            self.fault.eq(job.valid & (address >= p.p_depth)), self.busy.eq(job.valid)]
        with m.If(takes):
            m.d.sync += count.eq(count + 1)
            with m.If(done):
                m.d.sync += count.eq(0)
        return m
