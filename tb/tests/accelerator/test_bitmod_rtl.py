"""The accelerator with a BitMoD tile: its RTL equals the golden simulator and the tile's model."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from lowbit.generators.flow.native import Native, build_native
from lowbit.generators.runtime.driver import Driver
from lowbit.generators.runtime.golden import GoldenRegisters
from lowbit.generators.runtime.linear import Linear
from lowbit.generators.runtime.rtl import rtl
from lowbit.generators.verifying import verify
from lowbit.generators.verilog.emit import emit
from lowbit.golden.accelerator.bitmod_layout import weights_of
from lowbit.golden.accelerator.cycles import timeline
from lowbit.golden.accelerator.isa import Error, Instruction, Op
from lowbit.golden.accelerator.layout import pack
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.gemm import Gemm, Operands
from lowbit.golden.bitmod.quantizer import QuantizedTensor, quantize
from lowbit.tb.benches.accelerator.programs import Programs
from lowbit.tb.support.accel import activations

SMALL: dict[str, Any] = dict(engine="bitmod", N=16, chains=2, axi_data=64, a_kib=4, w_kib=4,
                             s_kib=2, p_kib=2, w_bits=8, min_group=16)
#: adders that simulate fast
P = AccelParameters(**SMALL, adder="operator")


def test_equals_golden() -> None:
    """Random programs on stalling buses, wrong ones, aborts and resets: the bench of all engines;
    three rows, four results side by side, lanes of two, a wide bus."""
    p = AccelParameters(**SMALL | dict(M=3, K=2, chains=4, axi_data=128, p_kib=3, max_group=32,
                                       reset="async_low", adder="operator"))
    found = verify(p, seed=5, vectors=400)
    assert found, f"gen verify accel {p.flags()} --seed 5: {found.message}"


@pytest.fixture(scope="module")
def native() -> Native:
    return build_native(emit(P), optimize="-O0")


def quantized(n: int, k: int, dtype: str, group: int) -> QuantizedTensor:
    values = np.random.default_rng(n).normal(0, 1, (n, k)).astype(np.float32)
    return quantize(values, get_data_type(dtype), group)[0]


#: rows, k, n, type, group: all of more than 700 cycles
SHAPES = ((2, 256, 48, "bitmod4", 32), (1, 128, 64, "bitmod4", 128), (5, 128, 33, "int8", 64),
          (3, 256, 20, "int6", 16), (8, 128, 64, "bitmod3", 32), (2, 500, 32, "int4_asym", 128),
          (6, 64, 96, "int4", 16))


@pytest.mark.parametrize("latency", [10, 100])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_and_cycles(shape: tuple[Any, ...], latency: int, native: Native) -> None:
    """From quantised weights to results, by driver, program and RTL: those of the tile's golden
    model; cycles of the model within 2 %."""
    rows, k, n, dtype, group = shape
    tensor = quantized(n, k, dtype, group)
    weights, special = weights_of(P, tensor)
    x = activations(np.random.default_rng(k), P, rows, k)
    layer = Linear(P, pack(P, weights), partial(rtl, native=native, latency=latency),
                   {"SPECIAL": special}, rows=rows)
    want = Gemm(P.tile, Operands.of_tensor(x, tensor)).run()
    assert layer(x.astype(np.uint16)).tobytes() == want.tobytes()
    driver = layer.device
    assert isinstance(driver, Driver)
    model = timeline(P, layer.program(rows), latency)
    found = driver.counters()
    assert (found.beats, found.read_beats, found.write_beats) == \
        (model.beats, model.read_beats, model.write_beats)
    assert abs(model.cycles / found.cycles - 1) < 0.02, (model.cycles, found.cycles)


def test_programs(native: Native) -> None:
    """Random programs through the native board; sums that stay from one program to the next."""
    memory = np.random.default_rng(1).integers(0, 256, 1 << 20, np.uint8)
    driver = rtl(P, memory, native, latency=15, stall=0.3)
    golden = Driver(P, GoldenRegisters(P, memory.copy()))
    programs = Programs(P, memory, 3)
    for _ in range(4):
        program = programs.draw()
        golden.memory[:] = memory
        for device in (driver, golden):
            device.bases, device.settings = program.bases, program.settings
        count = len(program.instructions)
        assert driver.run(program.address, count) is Error.NONE
        assert golden.run(program.address, count) is Error.NONE
        assert np.array_equal(memory, golden.memory)
    # buffers of both hold what the last program has left
    lmma = dict(a_pitch=4, row_blocks=1, groups=1, steps=2, planes=3, codes=1, init=1)
    end = Instruction(Op.END, {"irq": 1})
    store = Instruction(Op.ST, dict(rows=2, words=8, pitch=1, pop_prev=1, base=7))
    found = []
    for parts in (([Instruction(Op.LMMA, lmma | {"keep": 1}), end],
                   [Instruction(Op.LMMA, lmma | {"a": 4, "push_next": 1}), store, end]),
                  ([Instruction(Op.LMMA, lmma | {"a": 4, "push_next": 1}), store, end],)):
        for device in (driver, golden):
            device.bases[7] = 0x1000
            for part in parts:
                device.run(0, device.load(part, 0))
        assert np.array_equal(memory[0x1000:0x1080], golden.memory[0x1000:0x1080])
        found.append(memory[0x1000:0x1080].copy())
    assert not np.array_equal(found[0], found[1])
