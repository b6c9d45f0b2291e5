#!/usr/bin/env python3
"""Fit the cost model: synthesise a designed set of small designs, fit, and test on others.

Prints for each generator and figure the errors inside the fitted set, of designs left out one sixth
at a time (by these terms are to be chosen), then those on designs outside of it, and writes
generators/cost/coefficients.json with --write. A further library takes few designs: its fit begins
with the embedded one's (cost_fits.py), which comes first. What is synthesised is kept (as by gen
sweep): a run that is stopped goes on there. What is stored came from, each with
--write, SKY130 and SG13G2 with --liberty:

    --figures area --generators lut_core systolic --train 36 --test 10
    --figures area --generators dot_core --train 28 --test 14 --together
    --figures delay --generators lut_core --train 29 --test 6
    --figures delay --generators systolic --train 12 --test 10
    --figures area --generators bitmod_tile --train 14 --test 10
    --figures delay --generators bitmod_tile --train 14 --test 10 --test-seed again
    --figures delay --generators dot_core --train 16 --test 10
    SKY130: --figures area --generators lut_core --train 8 --sweeps k mnk formats
    SKY130: --figures area --generators dot_core systolic bitmod_tile --train 8 --test 10
    SKY130: --figures delay --generators systolic lut_core --train 16 --test 8
    SG13G2: --figures area --train 8 --test 10
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
from bench_sweeps import SWEEPS
from cost_fits import Array, coefficients, errors

from lowbit.generators.cost import model
from lowbit.generators.cost.amounts import Terms
from lowbit.generators.cost.model import total
from lowbit.generators.cost.terms import AREA, terms_of
from lowbit.generators.errors import UsageError
from lowbit.generators.files import write_text
from lowbit.generators.measuring import find_library
from lowbit.generators.progress import Progress
from lowbit.generators.registry import find
from lowbit.generators.sweep.grid import Grid, span, values_of
from lowbit.generators.sweep.metrics import Conditions
from lowbit.generators.sweep.run import sweep
from lowbit.generators.sweep.scheduler import find_scheduler
from lowbit.generators.sweep.store import Store, sweep_cache
from lowbit.golden.parameters import ParameterError, Parameters, flag_name

TARGET = Path(model.__file__).with_name("coefficients.json")
#: values from which the designs of the sets are drawn
AXES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "lut_core": {
        "M": (1, 2, 4), "N": (4, 8, 12, 16), "K": (2, 3, 4, 5), "groups": (1, 1, 2),
        "radix": (2, 2, 2, 3), "a_format": ("int8", "int16", "fp16", "fp16", "fp8_e4m3", "bf16"),
        "acc": (None, None, "fp16"), "w_bits": (1, 2, 4), "buffer": ("single", "single", "double"),
        "pipeline": (0, 1, 1, 2), "group_scale": ("none", "none", "none", "fp16", "fp32"),
        "preload": (True, False), "zero_point": (True, False)},
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
#: those of generators with many options: some designs of the fitted sets, and all that test them
WIDER: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "lut_core": {
        "M": (1, 2, 4), "N": (4, 8, 12, 16), "K": (2, 3, 4, 5), "groups": (1, 1, 2, 3),
        "radix": (2, 2, 2, 3), "a_format": ("int8", "int16", "fp16", "fp16", "fp8_e4m3", "bf16"),
        "table_source": ("external", "external", "internal"), "parallel_planes": (1, 1, 1, 2),
        "acc": (None, None, "fp16"), "w_bits": (1, 2, 4), "buffer": ("single", "single", "double"),
        "pipeline": (0, 1, 1, 2), "segment": (None, None, 8), "lanes": (None, None, 1),
        "group_scale": ("none", "none", "none", "none", "e4m3", "fp16", "fp32"),
        "offset": ("none", "integer"), "preload": (True, False), "zero_point": (True, False)}}
#: designs of WIDER in a fitted set
WIDE = {"area": 8, "delay": 5}
#: for the longest path, in place of those above: a netlist is sized as a whole, which takes long
SMALLER: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "lut_core": {"M": (1, 2), "N": (2, 4, 6), "lanes": (1,)},
    "dot_core": {"M": (1, 2), "N": (2, 4, 6), "lanes": (1,)},
    "systolic": {"R": (2, 3), "C": (2,)},
    "bitmod_tile": {"rows": (1, 2), "columns": (2,)}}

#: far outside of the sets: what --large compares estimates of areas with
LARGE: Mapping[str, Mapping[str, Any]] = {
    "lut_core": {"M": 2, "N": 64, "K": 4, "w_bits": 2, "acc": "fp16"},
    "dot_core": {"M": 2, "N": 64, "K": 4, "a_format": "int8", "lanes": 1},
    "systolic": {"R": 16, "C": 16},
    "bitmod_tile": {"rows": 8, "columns": 8}}


def drawn(generator: str, axes: Mapping[str, tuple[Any, ...]], seed: str, count: int,
          apart: Sequence[Parameters] = ()) -> list[Parameters]:
    """Legal designs, always the same ones of a ``seed``; no two alike, and none of ``apart``."""
    rng = random.Random(seed)
    cls, found = find(generator).parameter_class(), dict[Parameters, None]()
    while len(found) < count:
        try:
            p = cls(**{name: rng.choice(values) for name, values in axes.items()})
            terms_of(p, "area")
        except (ParameterError, UsageError):
            continue
        if p not in apart:
            found[p] = None
    return list(found)


def sets(generator: str, figure: str, train: int, test: int, *,
         together: bool = False, seed_of_tests: str = "tested") -> list[Parameters]:
    """The fitted set, then the tested one. What one of them draws does not depend on the other's
    size, but that no design is in both; ``together``: the tested ones are those drawn next."""
    smaller = SMALLER[generator] if figure == "delay" else {}
    axes, seed = AXES[generator], generator
    wide = {**WIDER.get(generator, axes), **smaller}
    seed_of_wide = f"{generator}, {figure}" if smaller else generator
    if together:
        return drawn(generator, wide, seed_of_wide, train + test)
    if generator in WIDER:
        fitted = drawn(generator, axes, seed, train - WIDE[figure])
        fitted += drawn(generator, wide, seed_of_wide, WIDE[figure], fitted)
    else:
        fitted = drawn(generator, wide, seed_of_wide, train)
    return fitted + drawn(generator, wide, f"{seed_of_wide}, {seed_of_tests}", test, fitted)


def recorded(names: Sequence[str], generator: str) -> list[Parameters]:
    """The designs of recorded sweeps (bench_sweeps.py) of a generator."""
    found: dict[Parameters, None] = {}
    for name in names:
        words = SWEEPS[name][1].split()
        if words[1] == generator:
            cls = find(generator).parameter_class()
            given = dict(zip(words[2::2], words[3::2], strict=False))
            axes = {field.name: values_of(field, given[flag_name(field.name)])
                    for field in cls.declared() if flag_name(field.name) in given}
            found |= dict.fromkeys(span(cls, axes).points)
    return list(found)


def folded(rows: list[Terms], values: list[float], first: Mapping[str, float] | None,
           folds: int = 6) -> Array:
    """Errors on designs of the fitted set that a fit of the others has not seen: by these terms are
    chosen, and not by those of the tested set."""
    found = np.zeros(len(rows))
    for fold in range(folds):
        inside = [i for i in range(len(rows)) if i % folds != fold]
        fit = coefficients([rows[i] for i in inside], [values[i] for i in inside], first)
        for i in range(fold, len(rows), folds):
            found[i] = total(fit, rows[i])
    return errors(found, values)


def fitted(designs: list[Parameters], values: list[float], figure: str, train: int,
           first: Mapping[str, float] | None) -> tuple[model.Fit, str]:
    """The fit of the first ``train`` designs, which the others test; and what a table shows."""
    rows = [terms_of(p, figure) for p in designs]
    x = coefficients(rows[:train], values[:train], first)
    wrong = errors([total(x, row) for row in rows[train:]], values[train:])
    inner = folded(rows[:train], values[:train], first)
    fit = model.Fit(x, train, len(wrong), round(float(np.median(wrong)), 4),
                    round(float(np.quantile(wrong, 0.95)), 4))
    started = time.process_time()
    for p in designs:
        fit.of(terms_of(p, figure))
    each = 1e6 * (time.process_time() - started) / len(designs)
    return fit, (f"{train:5}{np.median(inner):9.1%}{np.quantile(inner, 0.95):9.1%}{fit.tested:8}"
                 f"{fit.median_error:9.1%}{fit.p95_error:9.1%}{each:9.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--liberty", nargs="+", type=Path, default=[])
    parser.add_argument("--generators", nargs="+", default=list(AREA), choices=list(AREA))
    parser.add_argument("--figures", nargs="+", default=["area", "delay"])
    parser.add_argument("--train", type=int, default=28, help="designs of the fitted set")
    parser.add_argument("--test", type=int, default=10, help="designs outside of it")
    parser.add_argument("--together", action="store_true", help="test on the designs that the draw "
                        "of the fitted set goes on with")
    parser.add_argument("--test-seed", default="tested", metavar="WORD", help="of the tests' draw: "
                        "another one where terms were changed after errors were seen")
    parser.add_argument("--sweeps", nargs="+", choices=SWEEPS, default=[],
                        help="test on the designs of recorded sweeps in place of drawn ones")
    parser.add_argument("--large", action="store_true", help="areas of designs far outside too")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name}")
    args = parser.parse_args()
    library, embedded = find_library(args.liberty), find_library([])
    conditions = Conditions(library)
    store = Store(sweep_cache(), conditions)

    def measured(designs: list[Parameters], figure: str) -> dict[Parameters, float]:
        with Progress(f"{designs[0].generator}, {figure}") as progress:
            swept = sweep(Grid({}, tuple(designs)), [figure], store,
                          partial(find_scheduler, conditions, None, args.workers),
                          told=progress.share)
        for point in swept.failed:
            print(f"failed: {point.design}: {point.failures}")
        return {x.p: float(x.metric(figure) or 0) for x in swept.complete}

    stored = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    known = stored.get(" ".join(embedded.hashes), {"generators": {}})["generators"]
    entry = stored.setdefault(" ".join(library.hashes),
                              {"library": ", ".join(library.names), "generators": {}})
    print(f"{'generator':14}{'figure':8}{'set':>5}{'median':>9}{'95 %':>9}{'tested':>8}"
          f"{'median':>9}{'95 %':>9}{'us each':>9}")
    for figure in args.figures:
        for name in args.generators:
            designs = sets(name, figure, args.train, args.test, together=args.together,
                           seed_of_tests=args.test_seed)
            if args.sweeps:
                designs = designs[:args.train] + [p for p in recorded(args.sweeps, name)
                                                  if p not in designs[:args.train]]
            good = measured(designs, figure)
            train = sum(p in good for p in designs[:args.train])
            # a further library begins with the coefficients of the one that is always there
            first = None if library.hashes == embedded.hashes else \
                known.get(name, {}).get(figure, {}).get("coefficients")
            fit, shown = fitted(list(good), list(good.values()), figure, train, first)
            entry["generators"].setdefault(name, {})[figure] = vars(fit)
            print(f"{name:14}{figure:8}{shown}", flush=True)
            if args.large and figure == "area":
                large = find(name).parameter_class()(**LARGE[name])
                estimate, found = fit.of(terms_of(large, figure)), measured([large], figure)[large]
                print(f"  extrapolated to {large.flags()}: {estimate:.0f}, synthesised "
                      f"{found:.0f}: {estimate / found - 1:+.1%}", flush=True)
    if args.write:
        write_text(str(TARGET), json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
