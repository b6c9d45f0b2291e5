"""The read and the write engine in simulation, judged by cocotbext-axi."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from lowbit.generators.flow.simulate import Outcome, simulate
from lowbit.generators.verilog.emit import Emitted, emit_component
from lowbit.hdl.common.struct import StructComponent
from lowbit.hdl.fabric.axi import Axi4, attach
from lowbit.hdl.fabric.dma_read import DmaRead, read_command_layout, read_data_layout
from lowbit.hdl.fabric.dma_write import DmaWrite
from lowbit.hdl.fabric.elastic import of_port, to_port
from lowbit.hdl.fabric.read_share import ReadShare
from lowbit.tb.support.mutation import with_flaws

BENCH = "lowbit.tb.support.dma_bench"
PLAN: dict[str, Any] = dict(commands=40, stall=0.4, latency=(0, 60), errors=0.0, aborts=0,
                            blocks=(1, 70))


class SharedRead(StructComponent):
    """Two clients of a read engine."""

    def __init__(self, bus: Axi4) -> None:
        self.bus = bus
        command = stream.Signature(read_command_layout(bus, 1))
        beat = stream.Signature(read_data_layout(bus, 1))
        super().__init__({"command_0": In(command), "data_0": Out(beat), "command_1": In(command),
                          "data_1": Out(beat), "abort": In(1), "idle": Out(1),
                          **bus.read_members()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.share = share = ReadShare(self.bus)
        m.submodules.engine = engine = DmaRead(self.bus, tag_bits=share.tag_bits)
        attach(m, self, engine, self.bus.read_members())
        attach(m, self, share, {name: member for name, member in self.signature.members.items()
                                if name.startswith(("command", "data"))})
        to_port(m, of_port(share.command), engine.command)
        to_port(m, of_port(engine.data), share.data)
        m.d.comb += [engine.abort.eq(self.abort), self.idle.eq(engine.idle)]
        return m


@cache
def engine(name: str, data_bits: int, **options: Any) -> Emitted:
    bus = Axi4(data_bits)
    if name == "share":
        return emit_component(SharedRead(bus), top="dma_share")
    if name == "read":
        return emit_component(DmaRead(bus, tag_bits=2, **options), top="dma_read")
    return emit_component(DmaWrite(bus, tag_bits=2, **options), top="dma_write")


def run(name: str, data_bits: int, *, options: dict[str, Any] | None = None,
        flaws: Sequence[tuple[str, str]] = (), mutant: int = 0, seed: int = 1,
        **plan: Any) -> Outcome:
    design = engine(name, data_bits, **options or {})
    text = design.verilog
    if flaws:
        text = with_flaws(text, flaws)
    return simulate(text, design.top, BENCH, PLAN | plan | dict(engine=name, data_bits=data_bits),
                    seed=seed, plusargs=[f"+mutant={mutant}"])


#: width of the bus, and parameters
ENGINES: list[tuple[str, int, dict[str, Any]]] = [
    ("read", 64, {}), ("read", 256, {"buffered": True}),
    ("read", 512, {"outstanding": 1, "burst_bytes": 128}),
    ("share", 256, {}),
    ("write", 64, {}), ("write", 256, {}), ("write", 512, {"outstanding": 3, "burst_bytes": 256})]


@pytest.mark.parametrize(("name", "data_bits", "options"), ENGINES,
                         ids=lambda value: str(value).replace(" ", ""))
def test_random(name: str, data_bits: int, options: dict[str, Any]) -> None:
    """Random commands, stalls, latency and errors; the same with aborts in the midst."""
    outcome = run(name, data_bits, options=options, errors=0.02)
    assert outcome.passed, outcome.message
    assert 0 < outcome.stats["errors"] < outcome.stats["words"]
    outcome = run(name, data_bits, options=options, errors=0.01, aborts=10, commands=120, seed=2)
    assert outcome.passed, outcome.message


@pytest.mark.parametrize(("data_bits", "outstanding"), [(256, 8), (512, 16)])
def test_latency_is_hidden(data_bits: int, outstanding: int) -> None:
    """300 cycles of latency, commands of 2 to 19 KiB anywhere: a beat in 9 cycles of 10 at least,
    from the first to the last. Half as many bursts of twice as wide beats would not do."""
    outcome = run("read", data_bits, options={"outstanding": outstanding}, stall=0.0,
                  latency=(300, 300), commands=16, blocks=(32, 300))
    assert outcome.passed, outcome.message
    assert outcome.stats["busy"] >= 0.9


#: changes of the Verilog (of a bus of 256 bits), and the plan that finds them
FLAWS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "error of a beat only": ("read", r"wrong \| m_axi_rresp\[1\]", "m_axi_rresp[1]",
                             dict(errors=0.02)),
    "error left by an abort": ("read", r"if \(aborting\)", "if (0)",
                               dict(errors=0.02, aborts=20, commands=200)),
    "bursts twice as long": ("read", r"burst_final \? last : 6'h3f", "last", {}),
    "tail": ("write", r"command_length\[4:1\]", "command_length[5:2]", {}),
    "error forgotten": ("write", r"wrong \| m_axi_bresp\[1\]", "m_axi_bresp[1]",
                        dict(errors=0.02)),
    "data after an abort": ("write", r"(assign data_ready) = (\w+) & \w+", r"\1 = \2",
                            dict(aborts=20, commands=200)),
    "client": ("share", r"data_0_valid = data_valid & \w+", "data_0_valid = data_valid", {})}


@pytest.mark.parametrize("name", ["read", "write", "share"])
def test_bench_finds(name: str) -> None:
    """One build of an engine with its flaws behind a switch; without one the bench passes."""
    chosen = {flaw: change[1:] for flaw, change in FLAWS.items() if change[0] == name}
    flaws = [(pattern, text) for pattern, text, _ in chosen.values()]
    assert run(name, 256, flaws=flaws).passed
    for number, (flaw, (_, _, plan)) in enumerate(chosen.items(), 1):
        assert not run(name, 256, flaws=flaws, mutant=number, **plan).passed, flaw
