"""Bench of bitmod_pe: groups of all data types back to back, with idle cycles in between.

A row-aligned PE gets integers, some of them cut to an exponent that is too small, and now and then
the largest sum that it may hold.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.pe import group_sums, group_terms
from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters
from lowbit.golden.bitmod.ports import pack_terms, wide_pairs
from lowbit.golden.bitmod.row_alignment import align_rows, group_exponents
from lowbit.golden.bitmod.terms import Terms
from lowbit.golden.bits import pack_bits, rows_to_ints
from lowbit.golden.formats import FP16
from lowbit.tb.benches.bitmod.stimulus import GROUP_KINDS, SPECIAL_VALUES, group_activations
from lowbit.tb.benches.streams import Bench, load_plan

#: idle cycles per cycle
IDLE = 0.1
TYPES = ("bitmod4", "bitmod3", "int8", "int6", "int5", "int4", "int3", "fp4")
PAIRS = "olive4"


def activation_bits(p: BitmodPeParameters) -> int:
    """Bits of a lane's activation."""
    return p.align_bits + 1 if p.align == "row" else FP16.bits


class Work:
    """Groups of one data type and size: what to drive, and the sums to find."""

    def __init__(self, rng: np.random.Generator, p: BitmodPeParameters, name: str, size: int,
                 groups: int, kind: str) -> None:
        dtype = get_data_type(name)
        k = groups * size
        activations = group_activations(rng, kind, groups, size).reshape(1, k)
        row = p.align == "row"
        exponents = None
        if row:
            exponents = group_exponents(activations, size)
            other = rng.random(exponents.shape) < 0.3
            exponents[other] = rng.integers(0, 1 << FP16.ebits, int(other.sum()))
        codes = rng.integers(0, 1 << dtype.bits, (1, k))
        codes[rng.random(codes.shape) < rng.choice([0, 0.5])] = 0
        if rng.random() < 0.3:      # equal weights: activations that cancel do
            codes[:] = codes[:, :1]
        if kind == "largest":
            activations[:] = (FP16.inf - 1) | int(rng.integers(2)) << 15
            codes[:] = dtype.sv_code - int(rng.integers(2))
            if exponents is not None:
                exponents[:] = rng.integers(0, 30)
        if dtype.pairs:
            if kind == "largest":       # outliers of 96, or the largest weights without any
                codes[:] = np.where(np.arange(k) % 2, 8, 7) if rng.random() < 0.5 else 7
            else:                       # more outliers, on either side
                victim = np.flatnonzero(rng.random(k // 2) < rng.choice([0.1, 0.9])) * 2
                codes[0, victim + rng.integers(0, 2, len(victim))] = 8
        values = (rng.choice(SPECIAL_VALUES, (1, groups)) if dtype.kind == "float" else None)
        terms = group_terms(codes, values, dtype, size)
        sums = group_sums(activations, terms, size, p, exponents)
        self.sums = [int(s) for s in sums.integer[0, 0]]
        # of a row-aligned PE without the exponent, which it does not know
        self.unit = p.row_exponent(terms.has_halves) if row else sums.exponent
        self.floating = int(dtype.kind == "float")
        # (groups, chunks, lanes): the last chunk filled with zero terms and any activation
        chunks = -(-size // p.lanes)
        filled = chunks * p.lanes - size
        word, wide = self._words(terms, dtype.pairs)
        word = np.pad(word.reshape(groups, size, -1), ((0, 0), (0, filled), (0, 0)))
        junk = rng.integers(0, 1 << 16, (groups, filled))
        junk = np.where(FP16.is_finite(junk), junk, 0)
        ports = activations
        if row:
            whole = align_rows(activations, size, p.align_bits, exponents).integers
            negative = FP16.decode(activations)[0]      # zeros have signs too
            ports = np.abs(whole) | negative << p.align_bits
        a = np.concatenate([ports.reshape(groups, size), junk], 1)
        self.terms = [rows_to_ints(pack_bits(
            word[:, :, t].reshape(-1, p.lanes).astype(np.uint8), 4)) for t in range(word.shape[2])]
        wide = np.pad(wide.reshape(groups, size // 2, -1), ((0, 0), (0, filled // 2), (0, 0))) \
            if dtype.pairs else np.zeros((groups, chunks * p.lanes // 2, word.shape[2]), np.int64)
        self.wide = [rows_to_ints(pack_bits(wide[:, :, t].reshape(len(self.terms[0]), -1), 1))
                     for t in range(word.shape[2])] if p.olive else None
        self.activations = rows_to_ints(pack_bits(
            a.reshape(-1, p.lanes), activation_bits(p)))
        self.bsig, self.chunks = [int(b) & 15 for b in terms.bsig], chunks

    @staticmethod
    def _words(terms: Terms, pairs: bool) -> tuple[Any, Any]:
        """Terms (k, terms) as words, and what the terms of pairs have in common."""
        if not pairs:
            return pack_terms(terms)[0], None
        wide = wide_pairs(terms)
        return pack_terms(terms, wide)[0], wide[0]

    def cycles(self) -> Any:
        """(activations, terms, wide, bsig, first, sum complete after this cycle or None)."""
        for i, activation in enumerate(self.activations):
            group, chunk = divmod(i, self.chunks)
            for t, bsig in enumerate(self.bsig):
                done = chunk == self.chunks - 1 and t == len(self.bsig) - 1
                wide = self.wide[t][i] if self.wide else 0
                yield (activation, self.terms[t][i], wide, bsig, int(chunk == t == 0),
                       (self.sums[group], self.unit) if done else None)


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """The total after every group, and the invalid flag."""
    plan = load_plan()
    p = BitmodPeParameters(**plan["parameters"])
    rng = np.random.default_rng(plan["seed"])
    shape = plan["derived"]["total"]
    latency = plan["manifest"]["timing"]["latency"]
    bench = Bench(dut)
    dut.enable.value = 0
    if hasattr(dut, "rst") or hasattr(dut, "rst_n"):
        await bench.reset()
    else:
        bench.start()
        await RisingEdge(dut.clk)
    word, pending, exponent = (getattr(dut, f"total_{name}", None)
                               for name in ("word", "pending", "exponent"))
    checked = wrong = 0
    expected: list[Any] = []
    width = activation_bits(p) * p.lanes
    floating = getattr(dut, "floating", None)
    edge, middle = RisingEdge(dut.clk), FallingEdge(dut.clk)

    async def cycle(done: Any) -> None:
        nonlocal checked, wrong
        await edge
        bench.cycles += 1
        expected.append(done)
        ready = expected.pop(0) if len(expected) >= latency else None
        if ready is None:
            return
        await middle
        assert word is not None
        value = word.value.to_signed() + (int(pending.value) if pending is not None else 0)
        golden, unit = ready
        scale = shape["unit"] + shape["digit"] * (int(exponent.value) if exponent is not None
                                                  else unit - shape["unit"])
        checked += 1
        low = min(scale, unit)
        if value << (scale - low) != golden << (unit - low):
            wrong += 1
            cocotb.log.error("group %d: got %d * 2**%d, golden %d * 2**%d", checked, value, scale,
                             golden, unit)

    while checked < plan["vectors"]:
        size = int(rng.choice([p.lanes, 2 * p.lanes, 8 * p.lanes - 1, 32, 64]))
        kind = str(rng.choice(GROUP_KINDS))
        groups = int(rng.integers(1, 9))
        if p.align == "row" and rng.random() < 0.1:
            size, groups, kind = p.max_group, 1, "largest"
        name = str(rng.choice((*TYPES, PAIRS, PAIRS) if p.olive else TYPES))
        size += name == PAIRS and size % 2
        work = Work(rng, p, name, min(size, p.max_group), groups, kind)
        for activations, terms, wide, bsig, first, done in work.cycles():
            while rng.random() < IDLE:
                # nothing that comes without `enable` counts
                dut.enable.value = 0
                dut.first.value = int(rng.integers(2))
                dut.activations.value = junk_bits(rng, width)
                dut.terms.value = junk_bits(rng, 4 * p.lanes)
                if floating is not None:
                    floating.value = int(rng.integers(2))
                if p.olive:
                    dut.wide.value = junk_bits(rng, p.lanes // 2)
                dut.bsig.value = int(rng.choice([15, 0, 2, 4, 6]))
                await cycle(None)
            dut.enable.value = 1
            if floating is not None:
                floating.value = work.floating
            dut.first.value = first
            dut.activations.value, dut.terms.value, dut.bsig.value = activations, terms, bsig
            if p.olive:
                dut.wide.value = wide
            await cycle(done)
    bad_flags = await flags(dut, rng, p) if p.align == "cycle" else 0
    bench.report(words=checked, mismatches=wrong)
    assert wrong == 0, f"{wrong} of {checked} group sums differ from the golden model"
    assert bad_flags == 0, f"{bad_flags} invalid flags differ"


def junk_bits(rng: np.random.Generator, bits: int) -> int:
    """Any number of so many bits."""
    return int.from_bytes(rng.bytes(-(-bits // 8)), "little") & (1 << bits) - 1


async def flags(dut: Any, rng: np.random.Generator, p: BitmodPeParameters) -> int:
    """Infinities and NaNs set the invalid flag in the same cycle; returns the mismatches."""
    bad = 0
    for _ in range(50):
        codes = rng.integers(0, 1 << 16, p.lanes)
        if rng.random() < 0.5:
            codes[rng.integers(p.lanes)] |= 0x7C00
        enable = int(rng.random() < 0.8)
        dut.enable.value = enable
        dut.activations.value = rows_to_ints(pack_bits(codes[None].astype(np.uint16), 16))[0]
        await FallingEdge(dut.clk)
        bad += int(dut.invalid.value) != int(enable and not FP16.is_finite(codes).all())
        await RisingEdge(dut.clk)
    return bad
