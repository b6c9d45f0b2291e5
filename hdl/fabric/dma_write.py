"""A write engine: commands and beats in, an AXI4 write master out."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ..common.field import Field, flag
from ..common.struct import StructComponent
from .axi import Axi4
from .burst_splitter import BurstSplitter
from .queue import ShiftQueue

__all__ = ["DmaWrite", "write_command_layout", "write_data_layout", "done_layout"]


def write_command_layout(bus: Axi4, tag_bits: int, length_bits: int) -> data.StructLayout:
    """A command: ``address``, ``length`` and ``tag``."""
    return data.StructLayout({
        "address": Field(bus.address_bits, "byte address, a multiple of the bus's width",
                         name="unsigned"),
        "length": Field(length_bits, "bytes, a multiple of 2; a command of none is dropped",
                        name="unsigned"),
        "tag": Field(tag_bits, "goes along to the end of the command")})


def write_data_layout(bus: Axi4, parts: int = 1) -> data.StructLayout:
    """A beat: ``data``. Commands say how many there are. With ``parts`` a beat may come piece by
    piece, in any order: ``places`` and ``full``."""
    layout = {"data": Field(bus.data_bits, "data, lowest byte first")}
    if parts > 1:
        layout |= {"places": Field(1, "parts of the beat that are there", axes={"part": parts}),
                   "full": flag("the beat has all its parts with this one")}
    return data.StructLayout(layout)


def done_layout(tag_bits: int) -> data.StructLayout:
    """The end of a command: ``error`` and ``tag``."""
    return data.StructLayout({"error": flag("a response to the command was an error"),
                              "tag": Field(tag_bits, "that of the command")})


class DmaWrite(StructComponent):
    """Commands become INCR bursts of full-width beats; a beat of ``done`` says that one has ended.

    A burst ends at an aligned multiple of ``burst_bytes`` or with its command, so none crosses
    4 KiB. Of a command's last beat only the bytes that belong to it are strobed. As many as
    ``outstanding`` bursts wait for their responses; the beats of a burst follow those of the one
    before without a gap. Address, data and strobes wait in registers until they are taken, each
    channel for itself.

    Latency: an address is valid 2 cycles after the command was taken; ``data`` are taken from
    that cycle on and are valid at the bus a cycle later. ``data.ready`` follows the bus's ready.
    ``done`` comes a cycle after the last response of its command; no response is taken while it
    waits.

    ``abort`` (a pulse, or longer): commands are forgotten, also one taken in that cycle, and no
    ``done`` comes for them (one that waits is withdrawn); no address becomes valid that was not
    before. A burst that was issued gets the beats that it misses without strobes, which takes
    none of ``data``: its owner throws away what is left there. Commands are taken again once all
    responses have come; ``idle`` (from the next cycle on) says that they have.

    Parameters
    ----------
    bus:
        widths.
    tag_bits:
        of the tag, 1 at least.
    length_bits:
        of a command's length in bytes.
    burst_bytes:
        longest burst: 128, 256, ... 4096; shorter where 256 beats are.
    outstanding:
        bursts without a response, at most.
    parts:
        equal parts of a beat that ``data`` may bring one after another: the register in which the
        beat waits for the bus is the one in which it is put together.

    Ports
    -----
    command, data, done:
        streams, see :func:`write_command_layout`, :func:`write_data_layout` and
        :func:`done_layout`. Commands and data need not stay as they are until they are taken.
    abort:
        see above.
    idle:
        nothing is left of the commands that were taken, and nothing on its way.
    m_axi_aw, m_axi_w, m_axi_b:
        the bus.
    """

    def __init__(self, bus: Axi4, *, tag_bits: int = 1, length_bits: int = 16,
                 burst_bytes: int = 4096, outstanding: int = 8, parts: int = 1) -> None:
        if tag_bits < 1:
            raise ValueError(f"tag_bits must be positive; got {tag_bits}")
        self.bus, self.tag_bits, self.length_bits = bus, tag_bits, length_bits
        self.outstanding, self.burst_bytes = outstanding, bus.burst_bytes(burst_bytes)
        if 2**length_bits <= self.burst_bytes:
            raise ValueError(f"length_bits must hold more than a burst; got {length_bits}")
        if parts < 1 or bus.data_bits % parts:
            raise ValueError(f"parts must divide {bus.data_bits} bits; got {parts}")
        self.parts = parts
        self.parameters = (bus, tag_bits, length_bits, self.burst_bytes, outstanding, parts)
        super().__init__({
            "command": In(stream.Signature(write_command_layout(bus, tag_bits, length_bits))),
            "data": In(stream.Signature(write_data_layout(bus, parts))),
            "done": Out(stream.Signature(done_layout(tag_bits))),
            "abort": In(flag("forget all commands")),
            "idle": Out(flag("nothing is on its way")), **bus.write_members()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, tag = self.bus, Field(self.tag_bits, "that of the command")
        # pairs of bytes in the last beat of a command, 0 for a whole one
        tail = Field(bus.size - 1, "pairs of bytes in the last beat", name="unsigned")
        command, address, write = self.command, self.m_axi_aw, self.m_axi_w

        aborting = Signal()
        stop = Signal()
        m.d.comb += stop.eq(self.abort | aborting)
        m.d.sync += aborting.eq(self.abort | (aborting & ~self.idle))

        m.submodules.splitter = splitter = BurstSplitter(
            bus.address_bits - bus.size, self.length_bits - bus.size,
            self.burst_bytes // bus.beat_bytes, {"tag": tag, "tail": tail})
        run, burst = splitter.run, splitter.burst
        last_pair = Signal(self.length_bits - 1)
        m.d.comb += [
            last_pair.eq(command.payload.length[1:] - 1),
            run.valid.eq(command.valid & (command.payload.length[1:] != 0)),
            command.ready.eq(run.ready), splitter.drop.eq(stop),
            run.payload.address.eq(command.payload.address[bus.size:]),
            run.payload.last.eq(last_pair[bus.size - 1:]),
            run.payload.tail.eq(command.payload.length[1:bus.size]),
            run.payload.tag.eq(command.payload.tag)]
        m.submodules.queue = queue = ShiftQueue(
            data.StructLayout({"final": flag("last burst of the command"), "tag": tag}),
            self.outstanding)
        address_valid = Signal()
        address_block = Signal(bus.address_bits - bus.size, reset_less=True)
        address_last = Signal(len(burst.payload.last), reset_less=True)
        address_free = Signal()
        issue = Signal()
        # beats of the last burst issued that are not in the data register yet
        filling = Signal()
        left = Signal(len(burst.payload.last), reset_less=True)
        left_final = Signal(reset_less=True)
        left_tail = Signal(bus.size - 1, reset_less=True)
        ends = Signal()
        m.d.comb += [
            address_free.eq(~address_valid | address.ready),
            burst.ready.eq(address_free & queue.push.ready & ~stop & (~filling | ends)),
            issue.eq(burst.valid & burst.ready),
            queue.push.valid.eq(issue), queue.push.payload.final.eq(burst.payload.final),
            queue.push.payload.tag.eq(burst.payload.tag)]
        m.d.sync += address_valid.eq(issue | (address_valid & ~address.ready))
        with m.If(issue):
            m.d.sync += [address_block.eq(burst.payload.address),
                         address_last.eq(burst.payload.last)]
        m.d.comb += [address.valid.eq(address_valid),
                     address.payload.addr.eq(Cat(Const(0, bus.size), address_block)),
                     address.payload.len.eq(address_last)]
        bus.drive_constants(m, address)

        # data
        write_valid = Signal()
        write_data = Signal(bus.data_bits, reset_less=True)
        write_pairs = Signal(bus.beat_bytes // 2, reset_less=True)
        write_last = Signal(reset_less=True)
        write_free = Signal()
        comes = Signal()
        full = Signal()
        step = Signal()
        is_last = Signal()
        strobes = Signal(bus.beat_bytes // 2)
        whole = Signal()
        m.d.comb += [
            write_free.eq(~write_valid | write.ready), is_last.eq(left == 0),
            comes.eq(self.data.valid & self.data.ready),
            full.eq(self.data.payload.full if self.parts > 1 else 1),
            step.eq((comes & full) | (filling & write_free & aborting)),
            ends.eq(step & is_last), self.data.ready.eq(filling & write_free & ~aborting),
            whole.eq(~(is_last & left_final) | (left_tail == 0)),
            strobes.eq(Cat(~aborting & (whole | (left_tail > i)) for i in range(len(strobes))))]
        m.d.sync += [filling.eq(issue | (filling & ~ends)),
                     write_valid.eq(step | (write_valid & ~write.ready))]
        with m.If(issue):
            m.d.sync += [left.eq(burst.payload.last), left_final.eq(burst.payload.final),
                         left_tail.eq(burst.payload.tail)]
        with m.Elif(step):
            m.d.sync += left.eq(left - 1)
        width = bus.data_bits // self.parts
        for i in range(self.parts):
            here = comes & self.data.payload.places[i] if self.parts > 1 else comes
            with m.If(here):
                m.d.sync += write_data.word_select(i, width).eq(
                    self.data.payload.data.word_select(i, width))
        with m.If(step):
            m.d.sync += [write_pairs.eq(strobes), write_last.eq(is_last)]
        m.d.comb += [write.valid.eq(write_valid), write.payload.data.eq(write_data),
                     write.payload.last.eq(write_last)]
        m.d.comb += [write.payload.strb[i].eq(write_pairs[i // 2]) for i in range(bus.beat_bytes)]

        # responses. The queue's oldest entry is the burst that the response belongs to
        response, oldest, done = self.m_axi_b, queue.pop, self.done
        is_open = Signal(name="open")
        done_valid = Signal()
        done_error = Signal(reset_less=True)
        done_tag = Signal(self.tag_bits, reset_less=True)
        wrong = Signal()
        found = Signal()
        answered = Signal()
        done_stays = Signal()
        m.d.comb += [
            response.ready.eq(is_open), answered.eq(response.valid & is_open & oldest.valid),
            oldest.ready.eq(answered), found.eq(wrong | response.payload.resp[1]),
            done_stays.eq(~stop & ((answered & oldest.payload.final) |
                                   (done_valid & ~done.ready))),
            done.valid.eq(done_valid), done.payload.error.eq(done_error),
            done.payload.tag.eq(done_tag),
            self.idle.eq(~splitter.busy & ~oldest.valid)]
        # open is "not done", but for reset, in which nothing is taken
        m.d.sync += [done_valid.eq(done_stays), is_open.eq(~done_stays)]
        with m.If(aborting):
            m.d.sync += wrong.eq(0)
        with m.Elif(answered):
            m.d.sync += wrong.eq(found & ~oldest.payload.final)
        with m.If(answered & oldest.payload.final):
            m.d.sync += [done_error.eq(found), done_tag.eq(oldest.payload.tag)]
        return m
