"""Memories behind an AXI4 master in cocotb benches: cocotbext-axi's slaves, who check the protocol
(bursts, 4 KiB, last), with a latency that overlaps, pauses and errors at random."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import cocotb
from cocotb.queue import Queue
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiReadBus, AxiResp, AxiSlaveRead, AxiSlaveWrite, AxiWriteBus

__all__ = ["Reads", "Writes", "content"]

PERIOD = 10     #: of the clock, in ns


def content(address: int, size: int) -> bytes:
    """What lies in memory at the aligned ``address``: up to 64 bytes."""
    return hashlib.blake2b(address.to_bytes(8, "little")).digest()[:size]


def pauses(rng: random.Random, stall: float) -> Iterator[bool]:
    """For ever: whether a channel pauses, in stretches often and in stretches never."""
    while True:
        now = rng.choice((0.0, stall))
        for _ in range(rng.randrange(10, 100)):
            yield rng.random() < now


class Delay:
    """A queue whose items come out in order, each some cycles after it was put in."""

    def __init__(self, clock: Any, latency: Callable[[], int]) -> None:
        self.clock, self.latency = clock, latency
        self.items: Queue[tuple[float, Any]] = Queue()

    def put(self, item: Any) -> None:
        due = get_sim_time("ns") + self.latency() * PERIOD
        self.items.put_nowait((due, item))

    async def get(self) -> Any:
        due, item = await self.items.get()
        while get_sim_time("ns") < due:
            await RisingEdge(self.clock)
        return item


class Late:
    """The receiving side of a channel, some cycles late: any number of items may be on the way."""

    def __init__(self, channel: Any, delay: Delay) -> None:
        self.channel, self.delay = channel, delay
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            self.delay.put(await self.channel.recv())

    async def recv(self) -> Any:
        return await self.delay.get()

    def clear(self) -> None:
        self.channel.clear()


class Reads(AxiSlaveRead):
    """Answers reads with :func:`content`; beats at the addresses of which ``fails`` says so are
    answered with an error of either kind."""

    ar_channel: Any

    def __init__(self, dut: Any, rng: random.Random, stall: float, latency: Callable[[], int],
                 fails: Callable[[int], bool] = lambda address: False) -> None:
        self.fails, self.rng = fails, rng
        super().__init__(AxiReadBus.from_prefix(dut, "m_axi"), dut.clk)
        send = self.r_channel.send

        async def spoiled(beat: Any) -> None:
            if beat.rresp == AxiResp.SLVERR and rng.random() < 0.5:
                beat.rresp = AxiResp.DECERR
            await send(beat)

        self.r_channel.send = spoiled
        if stall:
            for channel in (self.ar_channel, self.r_channel):
                channel.set_pause_generator(pauses(random.Random(rng.random()), stall))
        self.ar_channel = Late(self.ar_channel, Delay(dut.clk, latency))

    async def _read(self, address: int, length: int) -> bytes:
        if self.fails(address):
            raise ValueError("told to fail")
        return content(address, length)


class Writes(AxiSlaveWrite):
    """Keeps what is written in ``memory``, by byte; bursts of which a beat's address ``fails``
    are answered with an error, and the beat is not written."""

    def __init__(self, dut: Any, rng: random.Random, stall: float, latency: Callable[[], int],
                 fails: Callable[[int], bool] = lambda address: False) -> None:
        self.fails = fails
        self.memory: dict[int, int] = {}
        super().__init__(AxiWriteBus.from_prefix(dut, "m_axi"), dut.clk)
        channel = self.b_channel
        if stall:
            for paused in (self.aw_channel, self.w_channel, channel):
                paused.set_pause_generator(pauses(random.Random(rng.random()), stall))
        delay, send = Delay(dut.clk, latency), channel.send

        async def answer() -> None:
            for _ in itertools.count():
                await send(await delay.get())

        async def later(response: Any) -> None:
            delay.put(response)

        channel.send = later
        cocotb.start_soon(answer())

    async def _write(self, address: int, data: bytes) -> None:
        if self.fails(address // self.byte_lanes * self.byte_lanes):
            raise ValueError("told to fail")
        self.memory.update(enumerate(data, address))
