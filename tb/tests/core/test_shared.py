"""Units: emitted once however often they occur; transparent everywhere else."""

import random
import re

import pytest
from amaranth.back import rtlil as amaranth_rtlil
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from lowbit.generators.verilog.emit import emit_component
from lowbit.hdl.common.shared import Shared
from lowbit.tb.support.toys import Grid, Pe, PeParameters, unused


class Row(wiring.Component):
    """PEs with given parameters, all named alike."""

    def __init__(self, parameters, flat=False):
        self.pes, self.flat = parameters, flat
        super().__init__({"a": In(8), "b": In(8), "sums": Out(20 * len(parameters))})

    def elaborate(self, platform):
        m = Module()
        pes = [Pe(p) if self.flat else Shared(Pe(p), "toy_pe") for p in self.pes]
        for i, pe in enumerate(pes):
            m.submodules[f"pe_{i}"] = pe
            m.d.comb += [pe.a.eq(self.a + i), pe.b.eq(self.b), pe.clear.eq(i == 0)]
        m.d.comb += self.sums.eq(Cat(pe.sum for pe in pes))
        return m


def test_emitted_once():
    design = emit_component(Grid(5), top="grid")
    assert re.findall(r"^module (\w+)", design.verilog, re.M) == ["grid", "toy_pe", "toy_pair"]
    assert design.manifest["modules"] == {"grid": 1, "toy_pe": 10, "toy_pair": 5}
    assert len(re.findall(r"^  toy_pair pair_\d \(", design.verilog, re.M)) == 5


def test_clash_refused():
    with pytest.raises(ValueError, match="two different shared modules are named 'toy_pe'"):
        emit_component(Row([PeParameters(8), PeParameters(6)]), top="row")


def test_key_needed():
    with pytest.raises(TypeError, match="needs a key"):
        Shared(unused(Row([])), "row")
    with pytest.raises(TypeError, match="unhashable"):
        Shared(unused(Row([])), "row", key=[1])     # type: ignore[arg-type]


def test_flat_outside_an_emission():
    """Amaranth's simulator sees the components themselves, with the same results."""
    results = []
    for flat in (False, True):
        dut = Row([PeParameters()] * 3, flat)
        rng = random.Random(7)
        seen: list[int] = []

        async def bench(ctx, dut=dut, rng=rng, seen=seen):
            for _ in range(20):
                ctx.set(dut.a, rng.randrange(256))
                ctx.set(dut.b, rng.randrange(256))
                await ctx.tick()
                seen.append(ctx.get(dut.sums))

        simulator = Simulator(dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        results.append(seen)
    assert results[0] == results[1] and len(set(results[0])) > 10


def test_many_instances_are_converted_once(monkeypatch):
    converted: list[str] = []
    conversion = amaranth_rtlil.convert

    def counted(*arguments, **options):
        converted.append(options["name"])
        return conversion(*arguments, **options)

    monkeypatch.setattr(amaranth_rtlil, "convert", counted)
    design = emit_component(Row([PeParameters()] * 1024), top="row")
    assert design.manifest["modules"]["toy_pe"] == 1024
    assert len(design.verilog) < 400_000
    assert sorted(converted) == ["top", "toy_pe"]
