"""Bench of accel: random programs on its buses, all of memory against the golden simulator.

Programs of random layers run one after another, every channel of both buses stalls, memory answers
after random times. Between them run programs with one thing wrong of each kind (the code and that
nothing but results was written are checked), a program that is broken off by CTRL.abort, and a
reset in the midst; the next program must be right again.
"""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np

from lowbit.golden.accelerator.device import Device
from lowbit.golden.accelerator.isa import Error, Op
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.hdl.accelerator.registers import registers_of
from lowbit.tb.benches.accelerator.board import OKAY, SLVERR, Board
from lowbit.tb.benches.accelerator.programs import Program, Programs
from lowbit.tb.benches.streams import Bench, load_plan

#: bytes of memory
MEMORY = 1 << 20
#: cycles after which a program hangs
LIMIT = 60_000


class Run:
    """Programs on the design and in the golden simulator."""

    def __init__(self, dut: Any, p: AccelParameters, seed: int, bench: Bench) -> None:
        self.dut, self.p, self.bench = dut, p, bench
        self.rng = random.Random(seed)
        self.memory = np.frombuffer(self.rng.randbytes(MEMORY), np.uint8).copy()
        self.programs = Programs(p, self.memory, seed)
        self.golden = Device(p, self.memory.copy())
        self.board = Board(dut, registers_of(p), self.memory, p.axi_data, self.rng,
                           self.rng.choice((0.0, 0.2, 0.6)), self._latency)
        self.slow = 1
        self.words = self.programs_run = 0

    def _latency(self) -> int:
        return self.rng.randrange(1, 4) if self.rng.random() < 0.5 else \
            self.rng.randrange(1, 30 * self.slow)

    def harder(self) -> None:
        """Other stalls and latencies."""
        self.board.stall = self.rng.choice((0.0, 0.2, 0.6))
        self.slow = self.rng.choice((1, 1, 10))
        for channel in (self.board.ar, self.board.aw, self.board.w, self.board.r, self.board.b):
            channel.mood.stall = self.board.stall

    async def reset(self) -> None:
        self.board.restart()
        await self.bench.reset()

    async def start(self, program: Program) -> None:
        board = self.board
        fails = program.fails
        size = board.bytes
        board.fails = lambda address: SLVERR if fails and address < fails.stop \
            and address + size > fails.start else OKAY
        for i, base in enumerate(program.bases):
            await board.write(f"BASE_{i}_LO", base & 0xFFFFFFFF)
            await board.write(f"BASE_{i}_HI", base >> 32)
        for name, value in program.settings.items():
            await board.write(name, value)
        await board.write("PROG_LO", program.address)
        await board.write("PROG_LEN", program.length)
        await board.write("CTRL", 5)        # start, with interrupts

    async def end(self) -> Error:
        """Wait for the interrupt; the code of the program's end."""
        for _ in range(LIMIT):
            if int(self.dut.irq.value):
                break
            await self.board.cycle()
        else:
            raise AssertionError("the program does not end")
        assert not self.board.writes, "the program ends before its writes are answered"
        status = await self.board.read("STATUS")
        code = Error(status >> 8 & 0xFF)
        assert status & 7 == (2 if code is Error.NONE else 6), f"STATUS is {status:#x}"
        await self.board.write("STATUS", 6)
        await self.board.cycle()
        assert not int(self.dut.irq.value), "the interrupt stays"
        return code

    def _outside(self, program: Program) -> Any:
        """All of memory but what the program may write."""
        first, last = program.results
        return np.concatenate([self.memory[:first], self.memory[last:]])

    async def right(self, program: Program) -> None:
        """A program that must give what the golden simulator gives."""
        golden = self.golden
        golden.memory[:] = self.memory
        golden.bases, golden.settings = program.bases, program.settings
        code = golden.run(program.address, program.length,
                          self.rng.randrange(1 << 30))
        assert code is Error.NONE, f"the golden simulator ends with {code.name}"
        await self.start(program)
        found = await self.end()
        assert found is Error.NONE, f"the program ends with {found.name}"
        differ = np.flatnonzero(golden.memory != self.memory)
        assert len(differ) == 0, (f"{len(differ)} bytes differ from the golden simulator, the "
                                  f"first at {differ[0]:#x}")
        beats = await self.board.read("BEATS")
        expected = sum(
            (i["planes"] + 1 << i["steps"]) * i["groups"] * i["row_blocks"]
            for i in program.instructions if i.op is Op.LMMA)
        assert beats == expected, f"BEATS is {beats}, not {expected}"
        assert await self.board.read("PC") == len(program.instructions)
        self.words += program.words
        self.programs_run += 1

    async def wrong(self, kind: str) -> None:
        """A program with one thing wrong: its code, and what it leaves alone."""
        program = self.programs.wrong(kind)
        if not program.fails:
            self.golden.memory[:] = self.memory
            self.golden.bases, self.golden.settings = program.bases, program.settings
            code = self.golden.run(program.address, len(program.instructions))
            assert code is program.expected, f"golden, {kind}: {code.name}"
        before = self._outside(program)
        await self.start(program)
        found = await self.end()
        assert found is program.expected, f"{kind}: ends with {found.name}"
        assert (before == self._outside(program)).all(), f"{kind}: wrote outside its results"

    async def aborted(self) -> None:
        """A program that is broken off; perhaps it is over before."""
        program = self.programs.draw()
        before = self._outside(program)
        await self.start(program)
        for _ in range(self.rng.randrange(600)):
            await self.board.cycle()
        await self.board.write("CTRL", 6)
        found = await self.end()
        assert found in (Error.ABORTED, Error.NONE), f"abort: ends with {found.name}"
        assert (before == self._outside(program)).all(), "abort: wrote outside its results"

    async def broken_off(self) -> None:
        """A program that a reset ends."""
        await self.start(self.programs.draw())
        for _ in range(self.rng.randrange(600)):
            await self.board.cycle()
        await self.reset()


@cocotb.test()
async def programs(dut: Any) -> None:
    """Random programs, and between them everything that can go wrong."""
    plan = load_plan()
    p = AccelParameters(**plan["parameters"])
    bench = Bench(dut)
    run = Run(dut, p, plan["seed"], bench)
    await run.reset()
    kinds = list(Programs.KINDS)
    run.rng.shuffle(kinds)
    while run.words < plan["vectors"] or run.programs_run < 3 or kinds:
        run.harder()
        await run.right(run.programs.draw(behind=True))
        for _ in range(2):
            if kinds:
                await run.wrong(kinds.pop())
        if run.programs_run % 2:
            await run.aborted()
        else:
            await run.broken_off()
    await run.right(run.programs.draw(behind=True))
    bench.cycles = run.board.now
    bench.report(words=run.words, mismatches=0, programs=run.programs_run)
