"""The serial element that skips zero digits: all weights and activations, sums, cycles, lint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out
from amaranth.sim import Simulator

from lowbit.generators.flow.lint import lint
from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.systolic.serial import average_cycles, cycles, serial_sum, steps
from lowbit.hdl.systolic.serial import SerialEncoder, SerialPe


class Element(Component):
    """An encoder and a processing element behind it."""

    def __init__(self, pe: SerialPe) -> None:
        self.pe = pe
        super().__init__({"weight": In(8), "valid": In(1), "take": Out(1),
                          "activation": In(pe.a_bits), "clear": In(1),
                          "value": Out(pe.segments.word_bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.encoder = encoder = SerialEncoder()
        m.submodules.pe = pe = self.pe
        m.d.comb += [encoder.weight.eq(self.weight), encoder.valid.eq(self.valid),
                     self.take.eq(encoder.step.last), pe.step_in.eq(encoder.step),
                     pe.activation.eq(self.activation), pe.clear.eq(self.clear),
                     self.value.eq(pe.segments.resolve(pe.value))]
        return m


def run(pe: SerialPe, activations: Any, weights: Any) -> tuple[list[int], list[int]]:
    """Sums after each product, offsets subtracted, and the cycles of each weight, as the encoder
    takes them."""
    dut, values = Element(pe), []
    taken: list[int] = []       # cycles at whose end a weight is taken

    async def bench(context: Any) -> None:
        clock, done = 0, 0
        while len(taken) < len(weights) + 1 or clock < taken[-1] + 3:
            more = len(taken) < len(weights)
            context.set(dut.valid, int(more))
            context.set(dut.weight, int(weights[len(taken)]) if more else 85)
            # the activation is taken a cycle after its weight
            done = sum(at < clock for at in taken)
            context.set(dut.activation, int(activations[min(max(done - 1, 0), len(weights) - 1)]))
            context.set(dut.clear, int(clock == 1))
            if context.get(dut.take) and len(taken) <= len(weights):
                taken.append(clock)
            await context.tick()
            values.append(context.get(dut.value))
            clock += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    half = 1 << pe.segments.word_bits - 1
    # a last step at the encoder is at the element a cycle later, and its sum after that one's edge
    found = [values[at + 1] - ((at - taken[0]) << pe.offset_place) for at in taken[1:]]
    return [(x + half) % (2 * half) - half for x in found], np.diff(taken).tolist()


def test_every_weight_by_every_digit_of_activations() -> None:
    """All weights, and activations that have every bit and both ends; the accumulator wraps."""
    rng = np.random.default_rng(1)
    weights = np.concatenate([rng.permutation(np.arange(-128, 128)), [0, 0, -128, -128, 127]])
    activations = rng.integers(-128, 128, len(weights))
    activations[:8], activations[-3:] = -128, (-128, 127, -128)
    for pe in (SerialPe(), SerialPe(16, 1), SerialPe(20, 8)):
        found, spent = run(pe, activations, weights)
        assert found == serial_sum(activations, weights, pe.segments.word_bits).tolist()
        assert spent == cycles(weights).tolist() and {1, 2, 3, 4} == set(spent)


def test_steps_are_the_weight() -> None:
    """In plain integers: digits +-1, +-2 times powers of four that add up, lowest first."""
    weights = np.arange(-128, 128)
    taken = steps(weights)
    assert [len([d for i, d in taken if i == n]) for n in range(256)] == cycles(weights).tolist()
    assert [sum(d for i, d in taken if i == n) for n in range(256)] == weights.tolist()
    for n in range(256):
        sizes = [abs(d) for i, d in taken if i == n]
        assert sizes == sorted(sizes) and all(size in (0, 1, 2, 4, 8, 16, 32, 64, 128)
                                              for size in sizes)
    assert average_cycles(np.array([0, 1, 5, 85])) == (1 + 1 + 2 + 4) / 4


@pytest.mark.parametrize("component", [SerialEncoder(), SerialPe(), SerialPe(32, 1)],
                         ids=["encoder", "pe", "carry-save"])
def test_lint(component: Component) -> None:
    assert lint(emit_component(component, top="serial").verilog, "serial") == []


def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is inverted without its offset."""
    monkeypatch.setattr("lowbit.hdl.systolic.serial.offset_form", lambda row: row)
    weights, activations = np.array([1, 2, -3]), np.array([5, -7, 100])
    assert run(SerialPe(), activations, weights)[0] != serial_sum(activations, weights, 32).tolist()
