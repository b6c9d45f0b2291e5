"""Bench of a small adder in the scan wrapper: operands shifted in, results shifted out."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from lowbit.tb.benches.streams import load_plan, report

#: a and b in, sum and odd out: {odd, sum} = {a[0] ^ b, a + 2 b}
CORE = """module adder (input [2:0] a, input b, output [3:0] sum, output odd);
  assign sum = {1'b0, a} + {2'b00, b, 1'b0};
  assign odd = a[0] ^ b;
endmodule
"""
INPUTS, OUTPUTS = 4, 5


async def _cycle(dut: Any, bit: int = 0, load: int = 0) -> None:
    dut.scan_in.value, dut.load.value = bit, load
    await FallingEdge(dut.clk)


@cocotb.test()
async def equals_sums(dut: Any) -> None:
    rng = random.Random(load_plan()["seed"])
    dut.scan_in.value = dut.load.value = 0
    Clock(dut.clk, 10, "ns").start()
    await FallingEdge(dut.clk)
    for word in rng.sample(range(16), 16):
        for i in reversed(range(INPUTS)):
            await _cycle(dut, word >> i & 1)
        await _cycle(dut, load=1)       # apply
        await _cycle(dut, rng.getrandbits(1))
        await _cycle(dut, load=1)       # take
        for _ in range(2):
            await _cycle(dut, rng.getrandbits(1))
        found = 0
        for _ in range(OUTPUTS):
            found = found << 1 | int(dut.scan_out.value)
            await _cycle(dut, rng.getrandbits(1))
        a, b = word & 7, word >> 3
        assert found == ((a & 1 ^ b) << 4 | a + 2 * b), f"a {a}, b {b}: {found:05b}"
    report(words=16, cycles=16)
