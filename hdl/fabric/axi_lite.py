"""An AXI4-Lite slave: the bus on one side, writes and reads of words on the other."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from ..common.field import Field, flag
from ..common.struct import StructComponent
from .axi import AxiLite

__all__ = ["AxiLiteSlave"]


class AxiLiteSlave(StructComponent):
    """Writes and reads of 32-bit words, one at a time each, independent of one another.

    Address and data of a write come in any order and wait for each other in registers; it is done
    in the cycle after the later one, and its response is valid a cycle later. A read's data are
    those of the cycle in which its address is taken; they are valid a cycle later and stay as they
    are. A write and a read every 2 cycles. All that the bus sees comes from registers; every
    ready is low in reset.

    Accesses that fail are answered with SLVERR (DECERR belongs to the interconnect, which says
    so when nothing is there at all). The lowest two bits of an address are not looked at.

    Ports
    -----
    write:
        a write is done in this cycle, with ``write_address`` (of the word), ``write_data`` and
        ``write_strobes``; ``write_fails`` is the answer.
    read_address:
        of the word that is to be on ``read_data`` in the same cycle; ``read_fails`` is the answer.
    s_axi_aw, s_axi_w, s_axi_b, s_axi_ar, s_axi_r:
        the bus.
    """

    def __init__(self, bus: AxiLite) -> None:
        self.bus = bus
        self.parameters = (bus,)
        word = Field(bus.address_bits - 2, "address of a word", name="unsigned")
        super().__init__({
            "write": Out(flag("a write is done")), "write_address": Out(word),
            "write_data": Out(Field(32, "what is written")),
            "write_strobes": Out(Field(1, "bytes to be written", axes={"byte": 4})),
            "write_fails": In(flag("there is nothing to be written")),
            "read_address": Out(word), "read_data": In(Field(32, "what is read")),
            "read_fails": In(flag("there is nothing to be read")), **bus.slave_members()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        aw, w, b = self.s_axi_aw, self.s_axi_w, self.s_axi_b
        ar, r = self.s_axi_ar, self.s_axi_r

        # "open" is "not held", but for reset, in which nothing is taken
        address_open = Signal()
        address_held = Signal()
        address = Signal(self.bus.address_bits - 2, reset_less=True)
        address_stays = Signal()
        data_open = Signal()
        data_held = Signal()
        data = Signal(32, reset_less=True)
        strobes = Signal(4, reset_less=True)
        data_stays = Signal()
        answer_valid = Signal()
        answer_fails = Signal(reset_less=True)
        m.d.comb += [
            aw.ready.eq(address_open), w.ready.eq(data_open),
            self.write.eq(address_held & data_held & ~answer_valid),
            address_stays.eq((aw.valid & address_open) | (address_held & ~self.write)),
            data_stays.eq((w.valid & data_open) | (data_held & ~self.write)),
            self.write_address.eq(address), self.write_data.eq(data),
            self.write_strobes.eq(strobes), b.valid.eq(answer_valid),
            b.payload.resp[1].eq(answer_fails)]
        m.d.sync += [address_held.eq(address_stays), address_open.eq(~address_stays),
                     data_held.eq(data_stays), data_open.eq(~data_stays),
                     answer_valid.eq(self.write | (answer_valid & ~b.ready))]
        with m.If(address_open):
            m.d.sync += address.eq(aw.payload.addr[2:])
        with m.If(data_open):
            m.d.sync += [data.eq(w.payload.data), strobes.eq(w.payload.strb)]
        with m.If(self.write):
            m.d.sync += answer_fails.eq(self.write_fails)

        read_open = Signal()
        read_valid = Signal()
        read_stays = Signal()
        read_data = Signal(32, reset_less=True, name="read_word")
        read_fails = Signal(reset_less=True, name="read_failed")
        m.d.comb += [
            ar.ready.eq(read_open), self.read_address.eq(ar.payload.addr[2:]),
            read_stays.eq((ar.valid & read_open) | (read_valid & ~r.ready)),
            r.valid.eq(read_valid), r.payload.data.eq(read_data),
            r.payload.resp[1].eq(read_fails)]
        m.d.sync += [read_valid.eq(read_stays), read_open.eq(~read_stays)]
        with m.If(read_open):
            m.d.sync += [read_data.eq(self.read_data), read_fails.eq(self.read_fails)]
        return m
