"""Activation beats of an LMMA: where the words of its rows are, and their exponents."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import FIELDS, Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.struct import StructComponent
from ..fabric.elastic import forward, of_port
from .loops import nested

__all__ = ["ActivationFeed", "group_address"]

JOB = ("a", "a_pitch", "row_blocks", "groups", "steps")


def group_address(m: Module, p: AccelParameters, address: Signal, steps: Signal,
                  name: str) -> Signal:
    """Where the exponent of the group is that the word at ``address`` belongs to."""
    low, high = p.steps_range
    found = Signal((p.e_depth - 1).bit_length(), name=name)
    m.d.comb += found.eq(address >> low)
    for shift in range(low + 1, high + 1):
        with m.If(steps == shift):
            m.d.comb += found.eq(address >> shift)
    return found


class ActivationFeed(StructComponent):
    """Walks steps, groups and row blocks, which are ``a_pitch`` words apart.

    Streams: ``job``, fields of LMMA; ``request``: ``address`` of the activations,
    ``exponent_address`` of their group's exponents, ``first`` of the group. ``fault``: the address
    is beyond the buffer.
    """

    def __init__(self, p: AccelParameters) -> None:
        self.parameters = p
        bits = FIELDS[Op.LMMA]
        super().__init__({
            "job": In(stream.Signature(data.StructLayout({name: bits[name] for name in JOB}))),
            "request": Out(stream.Signature(data.StructLayout({
                "address": 16, "exponent_address": (p.e_depth - 1).bit_length(), "first": 1}))),
            "fault": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        job, out = forward(m, of_port(self.job), "job"), self.request
        takes = Signal()
        steps_last = Signal(p.steps_range[1])
        m.d.comb += steps_last.eq((1 << job["steps"]) - 1)
        (step, group, _), done = nested(m, "at", (
            ("step", steps_last), ("group", job["groups"] - 1),
            ("row_block", job["row_blocks"] - 1)), takes)
        # 18 bits: a sum of row blocks beyond the buffer must not come round to its beginning
        fresh = Signal(init=1)
        row = Signal(20, reset_less=True)
        count = Signal(20, reset_less=True)
        row_now = Signal(20)
        address = Signal(20)
        row_done = Signal()
        m.d.comb += [
            row_done.eq(step.last & group.last), row_now.eq(Mux(fresh, job["a"], row)),
            address.eq(Mux(fresh, job["a"], count)), takes.eq(job.valid & out.ready),
            job.ready.eq(takes & done), out.valid.eq(job.valid),
            self.fault.eq(job.valid & (address >= p.a_depth)),
            out.payload.address.eq(address), out.payload.first.eq(step.first),
            out.payload.exponent_address.eq(
                group_address(m, p, address, job["steps"], "exponent_at"))]
        with m.If(takes):
            m.d.sync += [fresh.eq(done), row.eq(row_now), count.eq(address + 1)]
            with m.If(row_done):
                m.d.sync += [row.eq(row_now + job["a_pitch"]), count.eq(row_now + job["a_pitch"])]
        return m
