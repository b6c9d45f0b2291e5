"""A workload through AXI4-Stream interfaces of cocotbext-axi, with pauses at random.

Bytes are made and read with NumPy by what the manifest says of frames (``wrap``), as software
would: nothing of the project's own layout is used.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

from lowbit.generators.flow.product import load_workload
from lowbit.golden.workload import Beat, StreamPass
from lowbit.tb.benches.streams import load_plan, report
from lowbit.tb.support.axi_slaves import pauses

__all__ = ["frame_bytes", "read_frame"]

Facts = dict[str, Any]


def _kind(field: Facts) -> str:
    """NumPy's type of the elements of at least a byte."""
    return f"<{'i' if field['signed'] else 'u'}{field['container'] // 8}"


def frame_bytes(facts: Facts, beat: Beat) -> bytes:
    """The frame of a beat (port values by field)."""
    frame = bytearray(facts["frame_bytes"])
    for field in facts["fields"]:
        width, box = field["element_width"], field["container"]
        values = [beat[field["name"]] >> i * width & (1 << width) - 1
                  for i in range(field["count"])]
        if field["signed"]:
            values = [value - (value >> width - 1 << width) for value in values]
        if box >= 8:
            raw = np.array(values, dtype=_kind(field)).tobytes()
        else:
            bits = np.array(values)[:, None] >> np.arange(box) & 1
            raw = np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little").tobytes()
        frame[field["offset"]:field["offset"] + len(raw)] = raw
    return bytes(frame)


def read_frame(facts: Facts, frame: bytes) -> Beat:
    """The inverse of :func:`frame_bytes`."""
    beat = {}
    for field in facts["fields"]:
        box, count, width = field["container"], field["count"], field["element_width"]
        if box >= 8:
            values = np.frombuffer(frame, _kind(field), count, field["offset"]).tolist()
        else:
            raw = np.frombuffer(frame, np.uint8, -(-count * box // 8), field["offset"])
            bits = np.unpackbits(raw, bitorder="little")[:count * box].reshape(count, box)
            values = (bits.astype(int) << np.arange(box)).sum(1).tolist()
            if field["signed"]:
                values = [value - (value >> box - 1 << box) for value in values]
        if field["signed"]:
            assert all(-(1 << width - 1) <= value < 1 << width - 1 for value in values)
        beat[field["name"]] = sum((value & (1 << width) - 1) << i * width
                                  for i, value in enumerate(values))
    return beat


async def _send(source: AxiStreamSource, clock: Any, facts: Facts, beats: Iterator[Beat | None],
                rng: random.Random) -> None:
    packet, length = b"", rng.randrange(1, 6)
    for beat in beats:
        if beat is None:        # it comes later: what is there must go on its way
            if packet and facts["tlast"] != "last":
                await source.send(packet)
                packet = b""
            await RisingEdge(clock)
            continue
        packet, length = packet + frame_bytes(facts, beat), length - 1
        if beat["last"] if facts["tlast"] == "last" else length <= 0:
            await source.send(packet)
            packet, length = b"", rng.randrange(1, 6)
            while source.count() > 2:
                await RisingEdge(clock)
    if packet:
        await source.send(packet)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def run(dut: Any) -> None:
    """Send the workload through the design, write its results."""
    plan = load_plan()
    workload, rng = load_workload(plan), random.Random(plan["seed"])
    one_pass = workload.start()
    assert isinstance(one_pass, StreamPass)
    streams = {facts["stream"]: facts for facts in plan["wrap"]["streams"]}

    def end(kind: Any, name: str) -> Any:
        bus = AxiStreamBus.from_prefix(dut, streams[name]["interface"])
        made = kind(bus, dut.aclk, dut.aresetn, reset_active_level=False,
                    **({} if hasattr(bus, "tkeep") else dict(byte_size=8)))
        made.log.setLevel("WARNING")
        made.set_pause_generator(pauses(rng, 0.5))
        return made

    inputs = one_pass.inputs()
    ends = {name: end(AxiStreamSource, name) for name in inputs}
    constants = one_pass.constants()
    for name, facts in streams.items():     # that this product has no use of
        if facts["direction"] == "input" and name not in inputs:
            beat = {field["name"]: constants.pop(f"{name}_{field['name']}", 0)
                    for field in facts["fields"]}
            data = frame_bytes(facts, beat)[:facts["bus_bytes"]]
            getattr(dut, f"{facts['interface']}_tdata").value = int.from_bytes(data, "little")
            getattr(dut, f"{facts['interface']}_tvalid").value = constants.pop(f"{name}_valid", 0)
    sink = end(AxiStreamSink, one_pass.output)
    for name, value in constants.items():
        getattr(dut, name).value = value
    dut.aresetn.value = 0
    Clock(dut.aclk, 10, "ns").start()
    await ClockCycles(dut.aclk, 4)
    for ports in one_pass.setup():
        await FallingEdge(dut.aclk)
        dut.aresetn.value = 1
        for name, value in ports.items():
            getattr(dut, name).value = value
    await FallingEdge(dut.aclk)
    dut.aresetn.value = 1
    for name, beats in inputs.items():
        cocotb.start_soon(_send(ends[name], dut.aclk, streams[name], beats,
                                random.Random(rng.random())))
    facts, words = streams[one_pass.output], 0
    size = facts["frame_bytes"]
    while not one_pass.done:
        packet = bytes((await sink.recv()).tdata)
        assert len(packet) % size == 0
        for at in range(0, len(packet), size):
            beat = read_frame(facts, packet[at:at + size])
            beat["last"] = int(at + size == len(packet))
            one_pass.take({name: beat[name] for name in one_pass.fields})
            words += 1
    np.save(plan["results"], one_pass.result())
    report(words=words, cycles=words)
