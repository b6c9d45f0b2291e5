"""Valid/ready streams in cocotb benches: sources and sinks with random stalls, one cycle loop.

Ports are packed vectors, so a beat is a few Python integers; everything a stream needs per cycle
is one read of a handshake bit and, when something moves, one write per field.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge, Timer

from lowbit.tb.benches.recorder import start_recording

__all__ = ["Source", "Sink", "Streams", "Feed", "Bench", "load_plan", "report"]

Beat = dict[str, int]
#: cycles after the last beat that was due
REST = 64


def load_plan() -> dict[str, Any]:
    """What the driver asks of this run: parameters, seed, vectors."""
    plan: dict[str, Any] = json.loads(Path(os.environ["LOWBIT_PLAN"]).read_text())
    return plan


def report(**stats: Any) -> None:
    """Write a run's figures to where the driver wants them."""
    path = os.environ.get("LOWBIT_STATS")
    if path:
        Path(path).write_text(json.dumps(stats))


class Mood:
    """When a stream idles: with probability ``stall`` in some stretches of cycles, in others never.

    So one run has every stream wait for every other, and stretches in which none waits.
    """

    def __init__(self, rng: random.Random, stall: float) -> None:
        self.rng, self.stall = rng, stall
        self.left, self.now = 0, 0.0

    def idle(self) -> bool:
        """Does the stream idle in this cycle?"""
        if self.stall == 0:
            return False
        if self.left == 0:
            self.left, self.now = self.rng.randrange(10, 100), self.rng.choice((0.0, self.stall))
        self.left -= 1
        return self.rng.random() < self.now


class Source:
    """Drives a stream from a list of beats; idles as a :class:`Mood` says, fields scrambled.

    With probability ``withdraw`` a beat that was not taken goes away for a while, which no bus
    does and no design may suffer from. ``may`` says whether beat i is there to be driven.
    """

    def __init__(self, dut: Any, name: str, beats: Sequence[Beat], rng: random.Random,
                 stall: float, *, withdraw: float = 0.0,
                 may: Callable[[int], bool] = lambda i: True) -> None:
        self.valid, self.ready = getattr(dut, f"{name}_valid"), getattr(dut, f"{name}_ready")
        self.name, self.beats, self.rng, self.mood = name, beats, rng, Mood(rng, stall)
        self.withdraw, self.may = withdraw, may
        names = beats[0] if beats else {}
        self.fields = {field: getattr(dut, f"{name}_{field}") for field in names}
        self.widths = {field: len(handle) for field, handle in self.fields.items()}
        self.next = 0
        self.driving = False
        self.valid.value = 0

    @property
    def done(self) -> bool:
        return self.next == len(self.beats)

    def drive(self, moved: bool) -> None:
        """After a clock edge: present the next beat, or go idle."""
        if moved:
            self.next += 1
            self.driving = False
        gone = False
        if self.driving:
            if not self.withdraw or self.rng.random() >= self.withdraw:
                return
            gone, self.driving = True, False
        if self.done or gone or self.mood.idle() or not self.may(self.next):
            self.valid.value = 0
            for field, handle in self.fields.items():
                handle.value = self.rng.getrandbits(self.widths[field])
            return
        for field, value in self.beats[self.next].items():
            self.fields[field].value = value
        self.valid.value = 1
        self.driving = True

    def at_rest(self) -> bool:
        """In reset: nothing is taken."""
        return int(self.ready.value) == 0

    def moves(self) -> bool:
        """Before a clock edge: will the beat be taken?"""
        return self.driving and int(self.ready.value) == 1


class Sink:
    """Takes beats and hands them to ``check(fields)``; not ready as a :class:`Mood` says."""

    def __init__(self, dut: Any, name: str, fields: Sequence[str], check: Callable[[Beat], None],
                 rng: random.Random, stall: float) -> None:
        self.valid, self.ready = getattr(dut, f"{name}_valid"), getattr(dut, f"{name}_ready")
        self.fields = {field: getattr(dut, f"{name}_{field}") for field in fields}
        self.check, self.stall, self.mood = check, stall, Mood(rng, stall)
        self.open = False
        self.ready.value = 0
        self.pending: Beat | None = None

    def drive(self, moved: bool) -> None:
        is_open = not self.mood.idle()
        if is_open != self.open:
            self.ready.value = int(is_open)
            self.open = is_open

    def at_rest(self) -> bool:
        """In reset: nothing is there."""
        return int(self.valid.value) == 0

    def moves(self) -> bool:
        valid = int(self.valid.value) == 1
        if not valid:
            assert self.pending is None, "valid fell before the beat was taken"
            return False
        if not self.open and self.stall == 0:
            return False
        beat = {field: int(handle.value) for field, handle in self.fields.items()}
        assert self.pending in (None, beat), "a waiting beat changed"
        if not self.open:
            self.pending = beat
            return False
        self.pending = None
        self.check(beat)
        return True


