#!/usr/bin/env python3
"""Accuracy of the `aligned` core against sequential accumulation, for every activation format.

    .venv/bin/python scripts/studies/bench_accuracy.py [--outputs N] [--seeds N] [--draws N]
                                                       [--only TABLE,...] [--json FILE]

Random rows: RMS error of the core over the RMS error of sequential accumulation on the same data,
both against the exact sum; the bar is 1 (docs/numerics.md, section 4). The FP32 class is compared
with FP32 sums of a * q' in ascending order, the FP16 class (--acc fp16) with FP16 sums of correctly
rounded FP16 table entries. Difficult rows: the largest error over
max(4 * the largest error of sequential FP32, 2**-23 * sum|a q'|); the bar is 1 again, but for the
last two kinds of row, for which no bar is set. Integer formats must be exact. Every figure is the
worst of ``--seeds`` draws. ``guard`` columns show what a narrower guard than the default would do.

The table ``widths`` holds the same bar of random rows at every number of weight bits, since fewer
planes leave less to hide a rounding of the activations behind: FP16 activations, five kinds of
rows, the worst of ``--draws`` draws. ``--only`` makes some of the tables.

The references use nothing of this project: NumPy's own float16 and float32 arithmetic,
ml_dtypes' bfloat16 and FP8, and math.fsum, which rounds an exact sum once. Exit status 1 when a
bar is missed at the default settings.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lowbit.golden.lut.gemm import gemm
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.parameters import ParameterError

Array = NDArray[Any]
Draw = Callable[[np.random.Generator, "type[Any]", tuple[int, int]], Array]

TYPES: dict[str, Any] = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16,
                         "fp8_e4m3": ml_dtypes.float8_e4m3fn, "fp8_e5m2": ml_dtypes.float8_e5m2}
K, BITS, COLUMNS = 4, 4, 64
#: activations of an operation: short ones are harder for the core, which cuts once an activation
LENGTHS = (64, 512)
WIDTHS, WIDTH_LENGTHS = tuple(range(1, 9)), (64, 512, 4096)
GUARDS = (None, 24, 23)


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


RANDOM: dict[str, Draw] = {"gaussian": outliers(0, 1), "10 % times 10": outliers(0.1, 10),
                           "10 % times 40": outliers(0.1, 40), "1 % times 100": outliers(0.01, 100)}
#: kinds of rows at every number of weight bits
WIDTH_ROWS = RANDOM | {"1 % times 10": outliers(0.01, 10)}
DIFFICULT = {name: extreme(name)
             for name in ("largest", "subnormal", "cancel", "large, tiny", "one large", "wide")}
#: kinds that the contract sets no bar for: what cutting at a shared exponent is worst at
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
        p = LutCoreParameters(K=K, w_bits=self.bits, a_format=a_format, max_k=self.a.shape[1],
                              **options)
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


def guarded(a_format: str, guard: int | None) -> dict[str, int] | None:
    """Options of a guard column; None where the format refuses it, or needs no more anyway."""
    if guard is None:
        return {}
    try:
        narrower = guard < LutCoreParameters(a_format=a_format).guard_bits
    except ParameterError:
        return None
    return {"guard": guard} if narrower else None


def random_rows(outputs: int, seed: int) -> Iterator[dict[str, Any]]:
    """One record for each format, kind of row and length, of both classes."""
    for a_format in TYPES:
        for name, draw in RANDOM.items():
            for k in LENGTHS:
                data = Data(np.random.default_rng(seed), a_format, draw, -(-outputs // COLUMNS), k)
                for acc, like in (("fp32", np.float32), ("fp16", np.float16)):
                    reference = data.sequential_fp32() if acc == "fp32" else data.sequential_fp16()
                    bar = rms(data.error(reference, like))
                    found = []
                    for guard in GUARDS if acc == "fp32" else (None,):
                        options = guarded(a_format, guard)
                        found.append(None if options is None else round(ratio(rms(data.error(
                            data.core(a_format, acc=acc, **options), like)), bar), 3))
                    yield dict(a_format=a_format, acc=acc, rows=name, k=k,
                               outputs=data.exact.size, has_bar=True, ratios=found)


def width_draws(outputs: int, draws: int, bits: int,
                k: int) -> Iterator[tuple[str, Data, str, type[Any], float]]:
    """Every draw of every kind of rows in both classes: kind, data, class, its NumPy type, and the
    RMS error of sequential accumulation."""
    for name, draw in WIDTH_ROWS.items():
        for seed in range(1, draws + 1):
            data = Data(np.random.default_rng([seed, k, bits]), "fp16", draw,
                        -(-outputs // COLUMNS), k, bits)
            for acc, like in (("fp32", np.float32), ("fp16", np.float16)):
                sums = data.sequential_fp32() if acc == "fp32" else data.sequential_fp16()
                yield name, data, acc, like, rms(data.error(sums, like))


def widths(outputs: int, draws: int) -> Iterator[dict[str, Any]]:
    """For each number of weight bits, length and class: the worst ratio, and the rows it is of."""
    for bits in WIDTHS:
        for k in WIDTH_LENGTHS:
            found: dict[str, list[tuple[float, str]]] = {"fp32": [], "fp16": []}
            for name, data, acc, like, bar in width_draws(outputs, draws, bits, k):
                error = rms(data.error(data.core("fp16", acc=acc), like))
                found[acc].append((ratio(error, bar), name))
            for acc, ratios in found.items():
                value, name = max(ratios)
                yield dict(a_format="fp16", acc=acc, w_bits=bits, k=k, rows=name,
                           outputs=outputs * len(ratios), has_bar=True, ratios=[round(value, 3)])


def difficult_rows(seed: int) -> Iterator[dict[str, Any]]:
    for a_format in TYPES:
        for name, draw in DIFFICULT.items():
            for k in LENGTHS:
                data = Data(np.random.default_rng(seed), a_format, draw, 8, k)
                with np.errstate(over="ignore", invalid="ignore"):
                    sequential = data.error(data.sequential_fp32(), np.float32)
                sequential[~np.isfinite(sequential)] = 0
                bar = np.maximum(4 * sequential.max(axis=1), 2.0**-23 * data.magnitude.max(axis=1))
                found = []
                for guard in GUARDS:
                    options = guarded(a_format, guard)
                    found.append(None if options is None else round(max(
                        ratio(e, b) for e, b in zip(
                            data.error(data.core(a_format, **options), np.float32).max(axis=1),
                            bar, strict=True)), 3))
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
    shown = "".join(f"{'-' if x is None else f'{x:.3f}':>12}" for x in record["ratios"])
    shown += " " * 12 * (len(GUARDS) - len(record["ratios"]))
    verdict = "no bar" if not record["has_bar"] else "MISSED" if missed(record) else "ok"
    bits = f"W{record['w_bits']}" if "w_bits" in record else ""
    return (f"{record['a_format']:<10}{record.get('acc', ''):<6}{bits:<4}{record['rows']:<15}"
            f"{record['k']:>5}{shown}   {verdict}")


def missed(record: dict[str, Any], column: int = 0) -> bool:
    """Is the bar of a line missed, with the guard of a column?"""
    shown = record["ratios"][column] if column < len(record["ratios"]) else None
    return record["has_bar"] and shown is not None and shown > 1


def worst(draws: Iterable[Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """The same lines of several draws as one: the largest ratios."""
    for records in zip(*draws, strict=True):
        columns = zip(*(record["ratios"] for record in records), strict=True)
        yield records[0] | dict(ratios=[None if None in column else max(column)
                                        for column in columns])


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
        numpy=np.__version__, ml_dtypes=ml_dtypes.__version__, guards=["default", *GUARDS[1:]],
        defaults={f"{a_format} {acc}": dict(guard=p.guard_bits, table_round=p.round_bits)
                  for a_format in TYPES for acc in ("fp32", "fp16")
                  for p in [LutCoreParameters(a_format=a_format, acc=acc)]})
    seeds = range(1, args.seeds + 1)
    guards = "".join(f"{f'guard {guard}' if guard else 'default':>12}" for guard in GUARDS)
    for name in chosen:
        found[name] = []
        if name == "integer":
            print(f"integer formats, {args.outputs} outputs a line")
            records = integers(args.outputs, 1)
        elif name == "random":
            print(f"\nRMS error over that of sequential accumulation, {args.outputs} outputs a "
                  f"line, worst of {args.seeds} draws\n{'format':<10}{'acc':<6}{'rows':<15}"
                  f"{'k':>5}{guards}")
            records = worst(random_rows(args.outputs, seed) for seed in seeds)
        elif name == "difficult":
            print(f"\nlargest error over its bar, worst of {args.seeds} draws\n"
                  f"{'format':<16}{'rows':<15}{'k':>5}{guards}")
            records = worst(difficult_rows(seed) for seed in seeds)
        else:
            print(f"\nRMS error over that of sequential accumulation at each number of weight "
                  f"bits, worst of {args.draws} draws of {len(WIDTH_ROWS)} kinds of rows")
            records = widths(args.outputs, args.draws)
        for record in records:
            found[name].append(record)
            print(line(record), flush=True)

    lines = [record for name in chosen if name != "integer" for record in found[name]]
    exact = found["integer"] if "integer" in chosen else []
    wrong = sum(map(missed, lines)) + sum(r["differ"] > 0 for r in exact)
    print(f"\n{sum(r['has_bar'] for r in lines) + len(exact)} lines with a bar, {wrong} missed")
    for column, guard in enumerate(GUARDS[1:], 1):
        over = [f"{r['a_format']} {r['rows']} k {r['k']}" for r in lines if missed(r, column)]
        if over:
            print(f"--guard {guard} would miss {len(over)}: " + "; ".join(over))
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
