"""A UART in two halves: 8 data bits, lowest first, no parity, one stop bit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Receiver(wiring.Component):
    """``valid`` for one cycle with each byte at ``data``; a byte without a stop bit is dropped.

    ``divisor``: clock cycles of a bit, 4 or more.
    """

    def __init__(self, divisor: int) -> None:
        if divisor < 4:
            raise ValueError(f"divisor must be 4 or more; got {divisor}")
        self.divisor = divisor
        super().__init__({"rx": In(1), "data": Out(8), "valid": Out(1)})

    def elaborate(self, platform: object) -> Any:
        m = Module()
        # the line is asynchronous: two registers before anything looks at it; idle is high
        met = Signal(init=1)
        line = Signal(init=1)
        pause = Signal(range(self.divisor + self.divisor // 2))
        left = Signal(range(10))        #: bits of the byte to come, the stop bit is the last
        m.d.sync += [met.eq(self.rx), line.eq(met), self.valid.eq(0)]
        with m.If(left == 0):           # after a start bit, the middle of the first data bit
            m.d.sync += pause.eq(self.divisor + self.divisor // 2 - 1)
            with m.If(~line):
                m.d.sync += left.eq(9)
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.Else():
            m.d.sync += [left.eq(left - 1), pause.eq(self.divisor - 1)]
            with m.If(left == 1):
                m.d.sync += self.valid.eq(line)
            with m.Else():
                m.d.sync += self.data.eq(Cat(self.data[1:], line))
        return m


class Transmitter(wiring.Component):
    """Takes a byte at ``data`` when ``valid`` and ``ready`` are set."""

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor
        super().__init__({"data": In(8), "valid": In(1), "ready": Out(1),
                          "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Any:
        m = Module()
        pause = Signal(range(self.divisor))
        left = Signal(range(11))        #: bits to come: start, eight, stop
        bits = Signal(9)
        m.d.comb += self.ready.eq(left == 0)
        with m.If(left == 0):
            m.d.sync += [pause.eq(self.divisor - 1), bits.eq(Cat(self.data, Const(1, 1)))]
            with m.If(self.valid):
                m.d.sync += [left.eq(10), self.tx.eq(0)]
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.Else():
            m.d.sync += [left.eq(left - 1), pause.eq(self.divisor - 1), self.tx.eq(bits[0]),
                         bits.eq(Cat(bits[1:], Const(1, 1)))]
        return m
