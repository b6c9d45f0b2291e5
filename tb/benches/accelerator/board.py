"""What stands around the accelerator in its bench: memory on AXI4, a host on AXI4-Lite.

All channels stall at random, reads and writes answer after random times, in order; where ``fails``
says so with an error. Protocol rules are asserted as they come by: stable payloads while valid
waits, bursts within 4 KiB, last beats where they belong.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from lowbit.golden.registers import RegisterMap
from lowbit.tb.benches.streams import Mood

__all__ = ["Board", "OKAY", "SLVERR", "DECERR"]

OKAY, SLVERR, DECERR = 0, 2, 3


class _Sender:
    """Drives a channel towards the design."""

    def __init__(self, dut: Any, name: str, fields: tuple[str, ...], mood: Mood) -> None:
        self.valid = getattr(dut, f"{name}valid")
        self.ready = getattr(dut, f"{name}ready")
        self.fields = {field: getattr(dut, f"{name}{field}") for field in fields}
        self.mood, self.waiting = mood, deque[dict[str, int]]()
        self.driving = False
        self.valid.value = 0

    def step(self) -> bool:
        """After an edge, with the values from before it: was a beat taken? Drives the next."""
        moved = self.driving and int(self.ready.value) == 1
        if moved:
            self.waiting.popleft()
            self.driving = False
        if not self.driving:
            if self.waiting and not self.mood.idle():
                for field, value in self.waiting[0].items():
                    self.fields[field].value = value
                self.driving = True
            self.valid.value = int(self.driving)
        return moved


class _Receiver:
    """Takes a channel's beats from the design."""

    def __init__(self, dut: Any, name: str, fields: tuple[str, ...], mood: Mood) -> None:
        self.name, self.mood = name, mood
        self.valid = getattr(dut, f"{name}valid")
        self.ready = getattr(dut, f"{name}ready")
        self.fields = {field: getattr(dut, f"{name}{field}") for field in fields}
        self.open = False
        self.pending: dict[str, int] | None = None
        self.ready.value = 0

    def step(self) -> dict[str, int] | None:
        beat = None
        if int(self.valid.value):
            now = {field: int(handle.value) for field, handle in self.fields.items()}
            assert self.pending in (None, now), f"{self.name}: a waiting beat changed"
            beat, self.pending = (now, None) if self.open else (None, now)
        else:
            assert self.pending is None, f"{self.name}: valid fell before the beat was taken"
        is_open = not self.mood.idle()
        if is_open != self.open:
            self.ready.value = int(is_open)
            self.open = is_open
        return beat


