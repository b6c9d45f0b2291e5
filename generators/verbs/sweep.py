"""``gen sweep GENERATOR --M 1,2,4 --K 2..6 ... -o FOLDER``: many designs, and the best of them."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..cost.model import FIGURES, CostModel
from ..cost.terms import terms_of
from ..errors import UsageError
from ..estimate.shapes import open_workload
from ..family import Generator
from ..files import write_text
from ..flow.recipes import find_recipe
from ..measuring import add_library, take_library
from ..options import nanoseconds, positive
from ..progress import Progress
from ..sampling import MULTIPLIERS
from ..sweep.grid import Grid, add_axes, span, take_axes
from ..sweep.metrics import MEASUREMENTS, METRICS, Conditions, Layers, needed
from ..sweep.pictures import check_pictures, draw_png, page
from ..sweep.report import as_csv, as_text, check_parquet, conditions_text, write_parquet
from ..sweep.run import Swept, in_order, sweep
from ..sweep.scheduler import Here, find_scheduler
from ..sweep.store import Store, sweep_cache

SUMMARY = "measure many designs of a generator: table, Pareto front, plots"
TAKES_GENERATOR = True


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_axes(parser, generator.parameter_class())
    group = parser.add_argument_group("sweep")
    text = "; ".join(f"{name}: {metric.help}" for name, metric in METRICS.items())
    group.add_argument("--metric", default="area,delay", metavar="NAME,...",
                       help=f"what designs are compared by; default area,delay. {text}")
    group.add_argument("--model", metavar="MODEL", help="for the metric cycles: a model of the "
                       "package, a file of shapes, or a model's file, as for gen estimate")
    group.add_argument("--rows", type=positive, default=1, metavar="INT", help="rows of "
                       "activations of each layer of --model; default 1, a token")
    add_library(group)
    group.add_argument("--recipe", default="plain", metavar="NAME",
                       help="recipe of areas; default plain")
    group.add_argument("--clock", type=nanoseconds, default=1.0, metavar="NS",
                       help="clock target of longest paths; default 1")
    group.add_argument("--estimate", action="store_true", help="area and delay by the cost model, "
                       "without synthesis")
    group.add_argument("--estimate-first", action="store_true", help="show the front of the "
                       "estimates at once, then measure its designs first")
    group.add_argument("--workers", type=positive, metavar="INT",
                       help="processes, default one for each core; of a cluster: workers to "
                       "wait for, default 1")
    group.add_argument("--scheduler", metavar="ADDRESS",
                       help="Dask scheduler (tcp://...) in place of processes of this machine")
    group.add_argument("-o", "--output", type=Path, metavar="FOLDER",
                       help="sweep.csv, sweep.parquet, sweep.png and sweep.html")


def _metrics(text: str, generator: Generator, model: str | None) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in METRICS:
            raise UsageError(f"--metric must be of {', '.join(METRICS)}; got {name}")
        if generator.name not in MULTIPLIERS \
                and any(MEASUREMENTS[need].multiplies for need in METRICS[name].needs):
            raise UsageError(f"--metric {name} is of designs that multiply matrices "
                             f"({', '.join(MULTIPLIERS)}); got {generator.name}")
    if ("cycles" in names) != (model is not None):
        raise UsageError("--metric cycles and --model belong together; give both or neither")
    return names


def _check_output(folder: Path) -> None:
    check_parquet()
    check_pictures()
    if not folder.parent.is_dir() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"-o must be a folder in one that exists; got {folder}")


def _estimated(grid: Grid, names: list[str], store: Store) -> Swept:
    """By the cost model; what it has no metric for is left out."""
    known = [name for name in names if not any(MEASUREMENTS[need].multiplies
                                               for need in METRICS[name].needs)]
    if not known:
        raise UsageError("estimates are of area and delay; --metric has neither")
    return sweep(grid, known, store, partial(Here, store.conditions))


def run(args: argparse.Namespace) -> int:
    cls = args.generator.parameter_class()
    names = _metrics(args.metric, args.generator, args.model)
    if find_recipe(args.recipe).sized:
        raise UsageError("--recipe takes a recipe of area; sized is for paths alone")
    if args.output is not None:
        _check_output(args.output)
    grid = span(cls, take_axes(args, cls))
    with Progress("reading the library") as progress:
        library = take_library(args)
        layers = None if args.model is None else \
            Layers.of(open_workload(args.model, 4, None), args.rows)
        conditions = Conditions(library, args.recipe, args.clock, layers, args.estimate)
        store, first = Store(sweep_cache(), conditions), None
        if args.estimate or args.estimate_first:
            # refused at once
            terms_of(grid.points[0], "area")
            for figure in set(FIGURES) & set(needed(names)):
                CostModel(library).fit(args.generator.name, figure)
        if args.estimate_first:
            progress("estimating")
            guess = replace(conditions, estimated=True)
            estimated = _estimated(grid, names, Store(sweep_cache(), guess))
            print(f"estimated:\n{as_text(estimated, guess)}\n", flush=True)
            first = in_order(estimated)
        progress(f"{len(grid.points)} designs")
        quick = args.estimate and not any(MEASUREMENTS[x].multiplies for x in needed(names))
        swept = sweep(grid, names, store,
                      partial(Here, conditions) if quick else
                      partial(find_scheduler, conditions, args.scheduler, args.workers),
                      first=first, told=progress.share)
    print(as_text(swept, conditions))
    print(conditions_text(conditions))
    if args.output is not None:
        _write(swept, conditions, args.output)
    return 0 if swept.complete else 1


def _write(swept: Swept, conditions: Conditions, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    write_text(str(folder / "sweep.csv"), as_csv(swept))
    write_parquet(swept, folder / "sweep.parquet")
    if swept.complete:
        draw_png(swept, conditions, folder / "sweep.png")
        write_text(str(folder / "sweep.html"),
                   page(swept, conditions, shlex.join(["gen", *sys.argv[1:]])))
