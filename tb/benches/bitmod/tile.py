"""Bench of bitmod_tile and bitmod_array: operations of all types, bit for bit and cycle for cycle.

First random operations with random stalls, waiting beats withdrawn now and then, and channel scales
that may come only when the results before theirs have been taken; some have one number a group, at
places that sweep the format, and two have sums as large and as small as they get. Then operations
back to back without a stall, whose cycles must be those of the cycle model. A plan may name
``layers`` instead, as (type, k, group size): each is run alone, and its cycles are reported.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.cycles import Operation, stream_cycles
from lowbit.golden.bitmod.datatypes import (
    DATA_TYPE_NAMES,
    PAIR_TYPES,
    DataType,
    get_data_type,
)
from lowbit.golden.bitmod.pe import layer
from lowbit.golden.bitmod.ports import (
    Weights,
    clipped_words,
    layer_beats,
    layer_results,
)
from lowbit.golden.bitmod.row_alignment import align_rows, group_exponents
from lowbit.golden.bitmod.tile_parameters import BitmodMeshParameters, BitmodTileParameters
from lowbit.golden.formats import FP16, FP32
from lowbit.golden.group_scale import SCALE_KINDS
from lowbit.tb.benches.bitmod.stimulus import (
    GROUP_KINDS,
    SPECIAL_VALUES,
    channel_places,
    few_groups,
    group_activations,
    program_special_values,
    scan_corners,
)
from lowbit.tb.benches.stimulus import activations, scale_codes
from lowbit.tb.benches.streams import Bench, Sink, Source, Streams, load_plan

Array = NDArray[Any]

#: types that run as they are, on any decoder
NAMES = [n for n in DATA_TYPE_NAMES if not n.endswith("_asym") and n != "flint4"]
STREAMS = ("activation", "weight", "group", "channel")
#: channel scales that overflow, underflow, or make NaN of a zero
ODD_SCALES = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, -1e-38], np.float32)

#: group size of the largest sums
LARGEST = 128


def _names(p: BitmodMeshParameters) -> list[str]:
    """Types of a design, its options' among them."""
    return [*NAMES, *(["flint4"] if p.flint else []), *(PAIR_TYPES if p.olive else ())]