class Board:
    """``memory``: uint8 from address 0 on; beyond it the bus answers with DECERR.

    ``latency``: cycles from an address to the first beat (of a write's last beat to its response),
    drawn for each burst; ``fails(address)``: the response to a beat there.
    """

    def __init__(self, dut: Any, registers: RegisterMap, memory: NDArray[np.uint8], data_bits: int,
                 rng: random.Random, stall: float, latency: Callable[[], int]) -> None:
        self.dut, self.registers, self.memory = dut, registers, memory
        self.bytes, self.rng, self.stall, self.latency = data_bits // 8, rng, stall, latency
        self.fails: Callable[[int], int] = lambda address: OKAY
        self.now = 0
        self.edge = RisingEdge(dut.clk)
        self.restart()

    def restart(self) -> None:
        """As after a reset: nothing is on its way."""
        dut = self.dut

        def mood() -> Mood:
            return Mood(self.rng, self.stall)

        address = ("addr", "len")
        self.ar = _Receiver(dut, "m_axi_ar", address, mood())
        self.aw = _Receiver(dut, "m_axi_aw", address, mood())
        self.w = _Receiver(dut, "m_axi_w", ("data", "strb", "last"), mood())
        self.r = _Sender(dut, "m_axi_r", ("data", "resp", "last"), mood())
        self.b = _Sender(dut, "m_axi_b", ("resp",), mood())
        self.host = {name: _Sender(dut, f"s_axi_{name}", fields, mood()) for name, fields in (
            ("aw", ("addr",)), ("w", ("data", "strb")), ("ar", ("addr",)))}
        self.answers = {name: _Receiver(dut, f"s_axi_{name}", fields, mood())
                        for name, fields in (("b", ("resp",)), ("r", ("data", "resp")))}
        self.replies: dict[str, deque[dict[str, int]]] = {"b": deque(), "r": deque()}
        self.reading: deque[tuple[int, int, int]] = deque()     # when, address, beats
        self.writing: deque[tuple[int, int]] = deque()          # address, beats
        self.beats: deque[dict[str, int]] = deque()
        self.answering: deque[tuple[int, int]] = deque()        # when, response
        self.written, self.verdict = 0, OKAY

    @property
    def writes(self) -> bool:
        """Is a write under way: asked for, and its response not taken yet?"""
        return bool(self.aw.pending or self.writing or self.answering or self.b.waiting)

    # -- a cycle ------------------------------------------------------------------------------
    async def cycle(self) -> None:
        await self.edge
        self.now += 1
        if burst := self.ar.step():
            self._check(burst)
            self.reading.append((self.now + self.latency(), burst["addr"], burst["len"] + 1))
        if burst := self.aw.step():
            self._check(burst)
            self.writing.append((burst["addr"], burst["len"] + 1))
        if beat := self.w.step():
            self.beats.append(beat)
        self.r.step()
        self.b.step()
        if self.reading and self.reading[0][0] <= self.now and not self.r.waiting:
            _, address, beats = self.reading.popleft()
            for i in range(beats):
                at = address + i * self.bytes
                data = int.from_bytes(self.memory[at:at + self.bytes].tobytes(), "little")
                self.r.waiting.append({"data": data, "resp": self._response(at),
                                       "last": int(i == beats - 1)})
        while self.beats and self.writing:
            self._write(self.beats.popleft())
        if self.answering and self.answering[0][0] <= self.now:
            self.b.waiting.append({"resp": self.answering.popleft()[1]})
        for sender in self.host.values():
            sender.step()
        for name, receiver in self.answers.items():
            if beat := receiver.step():
                self.replies[name].append(beat)

    def _check(self, burst: dict[str, int]) -> None:
        first, size = burst["addr"], (burst["len"] + 1) * self.bytes
        assert first % self.bytes == 0, f"an address is not aligned: {first:#x}"
        assert first // 4096 == (first + size - 1) // 4096, f"a burst crosses 4 KiB: {first:#x}"

    def _response(self, address: int) -> int:
        return DECERR if address + self.bytes > len(self.memory) else self.fails(address)

    def _write(self, beat: dict[str, int]) -> None:
        address, beats = self.writing[0]
        at = address + self.written * self.bytes
        response = self._response(at)
        self.verdict = max(self.verdict, response)
        if response == OKAY and beat["strb"]:
            mask = np.frombuffer(beat["strb"].to_bytes(8, "little"), np.uint8)
            strobes = np.unpackbits(mask, bitorder="little")[:self.bytes].astype(bool)
            data = np.frombuffer(beat["data"].to_bytes(self.bytes, "little"), np.uint8)
            self.memory[at:at + self.bytes][strobes] = data[strobes]
        self.written += 1
        assert beat["last"] == (self.written == beats), "last is not at the end of its burst"
        if self.written == beats:
            self.writing.popleft()
            self.answering.append((self.now + self.latency(), self.verdict))
            self.written, self.verdict = 0, OKAY

    # -- the host -----------------------------------------------------------------------------
    async def write(self, register: str, value: int) -> None:
        """Write a register."""
        self.host["aw"].waiting.append({"addr": self.registers[register].address})
        self.host["w"].waiting.append({"data": value, "strb": 15})
        await self._reply("b")

    async def read(self, register: str) -> int:
        """Read a register."""
        self.host["ar"].waiting.append({"addr": self.registers[register].address})
        return (await self._reply("r"))["data"]

    async def _reply(self, channel: str) -> dict[str, int]:
        for _ in range(1000):
            if self.replies[channel]:
                reply = self.replies[channel].popleft()
                assert reply["resp"] == OKAY, "a register access was refused"
                return reply
            await self.cycle()
        raise AssertionError("the registers do not answer")
