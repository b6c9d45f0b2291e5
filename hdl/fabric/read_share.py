"""Clients that share a read engine."""

from __future__ import annotations

from amaranth.hdl import Cat, Module
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from ..common.struct import StructComponent
from .axi import Axi4
from .dma_read import read_command_layout, read_data_layout

__all__ = ["ReadShare"]


class ReadShare(StructComponent):
    """Merges the commands of ``clients`` to one stream and hands each its data; no registers.

    Client 0 comes first, then 1, ...: those that ask seldom belong to the front. The engine's tag
    is the client. Commands are answered in order, so data that their client does not take hold up
    those of all others: a client must ask only for what it can take without anything that another
    one is still to bring, or the two wait for each other for ever.

    Ports: streams ``command_I`` and ``data_I`` of each client (its tag is not used), ``command``
    and ``data`` of the engine. A command may give way to one of a client before it until it is
    taken.
    """

    def __init__(self, bus: Axi4, clients: int = 2) -> None:
        if clients < 2:
            raise ValueError(f"clients must be 2 at least; got {clients}")
        self.bus, self.clients = bus, clients
        self.tag_bits = (clients - 1).bit_length()
        command = stream.Signature(read_command_layout(bus, self.tag_bits))
        beat = stream.Signature(read_data_layout(bus, self.tag_bits))
        members = {"command": Out(command), "data": In(beat)}
        for i in range(clients):
            members |= {f"command_{i}": In(command), f"data_{i}": Out(beat)}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for i in reversed(range(self.clients)):
            command, out = getattr(self, f"command_{i}"), getattr(self, f"data_{i}")
            before = [getattr(self, f"command_{j}").valid for j in range(i)]
            m.d.comb += command.ready.eq(self.command.ready & ~Cat(before).any())
            # the statement of the lowest client is the last one, and counts
            with m.If(command.valid):
                m.d.comb += [self.command.valid.eq(1), self.command.payload.eq(command.payload),
                             self.command.payload.tag.eq(i)]
            m.d.comb += [out.payload.eq(self.data.payload),
                         out.valid.eq(self.data.valid & (self.data.payload.tag == i))]
            with m.If(self.data.payload.tag == i):
                m.d.comb += self.data.ready.eq(out.ready)
        return m
