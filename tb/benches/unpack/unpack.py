"""Bench of weight_unpack: every word of the code in every lane, and random ones."""

from __future__ import annotations

import time
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from lowbit.golden.bits import pack_bits, rows_to_ints, unpack_bits
from lowbit.golden.digits import FORMATS
from lowbit.golden.unpack.parameters import UnpackParameters
from lowbit.tb.benches.recorder import Recorder
from lowbit.tb.benches.streams import load_plan, report


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every trit, unused words included."""
    plan = load_plan()
    p = UnpackParameters(**plan["parameters"])
    code, form = p.trit_code, FORMATS["ternary"]
    rng = np.random.default_rng(plan["seed"])
    all_words = 1 << code.bits
    # in the first vectors lane i has all words, each beside another one in the next lane
    words = (np.arange(all_words)[:, None] + np.arange(p.lanes)) % all_words
    more = max(-(-plan["vectors"] // p.trits) - all_words, 0)
    words = np.concatenate([words, rng.integers(0, all_words, (more, p.lanes))])
    expected = code.decode(words).reshape(len(words), -1)
    size = -(-p.trits * p.trit_bits // 8)
    recorder = Recorder(dut, plan)
    started, wrong = time.perf_counter(), 0
    for given, golden in zip(rows_to_ints(pack_bits(words, code.bits)), expected, strict=True):
        dut.words.value = given
        await Timer(1, "ns")
        recorder.sample()
        raw = np.frombuffer(int(dut.trits.value).to_bytes(size, "little"), np.uint8)[None]
        got = unpack_bits(raw, p.trit_bits, p.trits)[0]
        if (form.values[got] != golden).any():
            wrong += 1
            cocotb.log.error("words %#x: got trits %s, golden %s", given,
                             form.values[got].tolist(), golden.tolist())
    report(cycles=len(words), seconds=time.perf_counter() - started, words=expected.size,
           mismatches=wrong)
    assert wrong == 0, f"{wrong} of {len(words)} vectors differ from the golden model"
