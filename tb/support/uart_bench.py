"""Bench of a design behind a UART: bytes on the pin in, bytes on the pin out.

The plan names the pins ``clock``, ``into``, ``out``, the ``divisor`` (clock cycles of a bit),
``exchanges`` (what is sent and what must come back, as hexadecimal text) and ``skew``, by how many
thousandths the host's bits are longer than the design's.
"""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, FallingEdge, Timer, with_timeout

from lowbit.tb.benches.streams import load_plan, report

#: of the clock, in ps
PERIOD = 40_000


async def _send(pin: Any, data: bytes, bit: int) -> None:
    for byte in data:
        for level in (0, *(byte >> i & 1 for i in range(8)), 1):
            pin.value = level
            await Timer(bit, "ps")


async def _receive(pin: Any, bit: int, bytes_in: Queue[int]) -> None:
    """Bytes, each taken at the middle of its bits; -1 for one without a stop bit."""
    while True:
        await FallingEdge(pin)
        await Timer(bit * 3 // 2, "ps")
        byte = 0
        for i in range(8):
            byte |= int(pin.value) << i
            await Timer(bit, "ps")
        bytes_in.put_nowait(byte if int(pin.value) else -1)


@cocotb.test()
async def exchanges(dut: Any) -> None:
    plan = load_plan()
    bit = PERIOD * plan["divisor"] * (1000 + plan["skew"]) // 1000
    into, out = getattr(dut, plan["into"]), getattr(dut, plan["out"])
    into.value = 1
    for name, value in plan["constants"].items():
        getattr(dut, name).value = value
    clock = getattr(dut, plan["clock"])
    Clock(clock, PERIOD, "ps").start()
    await ClockCycles(clock, 40)
    received: Queue[int] = Queue()
    cocotb.start_soon(_receive(out, bit, received))
    words = 0
    for data, expected in plan["exchanges"]:
        await _send(into, bytes.fromhex(data), bit)
        for number, byte in enumerate(bytes.fromhex(expected)):
            found = await with_timeout(received.get(), 40 * bit + 1000 * PERIOD, "ps")
            assert found == byte, f"byte {number} of the answer: {found:#x}, not {byte:#x}"
            words += 1
    await Timer(20 * bit, "ps")
    assert received.empty(), "more came back than was asked for"
    report(words=words)