Streams = list[Source | Sink]


class End(Protocol):
    """What takes part in the cycle loop: the methods of :class:`Source` and :class:`Sink`."""

    def drive(self, moved: bool) -> None: ...
    def at_rest(self) -> bool: ...
    def moves(self) -> bool: ...


AnEnd = TypeVar("AnEnd", bound=End)


class Feed:
    """Drives a stream as fast as it is taken; a beat of None means that none is there yet."""

    def __init__(self, dut: Any, name: str, beats: Iterator[Beat | None]) -> None:
        self.valid, self.ready = getattr(dut, f"{name}_valid"), getattr(dut, f"{name}_ready")
        self.dut, self.name, self.beats = dut, name, beats
        self.fields: dict[str, Any] = {}
        self.held: Beat = {}
        self.driving = False
        self.valid.value = 0
        self.next()

    def next(self) -> None:
        """Present the next beat; a field that keeps its value is not written again."""
        beat = next(self.beats, None)
        if beat is None:
            if self.driving:
                self.valid.value = 0
            self.driving = False
            return
        held = self.held
        for field, value in beat.items():
            if held.get(field) != value:
                if field not in self.fields:
                    self.fields[field] = getattr(self.dut, f"{self.name}_{field}")
                self.fields[field].value = value
        self.held = beat
        if not self.driving:
            self.valid.value = 1
            self.driving = True

    def step(self) -> bool:
        """After an edge: move on if the beat was taken at it. Reads values from before the edge."""
        if self.driving and not int(self.ready.value):
            return False
        moved = self.driving
        self.next()
        return moved


class Bench:
    """Clock, reset and the cycle loop over all streams of a design."""

    def __init__(self, dut: Any, period: int = 10) -> None:
        self.dut = dut
        #: streams go through buffers (:mod:`.axis`): cycles are not those of the design
        self.is_buffered = bool(getattr(dut, "is_buffered", False))
        self.cycles = 0
        self.clock = Clock(dut.clk, period, "ns")
        self.started = 0.0

    def start(self) -> None:
        """Start the clock, and the recording of the ports where the plan asks for one."""
        start_recording(self.dut, load_plan())
        self.clock.start()

    async def reset(self, streams: Callable[[], list[AnEnd]] = list) -> list[AnEnd]:
        """Start the clock (the first time) and reset; returns the ``streams`` made on the way,
        of which none may be valid or ready in reset.

        The first time three cycles, with the streams idle; later the shortest that must do, one
        cycle of ``rst`` or a pulse of ``rst_n`` that no clock edge sees, in the midst of what the
        old streams do.
        """
        again = self.started > 0
        synchronous = hasattr(self.dut, "rst")
        if not synchronous and not hasattr(self.dut, "rst_n"):      # nothing to reset
            self.start()
            await RisingEdge(self.dut.clk)
            self.started = time.perf_counter()
            return streams()
        reset, active = (self.dut.rst, 1) if synchronous else (self.dut.rst_n, 0)
        if not again:
            made = streams()
            self.start()
            reset.value = active
            for _ in range(3):
                await RisingEdge(self.dut.clk)
            await FallingEdge(self.dut.clk)
        else:
            if synchronous:
                reset.value = active
                await RisingEdge(self.dut.clk)
                await FallingEdge(self.dut.clk)
            else:
                await FallingEdge(self.dut.clk)
                reset.value = active
                await Timer(1, "ns")
            made = streams()
        assert all(stream.at_rest() for stream in made), "a stream is valid or ready in reset"
        reset.value = 1 - active
        await RisingEdge(self.dut.clk)
        self.started = time.perf_counter()
        return made

    async def run(self, streams: Sequence[End], done: Callable[[], bool],
                  idle_limit: int = 2000, limit: int | None = None, more: bool = False) -> None:
        """Cycle until ``done()``; fails when nothing moves for ``idle_limit`` cycles. ``limit``
        breaks off after so many cycles; ``more``: there is more to come than is waited for.

        A run with neither goes on for :data:`REST` cycles, which do not count: a design must not
        have more than was due.
        """
        clock, idle = self.dut.clk, 0
        end = None if limit is None else self.cycles + limit
        moved = [False] * len(streams)
        edge, settled = RisingEdge(clock), ReadOnly()

        async def cycle() -> None:
            for i, stream in enumerate(streams):
                stream.drive(moved[i])
            await settled
            moved[:] = [stream.moves() for stream in streams]
            await edge

        while not done() and self.cycles != end:
            await cycle()
            idle = 0 if any(moved) else idle + 1
            assert idle < idle_limit, f"no stream moved for {idle_limit} cycles"
            self.cycles += 1
        for _ in range(REST if limit is None and not more else 0):
            await cycle()
            assert done(), "a design had more than was due"

    def report(self, **stats: Any) -> None:
        """Write the run's figures to where the driver wants them."""
        report(cycles=self.cycles, seconds=time.perf_counter() - self.started, **stats)
