#!/usr/bin/env python3
"""Fit the cost model: synthesise a designed set of small designs, fit, and test on others.

Prints for each generator and figure the errors on designs outside of the fitted set, and writes
generators/cost/coefficients.json with --write. What is synthesised is kept (as by gen sweep): a
run that is stopped goes on there.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.generators.cost import model
from lowbit.generators.cost.terms import AREA, terms_of
from lowbit.generators.errors import UsageError
from lowbit.generators.files import write_text
from lowbit.generators.measuring import find_library
from lowbit.generators.progress import Progress
from lowbit.generators.registry import find
from lowbit.generators.sweep.grid import Grid
from lowbit.generators.sweep.metrics import Conditions
from lowbit.generators.sweep.run import sweep
from lowbit.generators.sweep.scheduler import find_scheduler
from lowbit.generators.sweep.store import Store, sweep_cache
from lowbit.golden.parameters import ParameterError, Parameters

TARGET = Path(model.__file__).with_name("coefficients.json")
#: values from which the designs of the sets are drawn
AXES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "lut_core": {
        "M": (1, 2, 4), "N": (4, 8, 12, 16), "K": (2, 3, 4, 5), "groups": (1, 1, 2, 3),
        "radix": (2, 2, 2, 3), "a_format": ("int8", "int16", "fp16", "fp16", "fp8_e4m3", "bf16"),
        "table_source": ("external", "external", "internal"), "parallel_planes": (1, 1, 1, 2),
        "acc": (None, None, "fp16"), "w_bits": (1, 2, 4), "buffer": ("single", "single", "double"),
        "pipeline": (0, 1, 1, 2), "segment": (None, None, 8), "lanes": (None, None, 1),
        "group_scale": ("none", "none", "none", "none", "e4m3", "fp16", "fp32"),
        "offset": ("none", "integer"), "preload": (True, False), "zero_point": (True, False)},
    "dot_core": {
        "M": (1, 2, 4), "N": (4, 8, 16), "K": (2, 4, 8),
        "a_format": ("int8", "int16", "fp16", "fp16", "fp8_e4m3", "int4", "e2m1"),
        "w_format": ("int2", "int4", "int6", "int8", "ternary", "e2m1", "flint4"),
        "acc": (None, None, "fp16"), "buffer": ("single", "single", "double"),
        "pipeline": (0, 1, 1, 2), "group_scale": ("none", "none", "fp16", "fp32"),
        "preload": (True, False)},
    "systolic": {
        "R": (2, 4, 6, 8), "C": (2, 4, 6, 8), "dataflow": ("os", "os", "ws"),
        "a_bits": (4, 8, 12), "w_format": ("int2", "int4", "int8", "ternary", "e2m1"),
        "dot": (1, 1, 2, 4), "acc_bits": (20, 24, 32), "segment": (0, 4, 8, 16),
        "encode": ("edge", "edge", "pe"), "weights": ("pass", "pass", "broadcast"),
        "drain": (None, None, "mux")},
    "bitmod_tile": {
        "rows": (1, 2, 4, 8), "columns": (2, 4, 8), "lanes": (2, 4, 8),
        "align_bits": (13, 15, 17, 20), "pipeline": (0, 1), "scale_columns": (1, 2, 4),
        "channel_scale": (True, False), "max_group": (64, 128, 256)}}
#: in place of those for the longest path: a flat netlist is sized as a whole, which takes long
SMALLER: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "lut_core": {"M": (1, 2), "N": (2, 4, 8), "lanes": (1,)},
    "dot_core": {"M": (1, 2), "N": (2, 4, 8), "lanes": (1,)},
    "systolic": {"R": (2, 4), "C": (2, 4)},
    "bitmod_tile": {"rows": (1, 2, 4), "columns": (2, 4), "lanes": (2, 4, 8)}}


def drawn(generator: str, figure: str, seed: str, count: int,
          apart: Sequence[Parameters] = ()) -> list[Parameters]:
    """Legal designs, always the same ones of a ``seed``; no two alike, and none of ``apart``."""
    axes = {**AXES[generator], **(SMALLER[generator] if figure == "delay" else {})}
    rng = random.Random(seed)
    cls, found = find(generator).parameter_class(), dict[Parameters, None]()
    while len(found) < count:
        try:
            p = cls(**{name: rng.choice(values) for name, values in axes.items()})
            terms_of(p, figure)
        except (ParameterError, UsageError):
            continue
        if p not in apart:
            found[p] = None
    return list(found)


def sets(generator: str, figure: str, train: int, test: int) -> list[Parameters]:
    """The fitted set, then the tested one; more designs of one leave the other as it is."""
    name = generator if figure == "area" else f"{generator}, {figure}"
    fitted = drawn(generator, figure, name, train)
    return fitted + drawn(generator, figure, f"{name}, tested", test, fitted)


def nonnegative(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Least squares of a x = b, no coefficient negative: one coordinate after the other."""
    square, right = a.T @ a, a.T @ b
    x = np.zeros(a.shape[1])
    for _ in range(20000):
        for i in np.flatnonzero(square.diagonal()):
            x[i] = max(0.0, x[i] + (right[i] - square[i] @ x) / square[i, i])
    return x


