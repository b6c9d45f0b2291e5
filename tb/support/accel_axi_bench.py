"""Bench of accel with buses of cocotbext-axi: its memory, its register master, pauses at random on
all channels of both. Programs must leave in memory what the golden simulator leaves there.

The bench of ``gen verify`` has a board of its own (``tb/benches/accelerator``), so that users need
no more packages; this one asks an independent judge. The plan: ``parameters``, ``programs``,
``stall``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from lowbit.golden.accelerator.device import Device
from lowbit.golden.accelerator.isa import Error
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.hdl.accelerator.registers import registers_of
from lowbit.tb.benches.accelerator.programs import Program, Programs
from lowbit.tb.benches.streams import Bench, load_plan
from lowbit.tb.support.axi_slaves import PERIOD, pauses

#: bytes of memory
MEMORY = 1 << 20
#: cycles after which a program hangs
LIMIT = 60_000


def unruly(channels: Iterable[Any], rng: random.Random, stall: float) -> None:
    """Channels that pause at random."""
    for channel in channels:
        channel.set_pause_generator(pauses(random.Random(rng.random()), stall))


class Host:
    """Software: registers by their names."""

    def __init__(self, dut: Any, p: AccelParameters, rng: random.Random, stall: float) -> None:
        self.dut, self.map = dut, registers_of(p)
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk)
        write, read = self.bus.write_if, self.bus.read_if
        unruly((write.aw_channel, write.w_channel, write.b_channel, read.ar_channel,
                read.r_channel), rng, stall)

    async def write(self, register: str, value: int) -> None:
        await self.bus.write_dword(self.map[register].address, value)

    async def read(self, register: str) -> int:
        return int(await self.bus.read_dword(self.map[register].address))

    async def run(self, program: Program) -> Error:
        """Start a program and wait for its interrupt; the code of its end."""
        for i, base in enumerate(program.bases):
            await self.write(f"BASE_{i}_LO", base & 0xFFFFFFFF)
            await self.write(f"BASE_{i}_HI", base >> 32)
        await self.write("PROG_LO", program.address)
        await self.write("PROG_LEN", len(program.instructions))
        await self.write("CTRL", 5)             # start, with interrupts
        await with_timeout(self._interrupt(), LIMIT * PERIOD, "ns")
        status = await self.read("STATUS")
        await self.write("STATUS", 6)
        await Timer(2 * PERIOD, "ns")
        assert not int(self.dut.irq.value), "the interrupt stays"
        return Error(status >> 8 & 0xFF)

    async def _interrupt(self) -> None:
        while not int(self.dut.irq.value):
            await RisingEdge(self.dut.clk)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def programs(dut: Any) -> None:
    plan = load_plan()
    p, rng = AccelParameters(**plan["parameters"]), random.Random(plan["seed"])
    memory = np.frombuffer(rng.randbytes(MEMORY), np.uint8).copy()
    drawn = Programs(p, memory, plan["seed"])
    golden = Device(p, memory.copy())
    ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, mem=memory.data)
    write, read = ram.write_if, ram.read_if
    unruly((write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel),
           rng, plan["stall"])
    host = Host(dut, p, rng, plan["stall"])
    bench = Bench(dut)
    await bench.reset(list[Any])
    words = 0
    for i in range(plan["programs"]):
        program = drawn.wrong("bounds_a") if i == 1 else drawn.draw()
        golden.memory[:] = memory
        golden.bases = program.bases
        code = golden.run(program.address, len(program.instructions))
        found = await host.run(program)
        assert found is code is program.expected, f"ends with {found.name}, not {code.name}"
        if code is not Error.NONE:
            continue
        differ = np.flatnonzero(golden.memory != memory)
        assert len(differ) == 0, (f"{len(differ)} bytes differ from the golden simulator, the "
                                  f"first at {differ[0]:#x}")
        assert await host.read("PC") == len(program.instructions)
        words += program.words
    bench.report(words=words, programs=plan["programs"])
