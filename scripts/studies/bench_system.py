#!/usr/bin/env python3
"""How a language model keeps the accelerator busy: bus and core, prompt and decode.

    scripts/studies/bench_system.py

All calls of SmolLM2-135M (Q4_1 in groups of 32, a Q8_0 head) on M2 N64 K4 with 8-bit weights and
a 256-bit bus, by the cycle model that the RTL follows within 2 % (a recorded run of the whole
model: 0.003 %). ``port``: share of the cycles with a beat read; ``busy``: with a weight beat,
without the head; ``bytes``: over those of codes, scales and offsets.
"""

from __future__ import annotations

import sys

from lowbit.golden.accelerator.cycles import Timeline, timeline
from lowbit.golden.accelerator.isa import Instruction, Op
from lowbit.golden.accelerator.layout import Matrix, plan
from lowbit.golden.accelerator.linear import Activations, Product, linear, row_blocks_of_bytes
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.group_scale import Codes

LAYERS, D, FF, KV, VOCABULARY = 30, 576, 1536, 192, 49152


def q4_1(p: AccelParameters, n: int, k: int) -> Matrix:
    return plan(p, n, k, 4, 32, Codes.UNSIGNED, True)


def call(p: AccelParameters, rows: int, matrices: list[Matrix], latency: int) -> Timeline:
    """Matrices that share their activations, as one program."""
    products, at = [], 0
    for m in matrices:
        products.append(Product(m, 1, at, 2, 0, -(-m.n // 16)))
        at += m.size // 64
    x = Activations(0, 0, row_blocks_of_bytes(p, matrices[0].k))
    return timeline(p, [*linear(p, rows, x, products), Instruction(Op.END, {"irq": 1})], latency)


def main() -> int:
    print(f"{'lanes':>5} {'rows':>4} {'latency':>7} {'cycles':>12} {'port':>7} {'busy':>7} "
          f"{'bytes':>7}   bars")
    bars = {(8, 1, 60): "port >= 90 %, bytes <= 1.03", (8, 1, 300): "port >= 80 %",
            (8, 16, 60): "busy >= 95 %, bytes <= 1.25", (4, 16, 60): "busy >= 88 %"}
    for chains in (4, 2):
        p = AccelParameters(w_bits=8, chains=chains)
        layer = [[q4_1(p, D, D), q4_1(p, KV, D), q4_1(p, KV, D)], [q4_1(p, D, D)],
                 [q4_1(p, FF, D), q4_1(p, FF, D)], [q4_1(p, D, FF)]]
        head = plan(p, VOCABULARY, D, 8, 32, Codes.SIGNED, False)
        data = LAYERS * sum(m.data for some in layer for m in some) + head.data
        for rows, latency in ((1, 60), (1, 300), (16, 60)):
            parts = [call(p, rows, some, latency) for some in layer]
            last = call(p, 1, [head], latency)
            cycles = LAYERS * sum(t.cycles for t in parts) + last.cycles
            read = LAYERS * sum(t.read_beats for t in parts) + last.read_beats
            written = LAYERS * sum(t.write_beats for t in parts) + last.write_beats
            busy = sum(t.beats for t in parts) / sum(t.cycles for t in parts)
            print(f"{2 * chains:5} {rows:4} {latency:7} {cycles:12,} {read / cycles:7.1%} "
                  f"{busy:7.1%} {(read + written) * 32 / data:7.3f}   "
                  f"{bars.get((2 * chains, rows, latency), '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