def fitted(designs: list[Parameters], values: list[float], figure: str,
           train: int) -> model.Fit:
    """The first ``train`` designs are the set; the others test it."""
    rows = [terms_of(p, figure) for p in designs]
    names = list(rows[0])
    amounts = np.array([[row[name] for name in names] for row in rows])
    found = np.array(values)
    # relative errors count
    inside = slice(0, train)
    scale = amounts[inside].max(axis=0)
    scale[scale == 0] = 1.0
    solve = nonnegative if figure == "area" else lambda a, b: np.linalg.lstsq(a, b, rcond=1e-6)[0]
    x = solve(amounts[inside] / scale / found[inside, None], np.ones(train)) / scale
    errors = np.abs(amounts[train:] @ x / found[train:] - 1)
    return model.Fit({name: float(f"{value:.6g}") for name, value in zip(names, x, strict=True)},
                     train, len(errors), round(float(np.median(errors)), 4),
                     round(float(np.quantile(errors, 0.95)), 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--liberty", nargs="+", type=Path, default=[])
    parser.add_argument("--generators", nargs="+", default=list(AREA), choices=list(AREA))
    parser.add_argument("--figures", nargs="+", default=["area", "delay"])
    parser.add_argument("--train", type=int, default=40, help="designs of the fitted set")
    parser.add_argument("--test", type=int, default=20, help="designs outside of it")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name}")
    args = parser.parse_args()
    library = find_library(args.liberty)
    conditions = Conditions(library)
    store = Store(sweep_cache(), conditions)
    results: dict[str, dict[str, Any]] = {}
    print(f"{'generator':14}{'figure':8}{'set':>5}{'tested':>8}{'median':>9}{'95 %':>9}"
          f"{'us each':>9}")
    for figure in args.figures:
        for name in args.generators:
            designs = sets(name, figure, args.train, args.test)
            with Progress(f"{name}, {figure}") as progress:
                swept = sweep(Grid({}, tuple(designs)), [figure], store,
                              partial(find_scheduler, conditions, None, args.workers),
                              told=progress.share)
            for point in swept.failed:
                print(f"failed: {point.design}: {point.failures}")
            good = [(x.p, x.metric(figure)) for x in swept.complete]
            fit = fitted([p for p, _ in good], [float(value or 0) for _, value in good], figure,
                         args.train)
            results.setdefault(name, {})[figure] = vars(fit)
            started = time.perf_counter()
            for p, _ in good:
                fit.of(terms_of(p, figure))
            each = 1e6 * (time.perf_counter() - started) / len(good)
            print(f"{name:14}{figure:8}{fit.fitted:5}{fit.tested:8}{fit.median_error:9.1%}"
                  f"{fit.p95_error:9.1%}{each:9.0f}", flush=True)
    if args.write:
        stored = json.loads(TARGET.read_text()) if TARGET.exists() else {}
        entry = stored.setdefault(" ".join(library.hashes),
                                  {"library": ", ".join(library.names), "generators": {}})
        for name, figures in results.items():
            entry["generators"].setdefault(name, {}).update(figures)
        write_text(str(TARGET), json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
