#!/usr/bin/env python3
"""Accuracy of row-scaled entries: which widths E of an entry and W of an accumulator meet the bar.

    .venv/bin/python scripts/studies/bench_row_scaled.py [--outputs N] [--draws N] [--json FILE]

The bar of docs/numerics.md, section 4: RMS error over that of sequential accumulation in the same
format, both against the exact sum, at most 1, for FP16 activations, five kinds of rows, 64, 512 and
4,096 activations, and 1, 2, 4 and 8 weight bits; the exponent is the one that a scan finds, in a
design with zero points and operations of up to 4,096. Every figure is the worst of the kinds and of
``--draws`` draws. Data and references are those of bench_accuracy.py. Exit status 1 when the
widths that are to become the defaults miss the bar.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from bench_accuracy import WIDTH_LENGTHS, Data, K, ratio, rms, width_draws
from numpy.typing import NDArray

from lowbit.golden.formats import FP16, FP32
from lowbit.golden.lut.row_scaled import RowScale, step
from lowbit.golden.lut.table import pattern_signs

#: accumulator class -> pairs (E, W); the first meets the bar at every number of weight bits
PAIRS = {"fp32": ((26, 34), (26, 33), (25, 34)),
         "fp16": ((13, 22), (13, 21), (12, 22))}
BITS = (1, 2, 4, 8)
MAX_K = 4096


def row_scaled(data: Data, acc: str, entry_bits: int, acc_bits: int) -> NDArray[np.float64]:
    """Results of the model, as float64."""
    scale = RowScale(FP16, K, entry_bits, acc_bits, data.bits, True, MAX_K)
    codes = data.codes.astype(np.int64)
    exponent = scale.scanned_exponent(codes)
    terms, saturated = scale.terms(codes, exponent)
    entries, too_large = scale.entries(terms, pattern_signs(K, "full").astype(np.int64))
    assert not (saturated | too_large).any()
    planes = np.arange(data.bits)[:, None, None]
    bits = data.q.astype(np.int64)[None] >> (data.bits - 1 - planes) & 1
    patterns = (bits.reshape(data.bits, len(data.q), -1, K) << np.arange(K)).sum(axis=3)
    tables = np.arange(entries.shape[1])
    total = np.zeros(data.exact.shape, np.int64)
    for plane in range(data.bits):
        stepped = step(entries, plane)
        for row in range(len(total)):
            total[row] += stepped[row][tables, patterns[plane]].sum(axis=1)
    assert np.abs(total).max() <= scale.acc_limit
    fmt = FP32 if acc == "fp32" else FP16
    result = fmt.round((total < 0).astype(np.int64), np.abs(total),
                       exponent[:, None] + (FP16.emin + data.bits - 1))
    return fmt.to_float64(result)


def figures(outputs: int, draws: int, bits: int, k: int) -> list[dict[str, Any]]:
    """The worst ratio of each pair, and the kind of rows that it is of."""
    worst: dict[tuple[str, int, int], tuple[float, str]] = {}
    for name, data, acc, like, bar in width_draws(outputs, draws, bits, k):
        for pair in PAIRS[acc]:
            value = ratio(rms(data.error(row_scaled(data, acc, *pair), like)), bar)
            worst[acc, *pair] = max(worst.get((acc, *pair), (0.0, "")), (value, name))
    return [dict(acc=acc, entry_bits=entry, acc_bits=accumulator, w_bits=bits, k=k,
                 ratio=round(value, 3), rows=name)
            for (acc, entry, accumulator), (value, name) in worst.items()]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--outputs", type=int, default=4096, help="outputs of a draw")
    parser.add_argument("--draws", type=int, default=10, help="draws of every kind of row")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    found: list[dict[str, Any]] = []
    print(f"{'acc':<6}{'E/W':<8}{'bits':<6}{'k':<6}{'ratio':>7}  worst rows")
    for bits in BITS:
        for k in WIDTH_LENGTHS:
            for record in figures(args.outputs, args.draws, bits, k):
                found.append(record)
                pair = f"{record['entry_bits']}/{record['acc_bits']}"
                print(f"{record['acc']:<6}{pair:<8}{bits:<6}{k:<6}{record['ratio']:7.3f}  "
                      f"{record['rows']}{'' if record['ratio'] <= 1 else '   MISSED'}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(dict(
            outputs=args.outputs, draws=args.draws, K=K, max_k=MAX_K, figures=found),
            indent=2) + "\n")
    chosen = {(acc, *pairs[0]) for acc, pairs in PAIRS.items()}
    return 1 if any(record["ratio"] > 1 for record in found if (
        record["acc"], record["entry_bits"], record["acc_bits"]) in chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
