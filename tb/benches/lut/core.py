"""Bench of lut_core: random operations through its streams, every result against the golden model.

Operations differ in reduction length, weight width, zero points and kind of activations; streams
stall at random, and operations follow each other without a pause. Every other operation on floats
has few numbers, at places that sweep the format. A preloaded core adds random partial sums, many
of which nearly cancel the result or decide its rounding. One operation is as long as ``max_k``
allows, with activations, weights and zero points as extreme as they come. Before all that the run
is broken off by a reset a few times, among others while results leave; what came until then
counts. At the end the first operations run again in lock-step: a partial sum comes when the result
of the one before it has been taken (with group scales, an operation's when the results of the
one before have). Beats that wait are withdrawn now and then.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FP32, FloatFormat
from lowbit.golden.group_scale import Codes
from lowbit.golden.lut.core import Group, operation, scaled_operation
from lowbit.golden.lut.packing import Beats, weight_beats
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.ports import (
    activation_beats,
    psum_beats,
    requantizer_beats,
    result_words,
    results_of,
    saturated_words,
    scale_beats,
    table_beats,
    weight_fields,
)
from lowbit.golden.lut.table import Tables, make_tables
from lowbit.tb.benches.lut.stimulus import given_exponents, on_edge
from lowbit.tb.benches.stimulus import (
    KINDS,
    activations,
    partners,
    places,
    requantizer,
    scale_codes,
    swept_row,
)
from lowbit.tb.benches.streams import Bench, Sink, Source, Streams, load_plan

Array = NDArray[Any]

#: beats of the longest operation that is worth its time
MAX_BEATS = 4000


def _top(p: LutCoreParameters, bits: int) -> int:
    """The largest weight code of ``bits``, or of a trit."""
    return (1 << bits) - 1 if p.radix == 2 else 2


def _takes_zeros(p: LutCoreParameters) -> bool:
    """Zero points are drawn (a core with group scales has no beats for them)."""
    return p.zero_point and p.radix == 2


class Stimulus:
    """Operations with their golden results, until ``words`` results are reached."""

    def __init__(self, p: LutCoreParameters, seed: int, words: int) -> None:
        self.p = p
        self.rng = np.random.default_rng(seed)
        self.inputs: list[dict[str, int]] = []
        self.weights: list[dict[str, int]] = []
        self.psums: list[dict[str, int]] = []
        self.scales: list[dict[str, int]] = []
        self.expected: list[Array] = []
        self.saturated: list[int] = []
        self.nans: list[int] = []
        if isinstance(p.activation, FloatFormat):
            # down to subnormal results, however many leading places cancel
            reach = p.activation.mbits + (p.acc_format or FP32).precision + 8
            self.places = places(self.rng, p.activation, reach, 8)
        count = max(-(-words // (p.M * p.N)), 3)
        # every corner row appears, whatever the number of operations
        corners = [str(kind) for kind in KINDS]
        while len(self.expected) < count or (corners and p.M * p.N * len(self.expected) < words):
            kinds, corners = tuple(corners[:p.M]), corners[p.M:]
            self._random(kinds or None, bool(not kinds and len(self.expected) % 2 == 0))
        self._longest()
        self._powers()
        self._random(None)

    def _random(self, kinds: tuple[str, ...] | None, swept: bool = False) -> None:
        p, rng = self.p, self.rng
        swept = swept and isinstance(p.activation, FloatFormat)
        per_beat = p.K * p.groups
        most = min(p.max_k // per_beat, 4 if swept else 12)
        steps = int(rng.integers(min(3 if swept else 1, most), most + 1))
        bits = p.parallel_planes * int(rng.integers(1, p.w_bits // p.parallel_planes + 1))
        if swept:
            codes = self._swept(steps * per_beat)
        else:
            codes = np.stack([activations(rng, p.activation, 1, steps * per_beat,
                                          None if kinds is None else (kinds[i % len(kinds)],))[0]
                              for i in range(p.M)])
        q = self._codes(bits, (p.N, steps * per_beat))
        # equal weights: rows that cancel do
        q = np.where(rng.random((p.N, 1)) < (0.6 if swept else 0.2), q[:, :1], q)
        zero = None
        if _takes_zeros(p):
            choice = rng.integers(3)
            zero = [None, np.full(p.N, 1 << (bits - 1)),
                    rng.integers(0, 1 << bits, p.N)][choice]
        scans = p.is_aligned and not p.can_saturate
        if p.unpack == "sherry":
            q = self._one_zero_in_four(q)
        self._operation(codes, q, bits, zero, swept, scans and not swept and rng.random() < 0.5)

    def _one_zero_in_four(self, q: Array) -> Array:
        """Weights (columns, k) as a packer of 3:4 sparse ones takes them."""
        fours = np.where(q == 1, 2, q).reshape(-1, 4)
        fours[np.arange(len(fours)), self.rng.integers(0, 4, len(fours))] = 1
        return fours.reshape(q.shape)

    def _codes(self, bits: int, shape: tuple[int, int]) -> Array:
        """Any codes of weights."""
        return self.rng.integers(0, _top(self.p, bits) + 1, shape, dtype=np.uint8)

    def _extremes(self) -> tuple[int, int]:
        """Codes of the least and the largest weight."""
        return 0, _top(self.p, self.p.w_bits)

    def _beats(self, q: Array, bits: int, zero: Array | None) -> Beats:
        p = self.p
        return weight_beats(q, bits, p.K, p.groups, zero, radix=p.radix, planes=p.parallel_planes)

    def _swept(self, k: int) -> Array:
        p = self.p
        assert isinstance(p.activation, FloatFormat)
        reach = (p.acc_format or FP32).precision + 6
        return np.stack([swept_row(self.rng, p.activation, k, next(self.places), reach,
                                   p.K * p.groups) for _ in range(p.M)])

    def _longest(self) -> None:
        """The sums that the accumulator is sized for, of both signs."""
        p = self.p
        k = -(-p.max_k // (p.K * p.groups)) * p.K * p.groups
        if k // (p.K * p.groups) * p.w_bits * (2 if p.zero_point else 1) > MAX_BEATS:
            return
        fmt = p.activation
        if isinstance(fmt, FloatFormat):
            code = (fmt.nan if fmt.fn else fmt.inf) - 1
            self._equal(k, (code, code | 1 << (fmt.bits - 1)))
        else:
            self._equal(k, (fmt.low, fmt.high))

    def _powers(self) -> None:
        """Sums of both signs that are powers of two, or three times that."""
        p, fmt = self.p, self.p.activation
        if isinstance(fmt, FloatFormat):
            steps = 1 << min(p.max_k // (p.K * p.groups), 16).bit_length() - 1
            code = int(self.rng.integers(1, fmt.max_exponent_field)) << fmt.mbits
            self._equal(steps * p.K * p.groups, (code, code | 1 << (fmt.bits - 1)))

    def _equal(self, k: int, extremes: tuple[int, int]) -> None:
        """Rows of one activation, columns of one weight."""
        p, (least, largest) = self.p, self._extremes()
        turn = int(self.rng.integers(2))
        codes = np.array([[extremes[(m + turn) % 2]] * k for m in range(p.M)], np.int64)
        odd = (np.arange(p.N) + int(self.rng.integers(2))) % 2
        column = np.where(odd, largest, least)
        q = np.repeat(column[:, None], k, axis=1)
        if p.unpack == "sherry":
            q[:, ::4] = 1
        self._operation(codes, q, p.w_bits, largest - column if _takes_zeros(p) else None)

    def _operation(self, codes: Array, q: Array, bits: int, zero: Array | None,
                   swept: bool = False, edge: bool = False) -> None:
        p = self.p
        if p.scales_groups:
            return self._scaled(codes, q, bits, swept, edge)
        tables = self._tables(codes, edge)
        beats = self._beats(q, bits, zero)
        sums = operation(p, tables, beats)
        psum = self._psum(sums, swept) if p.preload else None
        by = None
        if p.requantizes:
            if psum is not None:
                sums = operation(p, tables, beats, psum)
            by = requantizer(self.rng, np.abs(sums).max(0))
            self.scales += requantizer_beats(p, by)
        self.weights += weight_fields(p, beats)
        self._finish(operation(p, tables, beats, psum, by), psum, tables)

    def _tables(self, codes: Array, edge: bool, scale: Array | None = None) -> Tables:
        """Tables of an accumulation, sent; ``edge``: see :func:`on_edge`; ``scale``: of rows."""
        p = self.p
        if edge:
            codes = on_edge(self.rng, p, codes)
        exponent = given_exponents(self.rng, p, codes)
        tables = make_tables(codes, p, exponent)
        self.inputs += table_beats(p, tables) if p.table_source == "external" else \
            activation_beats(p, codes, exponent, scale)
        return tables

    def _finish(self, expected: Array, psum: Array | None, *tables: Tables) -> None:
        p = self.p
        if psum is not None:
            self.psums += psum_beats(p, psum)
        self.expected.append(expected)
        self.saturated += saturated_words(p, *tables)

    def _scaled(self, codes: Array, q: Array, bits: int, swept: bool, edge: bool) -> None:
        """An operation of one to four groups, each with its kind of codes."""
        p, rng = self.p, self.rng
        per_beat = p.K * p.groups
        steps = codes.shape[1] // per_beat
        cuts = rng.choice(np.arange(1, steps), min(int(rng.integers(4)), steps - 1),
                          replace=False) if steps > 1 else np.array([], np.int64)
        edges = [0, *np.sort(cuts).tolist(), steps]
        groups = []
        for number, (start, stop) in enumerate(itertools.pairwise(edges)):
            part = slice(start * per_beat, stop * per_beat)
            kind = Codes(int(rng.integers(3))) if p.has_codes else Codes.ODD
            scale = scale_codes(rng, p.scale_format, p.N)
            offset = None if p.offset_format is None else \
                scale_codes(rng, p.offset_format, p.N)
            row_scale = None if p.row_scale_format is None else \
                scale_codes(rng, p.row_scale_format, p.M)
            beats = self._beats(q[:, part], bits, None)
            groups.append(Group(self._tables(codes[:, part], edge, row_scale), beats, kind, scale,
                                offset, row_scale))
            self.weights += weight_fields(p, beats, kind, number == 0, stop == steps)
            self.scales += scale_beats(p, scale, offset)
        psum = self._psum(scaled_operation(p, groups), swept) if p.preload else None
        self._finish(scaled_operation(p, groups, psum), psum, *(g.tables for g in groups))

    def _psum(self, result: Array, swept: bool) -> Array:
        """Partial sums for results: any, special ones, and those of :func:`partners`."""
        p, rng = self.p, self.rng
        shape = (p.M, p.N)
        fmt = p.psum
        if not isinstance(fmt, FloatFormat):
            some = rng.integers(fmt.low, fmt.high, shape, endpoint=True)
            # a small one leaves the sum as it is, which may be requantised to more than an end
            return np.where(rng.random(shape) < 0.3, some >> fmt.bits - 8, some)
        values = fmt.from_float64(rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape))
        special = np.array([0, 1, fmt.inf - 1, fmt.inf, fmt.nan])
        signs = rng.integers(0, 2, shape) << (fmt.bits - 1)
        values = np.where(rng.random(shape) < 0.2, rng.choice(special, shape) | signs, values)
        assert isinstance(p.out, FloatFormat)
        beside = partners(rng, fmt, fmt.convert(result, p.out), 0.7 if swept else 0.4)
        values = np.where(rng.random(shape) < (0.9 if swept else 0.6), beside, values)
        if rng.random() < 0.1:      # a NaN of one bit, each in turn
            self.nans = self.nans or [fmt.inf | 1 << i for i in range(fmt.mbits)]
            values[int(rng.integers(p.M)), int(rng.integers(p.N))] = self.nans.pop()
        return values


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every result of every operation, bit for bit."""
    plan = load_plan()
    await compare(dut, plan, Stimulus(LutCoreParameters(**plan["parameters"]), plan["seed"],
                                      plan["vectors"]))


