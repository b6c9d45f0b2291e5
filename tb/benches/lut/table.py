"""Bench of lut_table: random operations, every table against the golden model."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from lowbit.golden.lut.parameters import LutTableParameters
from lowbit.golden.lut.ports import activation_beats, table_beats
from lowbit.golden.lut.table import make_tables
from lowbit.tb.benches.lut.stimulus import given_exponents
from lowbit.tb.benches.stimulus import KINDS, activations
from lowbit.tb.benches.streams import Bench, Sink, Source, Streams, load_plan

Array = NDArray[Any]


def interleave(rng: np.random.Generator, operations: list[list[dict[str, int]]],
               scanned: bool) -> list[dict[str, int]]:
    """Operations one after the other; scanned ones may scan ahead between each other's tables."""
    if not scanned:
        return [beat for beats in operations for beat in beats]
    merged: list[dict[str, int]] = []
    tables: list[dict[str, int]] = []
    for beats in operations:
        half = len(beats) // 2
        scans = beats[:half]
        # the scan of an operation mixes with the tables of the one before it, but not with
        # its first table, which ends the scan before
        head, rest = tables[:1], [*tables[1:], *scans]
        order = np.argsort(np.concatenate([np.sort(rng.random(len(tables[1:]))),
                                           np.sort(rng.random(len(scans)))]), kind="stable")
        merged += head + [rest[i] for i in order]
        tables = beats[half:]
    return merged + tables


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every entry of every finite table, every shared exponent and every invalid flag."""
    plan = load_plan()
    p = LutTableParameters(**plan["parameters"])
    rng, draw = np.random.default_rng(plan["seed"]), random.Random(plan["seed"])
    bench = Bench(dut)
    per_table = p.M * p.groups * p.entries
    operations: list[Any] = []
    expected: list[Any] = []
    corners = [str(kind) for kind in KINDS]
    while len(expected) * per_table < plan["vectors"] or corners:
        steps = int(rng.integers(1, 6))
        kinds, corners = tuple(corners[:p.M]), corners[p.M:]
        codes = np.concatenate([activations(rng, p.activation, 1, steps * p.K * p.groups,
                                            (kinds[m],) if m < len(kinds) else None)
                                for m in range(p.M)])
        exponent = given_exponents(rng, p, codes)
        operations.append(activation_beats(p, codes, exponent))
        expected += table_beats(p, make_tables(codes, p, exponent))

    got: list[dict[str, int]] = []
    stall = draw.choice([0.0, 0.3])
    fields = tuple(expected[0])
    beats = interleave(rng, operations, p.is_aligned and not p.can_saturate)

    def streams() -> Streams:
        return [Source(dut, "activation", beats, draw, stall, withdraw=stall),
                Sink(dut, "table", fields, got.append, draw, draw.choice([0.0, 0.4]))]

    # broken off a few times by a reset
    for limit in (*(draw.randrange(1, 12) for _ in range(4)), None):
        start = await bench.reset(streams)
        got.clear()
        await bench.run(start, lambda: len(got) == len(expected), limit=limit)

    row_bits = p.groups * p.entries * p.entry_bits
    wrong = 0
    for i, (beat, golden) in enumerate(zip(got, expected, strict=True)):
        invalid = golden.get("invalid", 0)
        good = all(beat[field] == golden[field] for field in fields if field != "entries")
        for row in range(p.M):
            # entries of a row with inf or NaN in this beat mean nothing
            differ = (beat["entries"] ^ golden["entries"]) >> row * row_bits
            if differ & ((1 << row_bits) - 1) and not invalid >> row & 1:
                good = False
        if not good:
            wrong += 1
            cocotb.log.error("table beat %d: got %s, golden %s", i, beat, golden)
    bench.report(words=len(got) * per_table, mismatches=wrong, operations=len(operations))
    assert wrong == 0, f"{wrong} of {len(got)} table beats differ from the golden model"
