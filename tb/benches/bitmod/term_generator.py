"""Bench of bitmod_encoder: every code of every type in every lane, all special values; with
--olive every pair of codes."""

from __future__ import annotations

import time
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from numpy.typing import NDArray

from lowbit.golden.bitmod.datatypes import DATA_TYPE_NAMES, DataType, get_data_type, is_two_term
from lowbit.golden.bitmod.pe_parameters import BitmodTermGeneratorParameters
from lowbit.golden.bitmod.ports import pack_terms, port_codes, special_value_word, wide_pairs
from lowbit.golden.bitmod.terms import pair_terms, terms_of
from lowbit.golden.bits import pack_bits, rows_to_ints
from lowbit.tb.benches.recorder import start_recording
from lowbit.tb.benches.streams import load_plan, report

Array = NDArray[Any]

SPECIAL = [s * m / 2 for m in range(32) if is_two_term(m) for s in (1, -1)]


def relevant(words: Array) -> Array:
    """Terms of which only those with a mantissa count."""
    return np.where(words & 8, words, 0)


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    plan = load_plan()
    p = BitmodTermGeneratorParameters(**plan["parameters"])
    rng = np.random.default_rng(plan["seed"])
    started, words, cycles = time.perf_counter(), 0, 0
    start_recording(dut, plan)
    Clock(dut.clk, 10, "ns").start()

    async def program(index: int, value: float) -> None:
        dut.sv_write.value, dut.sv_index.value = 1, index
        dut.sv_value.value = special_value_word(value)
        await FallingEdge(dut.clk)
        dut.sv_write.value = 0
        # without a write nothing may be stored
        dut.sv_value.value = int(rng.integers(64))

    async def check(dtype: DataType, special: float, selector: int) -> None:
        nonlocal words, cycles
        terms = terms_of(dtype, special)
        expected = relevant(pack_terms(terms))
        order = np.array([rng.permutation(1 << dtype.bits) for _ in range(p.lanes)]).T
        port = rows_to_ints(pack_bits(port_codes(order, dtype), 8))
        dut.floating.value, dut.selector.value = int(dtype.kind == "float"), selector
        for codes, word in zip(order, port, strict=True):
            dut.codes.value = word
            for index, bsig in enumerate(terms.bsig):
                dut.index.value = index
                await ReadOnly()
                value = int(dut.terms.value)
                got = relevant(np.array([value >> 4 * i & 15 for i in range(p.lanes)]))
                assert (got == expected[codes, index]).all(), (dtype.name, special, codes, index)
                assert not (p.olive and int(dut.wide.value)), (dtype.name, codes, index)
                assert dut.bsig.value.to_signed() == bsig, (dtype.name, special, codes)
                await FallingEdge(dut.clk)
                words += p.lanes
                cycles += 1

    async def check_pairs() -> None:
        """Every two codes side by side, in every pair of lanes."""
        nonlocal words, cycles
        every = np.indices((16, 16)).reshape(2, -1).T
        order = np.concatenate([every[rng.permutation(256)] for _ in range(p.lanes // 2)], axis=1)
        terms = pair_terms(order)
        wide = wide_pairs(terms)
        expected = relevant(pack_terms(terms, wide))
        dtype = get_data_type("olive4")
        port = rows_to_ints(pack_bits(port_codes(order, dtype), 8))
        dut.floating.value = 1
        for row, word in enumerate(port):
            dut.codes.value = word
            for index, bsig in enumerate(terms.bsig):
                dut.index.value = index
                await ReadOnly()
                value, pairs = int(dut.terms.value), int(dut.wide.value)
                got = relevant(np.array([value >> 4 * i & 15 for i in range(p.lanes)]))
                assert (got == expected[row, :, index]).all(), (order[row], index)
                # it means something where there is a term
                there = expected[row, :, index].reshape(-1, 2).any(1)
                found = np.array([pairs >> i & 1 for i in range(p.lanes // 2)])
                assert (found == wide[row, :, index])[there].all(), (order[row], index)
                assert dut.bsig.value.to_signed() == bsig
                await FallingEdge(dut.clk)
                words += p.lanes
                cycles += 1

    await FallingEdge(dut.clk)
    for name in DATA_TYPE_NAMES:
        dtype = get_data_type(name, ())
        if dtype.kind == "int":
            await check(dtype, 0.0, int(rng.integers(4)))
    for first in range(0, len(SPECIAL), 4):
        values = (SPECIAL[first:first + 4] * 4)[:4]
        for index, value in enumerate(values):
            await program(index, value)
        for index, value in enumerate(values):
            for name in ("fp3", "fp4", *(("flint4",) if p.flint else ())):
                await check(get_data_type(name, ()), value, index)
    if p.olive:
        await check_pairs()
    report(cycles=cycles, seconds=time.perf_counter() - started, words=words)