class Layer:
    """One random layer: its beats, its golden results, its cycles of terms.

    ``sweep``: few numbers (:func:`few_groups`), the first at this place, and channel scales that
    bring their sums to the ends of the results' format. ``extreme``: ``"largest"``, of an integer
    type, has activations and weights as large as they get, of one sign in a row and in a column;
    ``"smallest"`` one activation a row, and that, weights and scales as small as they get.
    """

    def __init__(self, p: BitmodMeshParameters, rng: np.random.Generator, special: Array,
                 dtype: DataType, k: int, group_size: int, blocks: tuple[int, int],
                 sweep: int | None = None, extreme: str = "") -> None:
        down, across = p.tiles
        # ragged now and then
        self.m = max(1, blocks[0] * down * p.rows - int(rng.integers(2)) * int(rng.integers(3)))
        self.n = max(1, blocks[1] * across * p.columns
                     - int(rng.integers(2)) * int(rng.integers(3)))
        groups = -(-k // group_size)
        codes = rng.integers(0, 1 << dtype.bits, (self.n, k)).astype(np.uint8)
        # equal weights: activations that cancel do
        codes = np.where(rng.random((self.n, 1)) < 0.3, codes[:, :1], codes)
        shape = (self.n, groups)
        scales = rng.integers(0, 256, shape)
        scales[rng.random(shape) < 0.1] = 0
        if p.group_scale != "int8":
            kind = SCALE_KINDS[p.group_scale]
            scales = np.stack([scale_codes(rng, kind, groups) for _ in range(self.n)])
        selectors = rng.integers(0, 4, shape)
        channel = None
        if p.channel_scale and rng.random() < 0.9:
            channel = self._channel(rng)
            if rng.random() < 0.3:      # a zero times infinity
                scales[0], channel[0] = 0, np.inf
        rows = self._rows(rng, k, group_size)
        if extreme == "largest":
            rows[:] = (FP16.inf - 1) | rng.integers(0, 2, (self.m, 1)) << 15
            codes[:] = dtype.sv_code - rng.integers(0, 2, (self.n, 1))
        elif extreme == "smallest":
            rows[:] = (np.arange(k) == 0) | rng.integers(0, 2, (self.m, 1)) << 15
            codes[:], scales[:] = 1, rng.integers(1, 3, (self.n, 1))
        opposed = sweep is not None and bool(rng.integers(2))
        if sweep is not None:
            rows = few_groups(rng, sweep, self.m, groups, group_size, opposed)[:, :k]
        if opposed:         # the same weights, scales that hardly differ
            codes = np.tile(codes[:, :group_size], groups)[:, :k]
            selectors[:] = selectors[:, :1]
            unlike = rng.integers(-1, 2, shape) * (rng.random(shape) < 0.3)
            scales = np.clip(scales[:, :1] + unlike, 0, 255)
        weights = Weights(codes, dtype, group_size, scales.astype(np.uint8), selectors, channel)
        values = special[selectors] if dtype.kind == "float" else None
        fmt = FP16 if p.out == "fp16" else FP32
        if sweep is not None and channel is not None:
            sums = layer(FP16.to_array(rows[:1]), codes, dtype, weights.scale_codes, group_size,
                         special_values=values, parameters=p.pe, scale_kind=p.group_scale)[0]
            channel = FP32.to_array(channel_places(rng, FP32.from_array(sums), fmt))
            weights = replace(weights, channel_scale=channel)
        exponents, clipped = None, np.zeros(self.m, bool)
        if p.scans:
            rows = scan_corners(rng, rows, group_size)
        elif p.align == "row":
            exponents = self._exponents(rng, rows, group_size)
            clipped = align_rows(rows, group_size, p.align_bits, exponents).clipped
        self.beats = layer_beats(p, rows, weights, exponents)
        #: the field of the result beats that says which rows were cut, 0 where there is none
        self.clipped = clipped_words(p, clipped, self.n)
        result = layer(FP16.to_array(rows), codes, dtype, weights.scale_codes, group_size,
                       special_values=values, channel_scale=channel, out_fp16=p.out == "fp16",
                       parameters=p.pe, exponents=exponents, scale_kind=p.group_scale)
        self.expected = fmt.from_array(result)
        self.words = p.output_beats * len(self.beats["group"]) // groups
        self.name = f"{dtype.name}, k {k}, groups of {group_size}"
        self.operations = self._operations(p, weights)

    def _operations(self, p: BitmodMeshParameters, weights: Weights) -> list[Operation]:
        """What the cycle model needs to know, and of the beats of groups what is kept."""
        count = self.words // p.output_beats
        sizes = weights.group_sizes()
        kept = [bool(beat.get("keep")) for beat in self.beats["group"][::len(sizes)]]
        return [Operation.of_groups(p, weights.dtype, sizes, kept[i]) for i in range(count)]

    @staticmethod
    def _exponents(rng: np.random.Generator, rows: Array, group_size: int) -> Array:
        """The largest of each group; in some rows here and there another one, most of them near."""
        exponents = group_exponents(rows, group_size)
        near = exponents + rng.integers(-2, 3, exponents.shape)
        any_other = rng.integers(0, 1 << FP16.ebits, exponents.shape)
        other = np.where(rng.random(exponents.shape) < 0.8, near, any_other)
        chosen = (rng.random((len(rows), 1)) < 0.3) & (rng.random(exponents.shape) < 0.5)
        return np.clip(np.where(chosen, other, exponents), 0, (1 << FP16.ebits) - 1)

    def _channel(self, rng: np.random.Generator) -> Array:
        channel = (rng.standard_normal(self.n) * 10.0 ** rng.integers(-6, 3, self.n)
                   ).astype(np.float32)
        channel[rng.random(self.n) < 0.05] = 0
        # subnormal scales and results, with every number of leading zeros
        tiny = rng.random(self.n) < 0.1
        channel[tiny] = np.exp2(-rng.uniform(120, 150, int(tiny.sum())))
        wide = rng.random(self.n) < 0.15        # up to results beyond the largest
        channel[wide] = np.exp2(rng.uniform(-126, 127.9, int(wide.sum())))
        odd = rng.random(self.n) < 0.08
        channel[odd] = rng.choice(ODD_SCALES, int(odd.sum()))
        return channel

    def _rows(self, rng: np.random.Generator, k: int, group_size: int) -> Array:
        rows = activations(rng, FP16, self.m, k)
        for i in np.flatnonzero(rng.random(self.m) < 0.5):
            groups = -(-k // group_size)
            rows[i] = group_activations(rng, str(rng.choice(GROUP_KINDS)), groups,
                                        group_size).reshape(-1)[:k]
        return rows


def _layers(p: BitmodMeshParameters, rng: np.random.Generator, special: Array,
            words: int) -> list[Layer]:
    """Layers of every type, until there are ``words`` results; one in three sweeps places."""
    down, across = p.tiles
    names = list(rng.permutation(_names(p)))
    size = down * across * p.rows * p.columns
    layers: list[Layer] = []
    done, place = 0, int(rng.integers(FP16.max_exponent_field))
    while done < words or names:
        dtype = get_data_type(str(names.pop() if names else rng.choice(_names(p))), ())
        group_size = min(int(rng.choice([1, p.lanes, 3 * p.lanes - 1, 16, 32])), p.max_group)
        swept = len(layers) % 3 == 2
        group_size += dtype.pairs and group_size % 2
        k = max(1, group_size * int(rng.integers(2 if swept else 1, 4)) - int(rng.integers(2)))
        blocks = [(1, 1), (1, 3), (2, 2)][int(rng.integers(1 if size > 64 else 3))]
        layers.append(Layer(p, rng, special, dtype, k, group_size, blocks,
                            sweep=place if swept else None))
        place += layers[-1].m if swept else 0
        done += layers[-1].m * layers[-1].n
    group_size = min(LARGEST, p.max_group)
    return [*layers, *(
        Layer(p, rng, special, get_data_type(name, ()), k, k, blocks, extreme=extreme)
        for name, k, blocks, extreme in (("int8", group_size, (1, 1), "largest"),
                                         ("fp4", 1, (1, 3), "smallest")))]


def _streams(dut: Any, layers: list[Layer], rng: random.Random, stall: float,
             take: Callable[[dict[str, int]], None],
             may: Callable[[int], bool] = lambda i: True) -> Streams:
    """The layers back to back; ``may`` says when channel beat i is there."""
    streams: Streams = [
        Source(dut, name, [b for x in layers for b in x.beats[name]], rng, stall,
               withdraw=rng.choice([0.0, stall]), may=may if name == "channel" else lambda i: True)
        for name in STREAMS if name in layers[0].beats]
    fields = ("values", "last", "clipped") if hasattr(dut, "result_clipped") else (
        "values", "last")
    return [*streams, Sink(dut, "result", fields, take, rng, stall)]


async def _break_off(bench: Bench, layers: list[Layer], rng: random.Random, times: int) -> None:
    """Runs broken off by a reset anywhere: nothing of them may be left but special values."""
    def streams() -> Streams:
        return _streams(bench.dut, layers, rng, 0.2, lambda beat: None)

    start = streams()
    for _ in range(times):
        await bench.run(start, lambda: False, limit=rng.randrange(1, 120))
        start = await bench.reset(streams)


async def _run(bench: Bench, p: BitmodMeshParameters, layers: list[Layer], rng: random.Random,
               stall: float) -> int:
    """Run the layers back to back and compare; returns the wrong results."""
    words: list[int] = []
    lasts: list[int] = []
    clipped: list[int] = []

    def take(beat: dict[str, int]) -> None:
        words.append(beat["values"])
        lasts.append(beat["last"])
        clipped.append(beat.get("clipped", 0))

    in_step = stall > 0 and rng.random() < 0.5
    streams = _streams(bench.dut, layers, rng, stall, take,
                       lambda i: not in_step or i * p.rows <= len(words))
    total = sum(x.words for x in layers)
    await bench.run(streams, lambda: len(words) == total)
    per = p.output_beats
    assert lasts == [int(i % per == per - 1) for i in range(total)], \
        "result_last must mark the last beat of every operation, and only that"
    assert clipped == [word for x in layers for word in x.clipped], \
        "result_clipped must mark the rows of which activations were cut to an exponent"
    wrong = at = 0
    for x in layers:
        got = layer_results(p, words[at:at + x.words], x.m, x.n)
        at += x.words
        for i, j in np.argwhere(got != x.expected)[:3]:
            cocotb.log.error("%s, row %d, column %d: got %#x, golden %#x", x.name, i, j,
                             int(got[i, j]), int(x.expected[i, j]))
        wrong += int((got != x.expected).sum())
    return wrong


async def _named_layers(bench: Bench, p: BitmodMeshParameters, named: list[list[Any]],
                        numbers: np.random.Generator, special: Array) -> None:
    cycles, words = [], 0
    for name, k, group_size in named:
        chosen = Layer(p, numbers, special, get_data_type(name, ()), k, group_size, (1, 1))
        before = bench.cycles
        assert await _run(bench, p, [chosen], random.Random(0), 0.0) == 0, f"{name} is wrong"
        cycles.append(bench.cycles - before)
        words += chosen.expected.size
    bench.report(words=words, layer_cycles=cycles)


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every result of every operation, bit for bit; cycles of the cycle model."""
    plan = load_plan()
    parameters = {"bitmod_tile": BitmodTileParameters, "bitmod_array": BitmodArrayParameters}
    p: BitmodMeshParameters = parameters[plan["generator"]](**plan["parameters"])
    numbers, rng = np.random.default_rng(plan["seed"]), random.Random(plan["seed"])
    special = numbers.choice(SPECIAL_VALUES, 4, replace=False)
    bench = Bench(dut)
    idle = [f"{name}_valid" for name in STREAMS if name != "channel" or p.channel_scale]
    for name in ("sv_write", "result_ready", *idle):
        getattr(dut, name).value = 0
    await bench.reset()
    await program_special_values(dut, special)

    if "layers" in plan:
        await _named_layers(bench, p, plan["layers"], numbers, special)
        return
    layers = _layers(p, numbers, special, plan["vectors"])
    await _break_off(bench, layers, rng, 5)
    wrong = await _run(bench, p, layers, rng, rng.choice([0.2, 0.5]))
    before = bench.cycles
    smooth = layers[:len(_names(p))]
    wrong += await _run(bench, p, smooth, rng, 0.0)
    cycles = bench.cycles - before
    count = sum(x.expected.size for x in [*layers, *smooth])
    expected = stream_cycles(p, [operation for x in smooth for operation in x.operations])
    bench.report(words=count, mismatches=wrong, operations=sum(len(x.operations) for x in layers),
                 smooth_cycles=cycles, model_cycles=expected)
    assert wrong == 0, f"{wrong} of {count} results differ from the golden model"
    assert bench.is_buffered or cycles == expected, \
        f"{cycles} cycles; the cycle model says {expected}"
