#!/usr/bin/env python3
"""Accuracy of the direct core's aligned activations against sequential accumulation.

    .venv/bin/python scripts/studies/bench_dot_accuracy.py [--outputs N] [--draws N]

RMS error of the core over the RMS error of sequential accumulation on the same data, both against
the exact sum: products and sums in the format of the accumulator, every step rounded (NumPy's own
float16 and float32). Rows, references and errors are those of :mod:`bench_accuracy`; a line has the
worst of all its kinds of rows and lengths. The bar is 1. The columns E - 1 and W - 1 show what an
activation or an accumulator of one bit less than the default would do. Exit status 1 when a bar is
missed at the defaults.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from bench_accuracy import COLUMNS, ROWS, TYPES, Data, Draw, ratio, rms

from lowbit.golden.digits import FORMATS
from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.core import operation
from lowbit.golden.lut.direct import direct_beats
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.lut.table import make_tables

#: weight formats at FP16 activations; INT4 at the others
WEIGHTS = ("int4", "int2", "ternary", "int8", "e2m1", "shift4")
LENGTHS = (64, 512, 4096)


class DirectData(Data):
    """Activations, and weights of a format of digits in place of integers of bits."""

    def __init__(self, rng: np.random.Generator, a_format: str, draw: Draw, rows: int, k: int,
                 w_format: str) -> None:
        super().__init__(rng, a_format, draw, rows, k)
        form = FORMATS[w_format]
        self.whole = form.values[rng.choice(np.array(form.codes), (COLUMNS, k))]
        self.weight = self.whole.astype(np.float64)
        if a_format == "fp16":      # multiples of 2**-24: integers below 2**62
            whole = np.ldexp(self.a, 24).astype(np.int64) @ self.whole.T
            self.exact = np.ldexp(whole.astype(np.float64), -24)
        else:
            self.exact = np.array([[math.fsum(products) for products
                                    in (row * self.weight).tolist()] for row in self.a])

    def sequential(self, kind: type[Any]) -> Any:
        acc = np.zeros(self.exact.shape, kind)
        with np.errstate(over="ignore", invalid="ignore"):
            for i in range(self.a.shape[1]):
                acc = acc + np.outer(self.a[:, i], self.weight[:, i]).astype(kind)
        return acc.astype(np.float64)

    def direct(self, p: DotCoreParameters) -> Any:
        """Results in units of the weights."""
        result = operation(p.frame, make_tables(self.codes, p.frame),
                           direct_beats(self.whole, p.frame))
        assert isinstance(p.frame.out, FloatFormat)
        return np.ldexp(p.frame.out.to_float64(result), -p.frame.form.unit)


def line(a_format: str, w_format: str, acc: str, outputs: int, draws: int,
         lengths: Sequence[int] = LENGTHS, rows: Mapping[str, Draw] = ROWS) -> list[float]:
    """The worst ratio by default, with a bit less of an activation, of an accumulator."""
    kind = {"fp32": np.float32, "fp16": np.float16}[acc]
    base = DotCoreParameters(M=1, a_format=a_format, w_format=w_format, acc=acc)
    e, w = base.frame.entry_bits, base.frame.acc_bits
    designs = [DotCoreParameters(M=1, a_format=a_format, w_format=w_format, acc=acc,
                                 entry_width=bits, acc_width=acc_bits)
               for bits, acc_bits in ((e, w), (e - 1, w), (e, w - 1))]
    worst = [0.0] * len(designs)
    for draw in rows.values():
        for k in lengths:
            errors = []
            for seed in range(1, draws + 1):
                data = DirectData(np.random.default_rng([seed, k]), a_format, draw,
                                  -(-outputs // COLUMNS), k, w_format)
                errors.append([rms(data.error(result, kind)) for result in (
                    data.sequential(kind), *(data.direct(p) for p in designs))])
            bar, *found = np.sqrt(np.square(errors).sum(axis=0))
            worst = [max(a, ratio(error, bar)) for a, error in zip(worst, found, strict=True)]
    return worst


def lines() -> Iterator[tuple[str, str, str]]:
    for acc in ("fp32", "fp16"):
        yield from (("fp16", w_format, acc) for w_format in WEIGHTS)
        yield from ((a_format, "int4", acc) for a_format in TYPES if a_format != "fp16")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--outputs", type=int, default=1024, help="outputs of a draw; default 1024")
    parser.add_argument("--draws", type=int, default=4, help="draws of every kind; default 4")
    args = parser.parse_args()
    print(f"{'activation':<12}{'weight':<10}{'acc':<6}{'E':>4}{'W':>4}{'default':>10}{'E - 1':>10}"
          f"{'W - 1':>10}")
    missed = 0
    for a_format, w_format, acc in lines():
        p = DotCoreParameters(a_format=a_format, w_format=w_format, acc=acc).frame
        found = line(a_format, w_format, acc, args.outputs, args.draws)
        missed += found[0] > 1
        print(f"{a_format:<12}{w_format:<10}{acc:<6}{p.entry_bits:>4}{p.acc_bits:>4}"
              + "".join(f"{x:10.3f}" for x in found) + f"   {'MISSED' if found[0] > 1 else 'ok'}",
              flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
