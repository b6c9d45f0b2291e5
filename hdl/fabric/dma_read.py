"""A read engine: commands in, the beats of an AXI4 read master out, in order."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ..common.field import Field, flag
from ..common.struct import StructComponent
from .axi import BLOCK, Axi4
from .burst_splitter import BurstSplitter
from .elastic import of_port, registered
from .queue import ShiftQueue

__all__ = ["DmaRead", "read_command_layout", "read_data_layout"]


def read_command_layout(bus: Axi4, tag_bits: int) -> data.StructLayout:
    """A command: ``address``, ``length`` and ``tag``."""
    return data.StructLayout({
        "address": Field(bus.address_bits, f"byte address, a multiple of {BLOCK}",
                         name="unsigned"),
        "length": Field(16, f"units of {BLOCK} bytes; a command of none is dropped",
                        name="unsigned"),
        "tag": Field(tag_bits, "goes along with the data")})


def read_data_layout(bus: Axi4, tag_bits: int) -> data.StructLayout:
    """A beat: ``data``, ``last``, ``error`` and ``tag``."""
    return data.StructLayout({
        "data": Field(bus.data_bits, "data, lowest byte first"),
        "last": flag("last beat of the command"),
        "error": flag("the response to this beat of the command or to one before was an error"),
        "tag": Field(tag_bits, "that of the command")})


class DmaRead(StructComponent):
    """Commands of 1 to 65535 units of 64 bytes become INCR bursts of full-width beats.

    A burst ends at an aligned multiple of ``burst_bytes`` or with its command, so none crosses
    4 KiB. As many as ``outstanding`` are on their way at once, those of the next commands among
    them. An address waits in a register until it is taken; data pass through unregistered
    (``buffered`` False: for a reader inside of the same module whose ready comes from registers)
    or through two registers that cut all paths.

    Latency: a command's first address is valid 2 cycles after the command was taken; a beat
    passes in 0 cycles, or 1 with registers. Rate: a beat a cycle, an address a cycle, a command
    every 2 cycles.

    A response that is an error does not end a command: all of its data come, with ``error`` set
    from that beat on.

    ``abort`` (a pulse, or longer): commands are forgotten, also one taken in that cycle; no
    address becomes valid that was not before; data of the bursts that were issued are taken and
    dropped. A beat of ``data`` that waits in that moment is withdrawn. Commands are taken again
    once all that is over; ``idle`` (from the next cycle on) says that it is.

    Parameters
    ----------
    bus:
        widths.
    tag_bits:
        of the tag, 1 at least.
    burst_bytes:
        longest burst: 128, 256, ... 4096; shorter where 256 beats are.
    outstanding:
        bursts on their way, at most.
    buffered:
        registers between ``m_axi_r`` and ``data``.

    Ports
    -----
    command, data:
        streams, see :func:`read_command_layout` and :func:`read_data_layout`. A command need not
        stay as it is until it is taken.
    abort:
        see above.
    idle:
        nothing is left of the commands that were taken, and nothing on its way.
    m_axi_ar, m_axi_r:
        the bus.
    """

    def __init__(self, bus: Axi4, *, tag_bits: int = 1, burst_bytes: int = 4096,
                 outstanding: int = 8, buffered: bool = False) -> None:
        if tag_bits < 1:
            raise ValueError(f"tag_bits must be positive; got {tag_bits}")
        self.bus, self.tag_bits, self.buffered = bus, tag_bits, buffered
        self.outstanding, self.burst_bytes = outstanding, bus.burst_bytes(burst_bytes)
        self.parameters = (bus, tag_bits, self.burst_bytes, outstanding, buffered)
        super().__init__({
            "command": In(stream.Signature(read_command_layout(bus, tag_bits))),
            "data": Out(stream.Signature(read_data_layout(bus, tag_bits))),
            "abort": In(flag("forget all commands")),
            "idle": Out(flag("nothing is on its way")), **bus.read_members()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, tag = self.bus, Field(self.tag_bits, "that of the command")
        blocks, shift = self.burst_bytes // BLOCK, BLOCK.bit_length() - 1
        command, out, address = self.command, self.data, self.m_axi_ar

        aborting = Signal()
        stop = Signal()
        m.d.comb += stop.eq(self.abort | aborting)
        m.d.sync += aborting.eq(self.abort | (aborting & ~self.idle))

        # addresses
        m.submodules.splitter = splitter = BurstSplitter(
            bus.address_bits - shift, 16, blocks, {"tag": tag})
        run, burst = splitter.run, splitter.burst
        m.d.comb += [
            run.valid.eq(command.valid & (command.payload.length != 0)),
            command.ready.eq(run.ready), splitter.drop.eq(stop),
            run.payload.address.eq(command.payload.address[shift:]),
            run.payload.last.eq(command.payload.length - 1),
            run.payload.tag.eq(command.payload.tag)]
        m.submodules.queue = queue = ShiftQueue(
            data.StructLayout({"final": flag("last burst of the command"), "tag": tag}),
            self.outstanding)
        address_valid = Signal()
        address_block = Signal(bus.address_bits - shift, reset_less=True)
        address_last = Signal(len(burst.payload.last), reset_less=True)
        free = Signal()
        issue = Signal()
        m.d.comb += [
            free.eq(~address_valid | address.ready),
            burst.ready.eq(free & queue.push.ready & ~stop), issue.eq(burst.valid & burst.ready),
            queue.push.valid.eq(issue), queue.push.payload.final.eq(burst.payload.final),
            queue.push.payload.tag.eq(burst.payload.tag)]
        m.d.sync += address_valid.eq(issue | (address_valid & ~address.ready))
        with m.If(issue):
            m.d.sync += [address_block.eq(burst.payload.address),
                         address_last.eq(burst.payload.last)]
        beats = (BLOCK // bus.beat_bytes).bit_length() - 1
        m.d.comb += [address.valid.eq(address_valid),
                     address.payload.addr.eq(Cat(Const(0, shift), address_block)),
                     address.payload.len.eq(Cat(Const(2**beats - 1, beats), address_last))]
        bus.drive_constants(m, address)

        # data. The queue's oldest entry is the burst that the beat belongs to
        source = of_port(self.m_axi_r)
        beat = registered(m, source, "beat") if self.buffered else source
        wrong = Signal()
        found = Signal()
        moves = Signal()
        oldest = queue.pop
        m.d.comb += [
            found.eq(wrong | beat["resp"][1]),
            out.valid.eq(beat.valid & oldest.valid & ~aborting),
            beat.ready.eq(oldest.valid & (out.ready | aborting)),
            moves.eq(beat.valid & beat.ready), oldest.ready.eq(moves & beat["last"]),
            out.payload.data.eq(beat["data"]), out.payload.tag.eq(oldest.payload.tag),
            out.payload.last.eq(beat["last"] & oldest.payload.final),
            out.payload.error.eq(found),
            self.idle.eq(~splitter.busy & ~oldest.valid)]
        with m.If(aborting):
            m.d.sync += wrong.eq(0)
        with m.Elif(moves):
            m.d.sync += wrong.eq(found & ~out.payload.last)
        return m
