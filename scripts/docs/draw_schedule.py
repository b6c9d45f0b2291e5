"""Picture of the BitMoD tile's schedule, from a simulation of a small tile. Run by draw.py."""

from __future__ import annotations

import numpy as np
from canvas import Canvas
from waves import Trace, record

from lowbit.golden.bitmod.cycles import Operation, stream_cycles
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.pe import layer
from lowbit.golden.bitmod.ports import Weights, layer_beats, layer_results, special_value_word
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import FP16, FP32
from lowbit.hdl.bitmod.tile import BitmodTile

__all__ = ["schedule"]

#: what the picture simulates: two operations of two groups of FP4 weights
SMALL = BitmodTileParameters(rows=2, columns=2)
GROUP, K, OPERATIONS = 16, 32, 2


def simulate() -> Trace:
    """Port values of each cycle, from the first operands at the ports to the last result.

    Raises ``AssertionError`` where results are not the golden model's, or cycles not the model's.
    """
    p, rng, dtype = SMALL, np.random.default_rng(0), get_data_type("bitmod4")
    channels, groups = OPERATIONS * p.columns, K // GROUP
    rows = FP16.from_float64(rng.standard_normal((p.rows, K)))
    weights = Weights(rng.integers(0, 16, (channels, K)).astype(np.uint8), dtype, GROUP,
                      rng.integers(1, 128, (channels, groups)).astype(np.uint8),
                      rng.integers(0, 4, (channels, groups)),
                      rng.random(channels).astype(np.float32))
    special = np.array(dtype.special_values)
    beats = layer_beats(p, rows, weights)
    operation = Operation.of_groups(p, dtype, [GROUP] * groups)
    model = stream_cycles(p, [operation] * OPERATIONS)
    writes = [{"sv_write": 1, "sv_index": index, "sv_value": special_value_word(float(value))}
              for index, value in enumerate(special)]
    trace, words = record(
        BitmodTile(p), beats,
        lambda trace: sum(t["result_valid"] for t in trace) == OPERATIONS * p.output_beats,
        before=[*writes, {"sv_write": 0}])
    expected = layer(FP16.to_array(rows), weights.codes, dtype, weights.scale_codes, GROUP,
                     special_values=special[weights.selectors],
                     channel_scale=weights.channel_scale, parameters=p.pe)
    got = layer_results(p, words, p.rows, channels)
    assert (got == FP32.from_array(expected)).all(), "the simulated tile is wrong"
    assert len(trace) == model, f"{len(trace)} cycles; the cycle model says {model}"
    return trace


def schedule() -> Canvas:
    """Two operations of the small tile, cycle by cycle."""
    p, trace = SMALL, simulate()
    groups, chunks = K // GROUP, GROUP // p.lanes
    left, step, top = 150, 15, 66
    c = Canvas(left + step * len(trace) + 20, 398, "The tile's schedule, cycle by cycle")
    rows = dict(group=0, chunk=26, term=52, weight_ready=84, group_ready=110, sums=148,
                channel_ready=186, result_valid=212, result_values=238, result_last=264)
    bottom = top + 290
    for i in range(len(trace) + 1):
        if i % 5 == 0:
            c.line([(left + i * step, top - 12), (left + i * step, bottom)], "thin")
            c.label(left + i * step, top - 18, str(i), "dim small", anchor="middle")
    c.label(left - 10, top - 18, "cycle", "dim small", anchor="end")
    for name, y in rows.items():
        words = {"sums": "group sums leave PEs"}.get(name, name)
        c.label(left - 10, top + y + 12, words, "mono small" if "_" in name else "small",
                anchor="end")
        if name in trace[0] and name != "result_values":
            c.wave(left, step, top + y, [t[name] for t in trace])

    # a beat passes a register, which the next beat enters when the last term of the one before is
    # taken: the first term follows when the first beats are there
    start = group_start = p.port_latency
    latency = 1 + p.pe.latency       # the tile's operand register, then the PE
    scaling = p.sharing_sums
    taken = 0
    for cycle, now in enumerate(trace):
        chunk = now["weight_beat"] - 1          # the one in the register
        if not now["weight_ready"] or chunk != taken:
            continue
        taken += 1
        kind = ("yellow", "blue")[chunk // chunks // groups % 2]
        c.span(left, step, top + rows["chunk"], (start, cycle + 1), kind, str(chunk % chunks))
        terms_of_chunk = get_data_type("bitmod4").terms
        for t in range(terms_of_chunk - 1):
            c.span(left, step, top + rows["term"], (start + t, start + t + 1), kind, str(t))
        waits = start + terms_of_chunk - 1
        if cycle > waits:
            c.span(left, step, top + rows["term"], (waits, cycle), "grey", "wait")
        c.span(left, step, top + rows["term"], (cycle, cycle + 1), kind, str(terms_of_chunk - 1))
        start = cycle + 1
        if now["group_ready"]:
            number = chunk // chunks
            c.span(left, step, top + rows["group"], (group_start, cycle + 1), kind,
                   f"operation {number // groups}, group {number % groups}")
            begin = cycle + latency + 1
            c.span(left, step, top + rows["sums"], (begin, begin + scaling), kind,
                   f"g{number % groups}")
            group_start = cycle + 1
    results = [cycle for cycle, now in enumerate(trace) if now["result_valid"]]
    for number, cycle in enumerate(results):
        at = number % p.output_beats
        kind = ("yellow", "blue")[number // p.output_beats % 2]
        c.span(left, step, top + rows["result_values"], (cycle, cycle + 1), kind, str(at))
    first_end = next(i for i, now in enumerate(trace) if now["group_ready"]
                     and now["group_beat"] == groups) + 1
    out = results[p.output_beats - 1] + 1
    y = bottom + 12
    for x0, x1, words in ((p.port_latency, first_end, "terms of operation 0"),
                          (first_end, out, "its last sums, then its results"),
                          (out, len(trace), "operation 1 ends likewise")):
        c.bracket(left + x0 * step + 2, left + x1 * step - 2, y, words)
    c.label(left, 28, f"{p.rows} rows, {p.columns} columns, FP4, groups of {GROUP} weights, "
            f"{p.lanes} lanes: {chunks} chunks of 2 terms a group", "dim small")
    return c