async def compare(dut: Any, plan: dict[str, Any], stimulus: Stimulus) -> None:
    """Drive a core with the stimulus; see the top of this file."""
    p = stimulus.p
    rng = random.Random(plan["seed"])
    bench = Bench(dut)
    per_operation = p.drain_beats
    total = per_operation * len(stimulus.expected)

    # of an operation of groups all partial sums come before its first result
    unit = per_operation if p.scales_groups else 1
    words: list[int] = []
    lasts: list[int] = []
    flags: list[int] = []
    expected = [word for result in stimulus.expected for word in result_words(p, result)]
    ends = [int(i % per_operation == per_operation - 1) for i in range(total)]

    def take(beat: dict[str, int]) -> None:
        words.append(beat["values"])
        lasts.append(beat["last"])
        flags.append(beat.get("saturated", 0))

    fields = ("values", "last", *(("saturated",) if p.can_saturate else ()))
    stall = rng.choice([0.2, 0.5]) if plan.get("stalls", True) else 0.0

    def streams(lock_step: bool = False) -> Streams:
        name = "activation" if p.table_source == "internal" else "table"

        def source(name: str, beats: list[dict[str, int]],
                   may: Callable[[int], bool] = lambda i: True) -> Source:
            return Source(dut, name, beats, rng, stall, may=may,
                          withdraw=rng.choice([0.0, 0.3]) if stall else 0.0)

        found: Streams = [
            *([source("scale", stimulus.scales)] if stimulus.scales else []),
            source(name, stimulus.inputs),
            source("weight", stimulus.weights),
            Sink(dut, "result", fields, take, rng, stall)]
        if p.preload:
            found.append(source("psum", stimulus.psums,
                                (lambda i: i // unit <= len(words) // unit) if lock_step
                                else lambda i: True))
        return found

    def broken_off(start: Streams, results: int, after_last: int | None
                   ) -> Callable[[], bool]:
        """So many results, or so many cycles after the last weights of the first operation are
        on their way."""
        weights = next(x for x in start if isinstance(x, Source) and x.name == "weight")
        last = next(i for i, beat in enumerate(stimulus.weights) if beat["last"])
        seen: list[int] = []

        def done() -> bool:
            if weights.next >= last:
                seen.append(bench.cycles)
            return len(words) >= results or (after_last is not None and len(seen) > after_last)
        return done

    breaks: list[tuple[int, int, int | None]] = [(rng.randrange(1, 60), total, None)
                                                 for _ in range(2)]
    breaks += [(1000, rng.randrange(1, min(total, 3 * per_operation) + 1), None)
               for _ in range(3)]
    breaks += [(1000, total, after_last) for after_last in range(5)]
    for cycles, results, after_last in breaks:
        start = await bench.reset(streams)
        words.clear()
        lasts.clear()
        flags.clear()
        await bench.run(start, broken_off(start, results, after_last), limit=cycles)
        differ = [i for i, word in enumerate(words) if word != expected[i]]
        assert not differ and lasts == ends[:len(lasts)], \
            f"wrong results after a reset, of {len(words)} beats from {differ[:4]} on"
    start = await bench.reset(streams)
    words.clear()
    lasts.clear()
    flags.clear()
    await bench.run(start, lambda: len(words) == total)

    assert lasts == ends, "result_last must mark the last beat of every operation, and only that"
    assert flags == stimulus.saturated, "result_saturated must be that of the result's row"
    wrong = 0
    for i, golden in enumerate(stimulus.expected):
        got = results_of(p, words[i * per_operation:(i + 1) * per_operation])
        for m, n in np.argwhere(got != golden)[:4]:
            cocotb.log.error("operation %d, row %d, column %d: got %#x, golden %#x", i, m, n,
                             int(got[m, n]), int(golden[m, n]))
        wrong += int((got != golden).sum())
    if p.preload:
        start = await bench.reset(lambda: streams(lock_step=True))
        words.clear()
        lasts.clear()
        flags.clear()
        some = min(total, 3 * per_operation)
        await bench.run(start, lambda: len(words) == some, more=some < total)
        assert words == expected[:some] and lasts == ends[:some], \
            "wrong results in lock-step with the partial sums"
    bench.report(words=total * p.out_values, mismatches=wrong, operations=len(stimulus.expected))
    assert wrong == 0, f"{wrong} of {total * p.out_values} results differ from the golden model"
