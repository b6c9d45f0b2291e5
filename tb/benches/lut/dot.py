"""Bench of lut_dot: random and corner activations with all kinds of patterns."""

from __future__ import annotations

import time
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from lowbit.golden.bits import pack_bits, rows_to_ints
from lowbit.golden.lut.dot import dot
from lowbit.golden.lut.packing import fold
from lowbit.golden.lut.parameters import LutDotParameters
from lowbit.golden.lut.table import make_tables
from lowbit.tb.benches.lut.stimulus import given_exponents
from lowbit.tb.benches.recorder import Recorder
from lowbit.tb.benches.stimulus import KINDS, activations
from lowbit.tb.benches.streams import load_plan, report


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every result for finite activations; the invalid flag for all."""
    plan = load_plan()
    p = LutDotParameters(**plan["parameters"])
    rng = np.random.default_rng(plan["seed"])
    count = max(plan["vectors"], 2 * len(KINDS) << p.K)
    kinds = np.resize(np.array(KINDS), count)
    codes = np.concatenate([activations(rng, p.activation, 1, p.groups * p.K, (str(kind),))
                            for kind in kinds])
    patterns = rng.integers(0, 1 << p.pattern_bits, (count, p.reads), dtype=np.uint8)
    tables = make_tables(codes, p, given_exponents(rng, p, codes))
    expected = dot(p, tables.entries, patterns.astype(np.int64))
    fields = patterns
    if p.has_sign:
        sign, index = fold(patterns, p.K)
        fields = index | sign << np.uint8(p.K - 1)

    inputs = {"patterns": rows_to_ints(pack_bits(fields, p.pattern_bits))}
    invalid = np.asarray(tables.invalid.any(axis=1))
    saturated = np.asarray(tables.saturated.any(axis=1))
    if p.table_source == "internal":
        inputs["values"] = rows_to_ints(pack_bits(codes, p.activation.bits))
        if p.is_aligned:
            inputs["exponent"] = tables.exponent.tolist()
    else:
        inputs["entries"] = rows_to_ints(pack_bits(tables.entries.reshape(count, -1),
                                                   p.entry_bits))
    handles = {name: getattr(dut, name) for name in inputs}
    flagged = p.table_source == "internal" and p.activation.is_float
    checked = p.table_source == "internal" and p.can_saturate
    recorder = Recorder(dut, plan)
    started, wrong, mask = time.perf_counter(), 0, (1 << p.dot_bits) - 1
    for i in range(count):
        for name, handle in handles.items():
            handle.value = inputs[name][i]
        await Timer(1, "ns")
        recorder.sample()
        good = not flagged or int(dut.invalid.value) == int(invalid[i])
        good = good and (not checked or int(dut.saturated.value) == int(saturated[i]))
        if not invalid[i]:
            got = int(dut.dot.value)
            good = good and got == int(expected[i]) & mask
        if not good:
            wrong += 1
            cocotb.log.error("vector %d: activations %s, patterns %s: got %s, golden %#x", i,
                             codes[i].tolist(), patterns[i].tolist(), dut.dot.value,
                             int(expected[i]) & mask)
    report(cycles=count, seconds=time.perf_counter() - started, words=count, mismatches=wrong)
    assert wrong == 0, f"{wrong} of {count} results differ from the golden model"
