"""Bench of a register block: cocotbext-axi's master on its bus, random events at its ports, all
outputs and answers compared in every cycle with a model made from the plan.

The plan: ``registers``, a list of (name, address, fields), a field being (port, low, width, kind,
reset, cleared_by); ``accesses``; ``stall``.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from lowbit.tb.benches.streams import Bench, load_plan
from lowbit.tb.support.axi_slaves import pauses

OKAY, SLVERR = 0, 2
#: by kind of field: the input ports, as endings, and whether the port itself is an output
INPUTS = {"status": ("",), "held": ("", "_write"), "sticky": ("_set",), "counter": ("_count",)}
OUTPUTS = ("control", "pulse", "sticky")


class Model:
    """A stream of the bench that moves nothing: it drives the hardware's side and compares."""

    def __init__(self, dut: Any, plan: dict[str, Any], rng: random.Random) -> None:
        self.dut, self.rng = dut, rng
        self.registers = {address: fields for _, address, fields in plan["registers"]}
        self.fields = [field for fields in self.registers.values() for field in fields]
        self.state = {port: reset for port, _, _, _, reset, _ in self.fields}
        self.inputs: dict[str, int] = {}
        self.aw: deque[int] = deque()
        self.w: deque[tuple[int, int]] = deque()
        self.answers: deque[int] = deque()
        self.reads: deque[tuple[int, int]] = deque()
        self.done = dict(writes=0, reads=0, failed=0, pulses=0)
        self.quiet = True       # no event in the cycle in which the reset ends
        self.drive(False)
        self.quiet = False

    def at_rest(self) -> bool:
        return not any(int(getattr(self.dut, f"s_axi_{name}").value) for name in
                       ("awready", "wready", "arready", "bvalid", "rvalid"))

    def drive(self, moved: bool) -> None:
        for port, _, width, kind, _, _ in self.fields:
            for ending in INPUTS.get(kind, ()):
                value = self.rng.getrandbits(1 if ending in ("_write", "_count") else width)
                if ending and (self.quiet or self.rng.random() < 0.5):
                    value = 0
                self.inputs[port + ending] = value
                getattr(self.dut, port + ending).value = value

    def word(self, fields: list[Any]) -> int:
        word = 0
        for port, low, _, kind, _, _ in fields:
            value = 0 if kind == "pulse" else self.inputs[port] if kind == "status" \
                else self.state[port]
            word |= value << low
        return word

    def moved(self, name: str) -> bool:
        return bool(int(getattr(self.dut, f"s_axi_{name}valid").value)
                    and int(getattr(self.dut, f"s_axi_{name}ready").value))

    def moves(self) -> bool:
        def bus(name: str) -> int:
            return int(getattr(self.dut, f"s_axi_{name}").value)

        for port, _, _, kind, _, _ in self.fields:
            if kind in OUTPUTS:
                assert int(getattr(self.dut, port).value) == self.state[port], port
                self.done["pulses"] += kind == "pulse" and self.state[port]
        if self.moved("ar"):
            fields = self.registers.get(bus("araddr") & ~3)
            self.reads.append((0, SLVERR) if fields is None else (self.word(fields), OKAY))
        if self.moved("r"):
            assert (bus("rdata"), bus("rresp")) == self.reads.popleft()
            self.done["reads"] += 1
        write = None
        if self.aw and self.w and not bus("bvalid"):
            write = (self.aw.popleft(), *self.w.popleft())
            fields = self.registers.get(write[0], [])
            writable = any(kind in OUTPUTS for _, _, _, kind, _, _ in fields)
            self.answers.append(OKAY if writable else SLVERR)
            self.done["failed"] += not writable
        if self.moved("b"):
            assert bus("bresp") == self.answers.popleft()
            self.done["writes"] += 1
        self.step(write)
        if self.moved("aw"):
            self.aw.append(bus("awaddr") & ~3)
        if self.moved("w"):
            self.w.append((bus("wdata"), bus("wstrb")))
        return True

    def step(self, write: tuple[int, int, int] | None) -> None:
        """The state in the next cycle."""
        old = dict(self.state)
        for address, fields in self.registers.items():
            data = mask = 0
            if write is not None and write[0] == address:
                mask = sum(0xFF << 8 * byte for byte in range(4) if write[2] >> byte & 1)
                data = write[1]
            for port, low, width, kind, _, cleared_by in fields:
                here = mask >> low & (1 << width) - 1
                ones = data >> low & here
                value = old[port]
                if kind == "control":
                    value = value & ~here | ones
                elif kind == "pulse":
                    value = ones
                elif kind == "sticky":
                    value = value & ~ones | self.inputs[f"{port}_set"]
                elif kind == "held" and self.inputs[f"{port}_write"]:
                    value = self.inputs[port]
                elif kind == "counter":
                    value = 0 if cleared_by and old[cleared_by] else \
                        value + self.inputs[f"{port}_count"] & (1 << width) - 1
                self.state[port] = value


async def software(master: AxiLiteMaster, plan: dict[str, Any], rng: random.Random,
                   model: Model, clock: Any) -> None:
    """Random accesses, many on their way at once; then what was written last is read back."""
    top = max(model.registers) + 16
    tasks = []
    for _ in range(plan["accesses"]):
        address = rng.choice(list(model.registers)) + rng.randrange(4)
        if rng.random() < 0.2:
            address = rng.choice((rng.randrange(top), rng.randrange(1 << 12)))
        size = rng.randrange(1, 5 - address % 4)
        if rng.random() < 0.5:
            tasks.append(cocotb.start_soon(master.write(address, rng.randbytes(size))))
        else:
            tasks.append(cocotb.start_soon(master.read(address, size)))
        if rng.random() < 0.2:
            while tasks:
                await tasks.pop()
            for _ in range(rng.randrange(5)):
                await RisingEdge(clock)
    for task in tasks:
        await task
    model.quiet = True
    for address, fields in model.registers.items():
        for kind in {field[3] for field in fields} & {"control"}:
            words = [rng.randbytes(4) for _ in range(2)]
            answers = [await master.write(address, word) for word in words]
            read = await master.read(address, 4)
            assert {answer.resp for answer in (*answers, read)} == {AxiResp.OKAY}
            for _, low, width, kind, _, _ in fields:
                if kind == "control":
                    assert (int.from_bytes(read.data, "little") ^
                            int.from_bytes(words[1], "little")) >> low & (1 << width) - 1 == 0
    assert (await master.read(top + 64, 4)).resp == AxiResp.SLVERR


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def registers(dut: Any) -> None:
    plan = load_plan()
    rng = random.Random(plan["seed"])
    bench = Bench(dut)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk)
    if plan["stall"]:
        for channel in (master.write_if.aw_channel, master.write_if.w_channel,
                        master.write_if.b_channel, master.read_if.ar_channel,
                        master.read_if.r_channel):
            channel.set_pause_generator(pauses(random.Random(rng.random()), plan["stall"]))
    model, = await bench.reset(lambda: [Model(dut, plan, rng)])
    task = cocotb.start_soon(software(master, plan, rng, model, dut.clk))
    await bench.run([model], lambda: task.done(), limit=200000)
    assert task.done(), "accesses without an answer"
    await task
    assert not model.answers and not model.reads and not model.aw and not model.w
    bench.report(words=model.done["reads"], **model.done)
