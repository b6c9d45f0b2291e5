#!/usr/bin/env python3
"""Accuracy of the `aligned` core against sequential accumulation, for every activation format.

    .venv/bin/python scripts/studies/bench_accuracy.py [--outputs N] [--seeds N] [--draws N]
                                                       [--only TABLE,...] [--json FILE]

Random rows: RMS error of the core over the RMS error of sequential accumulation on the same data,
over ``--draws`` draws, both against the exact sum; the bar is 1 (docs/numerics.md, section 4). The
FP32 class is compared with FP32 sums of a * q' in ascending order, the FP16 class (--acc fp16) with
FP16 sums of correctly rounded FP16 table entries. Difficult rows: the largest error over
max(4 * the largest error of sequential FP32, 2**-23 * sum|a q'|); the bar is 1 again, but for the
last two kinds of row, for which no bar is set; the worst of ``--seeds`` draws. Integer formats must
be exact. The columns E - 1 and W - 1 show what an entry or an accumulator of one bit less than the
default would do.

The table ``widths`` holds the bar of random rows at every number of weight bits, since fewer planes
leave less to hide a rounding behind: FP16 activations, the worst of five kinds of rows. Beside
both stands the worst single draw: few outputs of short rows with outliers have an error at all, and
draws of even the correctly rounded sum are near 1 there. ``--only`` makes some of the tables.

The references use nothing of this project: NumPy's own float16 and float32 arithmetic,
ml_dtypes' bfloat16 and FP8, and math.fsum, which rounds an exact sum once. Exit status 1 when a
bar is missed at the default settings.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lowbit.golden.lut.gemm import gemm
from lowbit.golden.lut.parameters import LutCoreParameters

Array = NDArray[Any]
Draw = Callable[[np.random.Generator, "type[Any]", tuple[int, int]], Array]

TYPES: dict[str, Any] = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16,
                         "fp8_e4m3": ml_dtypes.float8_e4m3fn, "fp8_e5m2": ml_dtypes.float8_e5m2}
K, BITS, COLUMNS = 4, 4, 64
#: activations of an operation: short ones are harder for the core, which cuts once an activation
LENGTHS = (64, 512)
WIDTHS, WIDTH_LENGTHS = tuple(range(1, 9)), (64, 512, 4096)
#: columns: bits that an entry and an accumulator have less than by default
COLUMNS_OF = {"default": (0, 0), "E - 1": (1, 0), "W - 1": (0, 1)}
MAX_K = 4096


def outliers(share: float, factor: float) -> Draw:
    """Gaussian numbers, some of them larger."""
    def draw(rng: np.random.Generator, kind: Any, shape: tuple[int, int]) -> Array:
        x = rng.standard_normal(shape)
        return np.where(rng.random(shape) < share, factor * x, x)

    return draw


def extreme(name: str) -> Draw:
    """Rows made to be difficult."""
    def draw(rng: np.random.Generator, kind: Any, shape: tuple[int, int]) -> Array:
        info = ml_dtypes.finfo(kind)
        top, least = float(info.max), float(info.smallest_subnormal)
        sign = rng.choice([-1.0, 1.0], shape)
        if name == "largest":
            return top * sign
        if name == "subnormal":
            return least * rng.integers(0, 1 << int(info.nmant), shape) * sign
        if name == "wide":          # exponents all over the format's range
            return sign * np.exp2(rng.uniform(math.log2(least), math.log2(top), shape))
        x = rng.standard_normal(shape)
        if name == "one large":
            x[:, rng.integers(shape[1])] = top
        elif name == "large, tiny":
            x = np.where(np.arange(shape[1]) % 4 == 0, top, least) * sign
        else:                       # cancel: pairs that leave the small numbers between them
            x[:, 0::4], x[:, 1::4] = 1000.0 * sign[:, 0::4], -1000.0 * sign[:, 0::4]
        return x

    return draw


ROWS: dict[str, Draw] = {
        "gaussian": outliers(0, 1), "10 % times 10": outliers(0.1, 10),
                        "10 % times 40": outliers(0.1, 40), "1 % times 10": outliers(0.01, 10),
        "1 % times 100": outliers(0.01, 100)}
DIFFICULT = {name: extreme(name)
             for name in ("largest", "subnormal", "cancel", "large, tiny", "one large", "wide")}
#: kinds that the contract sets no bar for: what one exponent for a row is worst at
NO_BAR = ("one large", "wide")


class Data:
    """Activations and weights, the exact sums, and the sequential ones."""

    def __init__(self, rng: np.random.Generator, a_format: str, draw: Draw, rows: int,
                 k: int, bits: int = BITS) -> None:
        kind = TYPES[a_format]
        top = float(ml_dtypes.finfo(kind).max)
        typed = np.clip(draw(rng, kind, (rows, k)), -top, top).astype(kind)
        self.codes = typed.view(np.uint8 if typed.itemsize == 1 else np.uint16)
        self.a = typed.astype(np.float64)
        self.bits = bits
        self.q = rng.integers(0, 1 << bits, (COLUMNS, k), dtype=np.uint8)
        self.weight = 2.0 * self.q - ((1 << bits) - 1)
        if a_format == "fp16":
            # multiples of 2**-24 below 2**16, so that sums are integers of less than 61 bits
            whole = np.ldexp(self.a, 24).astype(np.int64) @ self.weight.T.astype(np.int64)
            self.exact = np.ldexp(whole.astype(np.float64), -24)
        else:
            # products of 11 by 9 bits: exact in float64
            self.exact = np.array([[math.fsum(products) for products
                                    in (row * self.weight).tolist()] for row in self.a])
        self.magnitude = np.abs(self.a) @ np.abs(self.weight).T

    def sequential_fp32(self) -> Array:
        acc = np.zeros(self.exact.shape, np.float32)
        for i in range(self.a.shape[1]):
            acc = acc + np.outer(self.a[:, i], self.weight[:, i]).astype(np.float32)
        return acc.astype(np.float64)

    def sequential_fp16(self) -> Array:
        """acc + 2**plane * entry, an entry the sum of K activations with signs, in FP16."""
        acc = np.zeros(self.exact.shape, np.float16)
        for start in range(0, self.a.shape[1], K):
            part = slice(start, start + K)
            for plane in range(self.bits):
                sign = 2.0 * (self.q[:, part] >> plane & 1) - 1
                entry = (self.a[:, part] @ sign.T).astype(np.float16)
                with np.errstate(over="ignore", invalid="ignore"):
                    acc = acc + entry * np.float16(1 << plane)
        return acc.astype(np.float64)

    def core(self, a_format: str, **options: Any) -> Array:
        p = LutCoreParameters(K=K, w_bits=self.bits, a_format=a_format, max_k=MAX_K, **options)
        kinds = {32: (np.uint32, np.float32), 16: (np.uint16, np.float16)}[p.out.bits]
        result = gemm(p, self.codes, self.q, self.bits).astype(kinds[0])
        return result.view(kinds[1]).astype(np.float64)

    def error(self, result: Array, like: type[Any]) -> Array:
        """|result - exact|; 0 where both are near the format's largest number, or beyond it: an
        infinity is no error there, or one that no ratio can hold."""
        top = 0.98 * float(ml_dtypes.finfo(like).max)
        with np.errstate(over="ignore", invalid="ignore"):
            near = (np.abs(self.exact) > top) & (result * np.sign(self.exact) > top)
            return np.where(near, 0, np.abs(result - self.exact))


def rms(error: Array) -> float:
    return float(np.sqrt(np.mean(np.square(error))))


def ratio(error: float, bar: float) -> float:
    """error / bar; 0 / 0 is 0."""
    return 0.0 if error == 0 else error / bar if bar else math.inf


def columns(a_format: str, acc: str, bits: int = BITS) -> list[dict[str, int]]:
    """Options of the columns."""
    p = LutCoreParameters(K=K, w_bits=bits, a_format=a_format, acc=acc, max_k=MAX_K)
    return [dict(entry_width=p.entry_bits - entry, acc_width=p.acc_bits - accumulator)
            for entry, accumulator in COLUMNS_OF.values()]


def over_draws(a_format: str, acc: str, draw: Draw, outputs: int, draws: int, k: int,
               bits: int) -> tuple[list[float], float]:
    """The ratio of each column over all draws, and the worst draw's by default."""
    like = np.float32 if acc == "fp32" else np.float16
    errors = []
    for seed in range(1, draws + 1):
        data = Data(np.random.default_rng([seed, k, bits]), a_format, draw, -(-outputs // COLUMNS),
                    k, bits)
        sums = data.sequential_fp32() if acc == "fp32" else data.sequential_fp16()
        errors.append([rms(data.error(result, like)) for result in (
            sums, *(data.core(a_format, acc=acc, **options)
                    for options in columns(a_format, acc, bits)))])
    bar, *pooled = np.sqrt(np.square(errors).sum(axis=0))
    return ([round(ratio(error, bar), 3) for error in pooled],
            round(max(ratio(error, bar) for bar, error, *_ in errors), 3))


def random_rows(outputs: int, draws: int,
                rows: Mapping[str, Draw] = ROWS) -> Iterator[dict[str, Any]]:
    """One record for each format, kind of row and length, of both classes."""
    for a_format in TYPES:
        for name, draw in rows.items():
            for k in LENGTHS:
                for acc in ("fp32", "fp16"):
                    ratios, worst = over_draws(a_format, acc, draw, outputs, draws, k, BITS)
                    yield dict(a_format=a_format, acc=acc, rows=name, k=k, has_bar=True,
                               outputs=outputs * draws, ratios=ratios, worst_draw=worst)


def widths(outputs: int, draws: int) -> Iterator[dict[str, Any]]:
    """For each number of weight bits, length and class: the kind of rows that is worst."""
    for bits in WIDTHS:
        for k in WIDTH_LENGTHS:
            for acc in ("fp32", "fp16"):
                found = [(*over_draws("fp16", acc, draw, outputs, draws, k, bits), name)
                         for name, draw in ROWS.items()]
                ratios, _, name = max(found)
                yield dict(a_format="fp16", acc=acc, w_bits=bits, k=k, rows=name, has_bar=True,
                           outputs=outputs * draws * len(found), ratios=ratios,
                           worst_draw=max(worst for _, worst, _ in found))


def difficult_rows(seed: int) -> Iterator[dict[str, Any]]:
    for a_format in TYPES:
        for name, draw in DIFFICULT.items():
            for k in LENGTHS:
                data = Data(np.random.default_rng(seed), a_format, draw, 8, k)
                with np.errstate(over="ignore", invalid="ignore"):
                    sequential = data.error(data.sequential_fp32(), np.float32)
                sequential[~np.isfinite(sequential)] = 0
                bar = np.maximum(4 * sequential.max(axis=1), 2.0**-23 * data.magnitude.max(axis=1))
                found = [round(max(ratio(e, b) for e, b in zip(
                    data.error(data.core(a_format, **options), np.float32).max(axis=1), bar,
                    strict=True)), 3) for options in columns(a_format, "fp32")]
                yield dict(a_format=a_format, rows=name, k=k, outputs=data.exact.size,
                           has_bar=name not in NO_BAR, ratios=found)


def integers(outputs: int, seed: int) -> Iterator[dict[str, Any]]:
    """Integer formats: results that differ from int64 arithmetic."""
    rng = np.random.default_rng(seed)
    for a_format, kind in (("int8", np.int8), ("int16", np.int16)):
        limits = np.iinfo(kind)
        for k in LENGTHS:
            a = rng.integers(limits.min, limits.max, (-(-outputs // COLUMNS), k), endpoint=True)
            a[0], a[1] = limits.min, limits.max
            q = rng.integers(0, 1 << BITS, (COLUMNS, k), dtype=np.uint8)
            q[0], q[1] = 0, (1 << BITS) - 1
            p = LutCoreParameters(K=K, w_bits=BITS, a_format=a_format, max_k=k)
            exact = a @ (2 * q.astype(np.int64) - ((1 << BITS) - 1)).T
            yield dict(a_format=a_format, k=k, outputs=exact.size,
                       differ=int((gemm(p, a.astype(kind), q, BITS) != exact).sum()))


#: tables of this study
TABLES = ("integer", "random", "difficult", "widths")


def line(record: dict[str, Any]) -> str:
    if "differ" in record:
        return (f"{record['a_format']:<10}{record['k']:>26}{record['differ']:>9} differ   "
                f"{'WRONG' if record['differ'] else 'ok'}")
    shown = "".join(f"{x:12.3f}" for x in record["ratios"])
    if "worst_draw" in record:
        shown += f"{record['worst_draw']:12.3f}"
    verdict = "no bar" if not record["has_bar"] else "MISSED" if missed(record) else "ok"
    bits = f"W{record['w_bits']}" if "w_bits" in record else ""
    return (f"{record['a_format']:<10}{record.get('acc', ''):<6}{bits:<4}{record['rows']:<15}"
            f"{record['k']:>5}{shown}   {verdict}")


def missed(record: dict[str, Any], column: int = 0) -> bool:
    """Is the bar of a line missed in a column?"""
    return bool(record["has_bar"] and record["ratios"][column] > 1)


def worst(draws: Iterable[Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """The same lines of several draws as one: the largest ratios."""
    for records in zip(*draws, strict=True):
        yield records[0] | dict(ratios=[max(column) for column in zip(
            *(record["ratios"] for record in records), strict=True)])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--outputs", type=int, default=4096, help="outputs of a line; default 4096")
    parser.add_argument("--seeds", type=int, default=5, help="draws of every line; default 5")
    parser.add_argument("--draws", type=int, default=10,
                        help="draws of every kind of row of widths; default 10")
    parser.add_argument("--only", default=",".join(TABLES), metavar="TABLE,...",
                        help=f"some of {', '.join(TABLES)}")
    parser.add_argument("--json", type=Path, help="also write the figures to this file; the "
                        "tables of it that are not made stay")
    args = parser.parse_args()
    chosen = args.only.split(",")
    for name in chosen:
        if name not in TABLES:
            parser.error(f"--only must name tables of {', '.join(TABLES)}; got {name}")

    found: dict[str, Any] = {name: [] for name in TABLES}
    if args.json and args.json.exists():
        found |= json.loads(args.json.read_text())
    found |= dict(
        seeds=args.seeds, draws=args.draws, K=K, w_bits=BITS, outputs=args.outputs,
        numpy=np.__version__, ml_dtypes=ml_dtypes.__version__, columns=list(COLUMNS_OF),
        defaults={f"{a_format} {acc}": dict(entry_bits=p.entry_bits, acc_bits=p.acc_bits)
                  for a_format in TYPES for acc in ("fp32", "fp16")
                  for p in [LutCoreParameters(a_format=a_format, acc=acc)]})
    heads = "".join(f"{name:>12}" for name in COLUMNS_OF)
    for name in chosen:
        found[name] = []
        if name == "integer":
            print(f"integer formats, {args.outputs} outputs a line")
            records = integers(args.outputs, 1)
        elif name == "random":
            print(f"\nRMS error over that of sequential accumulation, {args.draws} draws of "
                  f"{args.outputs} outputs\n{'format':<10}{'acc':<10}{'rows':<15}"
                  f"{'k':>5}{heads}{'a draw':>12}")
            records = random_rows(args.outputs, args.draws)
        elif name == "difficult":
            print(f"\nlargest error over its bar, worst of {args.seeds} draws\n"
                  f"{'format':<16}{'rows':<15}{'k':>5}{heads}")
            records = worst(difficult_rows(seed) for seed in range(1, args.seeds + 1))
        else:
            print(f"\nRMS error over that of sequential accumulation at each number of weight "
                  f"bits, over {args.draws} draws of the worst of {len(ROWS)} kinds of rows\n"
                  f"{'format':<10}{'acc':<6}{'bits':<4}{'rows':<15}{'k':>5}{heads}{'a draw':>12}")
            records = widths(args.outputs, args.draws)
        for record in records:
            found[name].append(record)
            print(line(record), flush=True)

    lines = [record for name in chosen if name != "integer" for record in found[name]]
    exact = found["integer"] if "integer" in chosen else []
    wrong = sum(map(missed, lines)) + sum(r["differ"] > 0 for r in exact)
    print(f"\n{sum(r['has_bar'] for r in lines) + len(exact)} lines with a bar, {wrong} missed")
    for column, title in enumerate(COLUMNS_OF):
        if column:
            print(f"{title} would miss {sum(missed(r, column) for r in lines)}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
