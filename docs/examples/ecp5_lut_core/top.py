"""A design's streams behind a UART: beats wait in block memories and play when told to.

From the host, a command is a letter; numbers are two bytes, the low one first:

=====  =========================================  ==================================================
``?``                                             answers ``L``
``W``  stream (one byte), beats, the beats        keeps beats of an input stream, from the first on
``R``  beats of each input stream, in order       sends the first so many beats of each to the
                                                  design
=====  =========================================  ==================================================

A beat is its payload, fields in the order of the manifest, lowest bit first, in whole bytes, low
byte first. Result beats come back in the same form, as soon as they leave the design. Other letters
are passed over. A host waits for the results of a run before it sends another command: the line has
no flow control.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from uart import Receiver, Transmitter

from lowbit.hdl.common.design import Design
from lowbit.hdl.fabric.bank import Bank

BEATS = 512     #: that a stream's memory holds


def beat_bytes(bits: int) -> int:
    return -(-bits // 8)


class Player(wiring.Component):
    """A memory of beats. ``play`` sends the first ``count`` of them, one a cycle."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({
            "write": In(1), "address": In(range(BEATS)), "data": In(width), "play": In(1),
            "count": In(16), "beat": Out(width), "valid": Out(1), "ready": In(1)})

    def elaborate(self, platform: object) -> Any:
        m = Module()
        m.submodules.bank = bank = Bank(self.width, BEATS)
        left = Signal(16)
        reads = Signal()
        place = Signal(range(BEATS))
        m.d.comb += [
            bank.write.eq(self.write), bank.write_address.eq(self.address),
            bank.write_data.eq(self.data), reads.eq((left != 0) & (~self.valid | self.ready)),
            bank.read.eq(reads), bank.read_address.eq(place), self.beat.eq(bank.read_data)]
        m.d.sync += self.valid.eq(reads | (self.valid & ~self.ready))
        with m.If(reads):
            m.d.sync += [left.eq(left - 1), place.eq(place + 1)]
        with m.If(self.play):
            m.d.sync += [left.eq(self.count), place.eq(0)]
        return m


class StreamsOverUart(wiring.Component):
    """``design`` behind pins ``rx`` and ``tx``; ``busy``: results are on their way.

    ``divisor``: clock cycles of a bit on the line.
    """

    def __init__(self, design: Design[Any], divisor: int) -> None:
        self.design, self.divisor = design, divisor
        self.inputs = [name for name, member in design.signature.members.items()
                       if member.flow is In]
        [self.output] = [name for name in design.signature.members if name not in self.inputs]
        super().__init__({"rx": In(1), "tx": Out(1), "busy": Out(1)})

    def width(self, stream: str) -> int:
        return len(getattr(self.design, stream).payload.as_value())

    def elaborate(self, platform: object) -> Any:
        m = Module()
        m.submodules.core = self.design
        m.submodules.receiver = receiver = Receiver(self.divisor)
        m.submodules.transmitter = transmitter = Transmitter(self.divisor)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        answer = self._commands(m, receiver)
        self._results(m, transmitter, answer)
        return m

    def _commands(self, m: Module, receiver: Receiver) -> Signal:
        """Bytes from the host; the result: a question came."""
        sizes = [beat_bytes(self.width(name)) for name in self.inputs]
        stream = Signal(8)
        running = Signal()
        low = Signal(8)
        count = Signal(16)
        address = Signal(range(BEATS))
        part = Signal(range(max(sizes)))    #: bytes of a beat that are here
        parts = Signal(8 * max(sizes) - 8)  #: those before the last one
        word = Signal(8 * max(sizes))
        whole = Signal()
        number = Signal(16)
        answer = Signal()
        m.d.comb += [word.eq(Cat(parts, receiver.data)), number.eq(Cat(low, receiver.data))]
        with m.Switch(stream):
            for index, size in enumerate(sizes):
                with m.Case(index):
                    m.d.comb += whole.eq(part == size - 1)
        writes = Signal()
        plays = Signal()
        with m.If(receiver.valid), m.FSM():     # every state waits for a byte
            with m.State("COMMAND"):
                m.d.sync += [stream.eq(0), address.eq(0), part.eq(0)]
                m.d.sync += running.eq(receiver.data == ord("R"))
                m.d.comb += answer.eq(receiver.data == ord("?"))
                with m.If(receiver.data == ord("W")):
                    m.next = "STREAM"
                with m.If(receiver.data == ord("R")):
                    m.next = "LOW"
            with m.State("STREAM"):
                m.d.sync += stream.eq(receiver.data)
                m.next = "LOW"
            with m.State("LOW"):
                m.d.sync += low.eq(receiver.data)
                m.next = "HIGH"
            with m.State("HIGH"):
                m.d.comb += plays.eq(running)
                m.d.sync += count.eq(number)
                with m.If(running):
                    m.d.sync += stream.eq(stream + 1)
                    m.next = "LOW"
                    with m.If(stream == len(sizes) - 1):
                        m.next = "COMMAND"
                with m.Else():
                    m.next = "BEATS"
                    with m.If(number == 0):
                        m.next = "COMMAND"
            with m.State("BEATS"):
                m.d.comb += writes.eq(whole)
                m.d.sync += [parts.eq(word[8:]), part.eq(Mux(whole, 0, part + 1))]
                with m.If(whole):
                    m.d.sync += [address.eq(address + 1), count.eq(count - 1)]
                    with m.If(count == 1):
                        m.next = "COMMAND"
        for index, (name, size) in enumerate(zip(self.inputs, sizes, strict=True)):
            player = Player(self.width(name))
            m.submodules[f"{name}_player"] = player
            port = getattr(self.design, name)
            m.d.comb += [
                player.write.eq(writes & (stream == index)), player.address.eq(address),
                player.data.eq(word[8 * (max(sizes) - size):]),
                player.play.eq(plays & (stream == index)), player.count.eq(number),
                port.payload.eq(player.beat), port.valid.eq(player.valid),
                player.ready.eq(port.ready)]
        return answer

    def _results(self, m: Module, transmitter: Transmitter, answer: Signal) -> None:
        """Result beats, byte by byte."""
        port = getattr(self.design, self.output)
        size = beat_bytes(self.width(self.output))
        left = Signal(range(size + 1))
        parts = Signal(8 * size)
        m.d.comb += [
            port.ready.eq(left == 0), self.busy.eq(left != 0), transmitter.valid.eq(left != 0),
            transmitter.data.eq(parts[:8])]
        with m.If(left == 0):
            with m.If(port.valid):
                m.d.sync += [left.eq(size), parts.eq(port.payload)]
            with m.Elif(answer):
                m.d.sync += [left.eq(1), parts.eq(Const(ord("L"), 8))]
        with m.Elif(transmitter.ready):
            m.d.sync += [left.eq(left - 1), parts.eq(parts >> 8)]
