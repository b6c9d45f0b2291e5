"""``gen sweep GENERATOR --M 1,2,4 --K 2..6 ... -o FOLDER``: many designs, and the best of them."""

from __future__ import annotations

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path

from ..errors import UsageError
from ..estimate.shapes import open_workload
from ..family import Generator
from ..files import write_text
from ..flow.pdk import PDKS
from ..flow.recipes import find_recipe
from ..measuring import find_library
from ..options import nanoseconds, positive
from ..progress import Progress
from ..sampling import MULTIPLIERS
from ..sweep.grid import add_axes, span, take_axes
from ..sweep.metrics import METRICS, Conditions, Layers, needed
from ..sweep.pictures import check_pictures, draw_png, page
from ..sweep.report import as_csv, as_text, check_parquet, conditions_text, write_parquet
from ..sweep.run import sweep
from ..sweep.scheduler import find_scheduler
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
    group.add_argument("--liberty", nargs="+", metavar="FILE",
                       help="cell library: one or several liberty files, plain or gzip; "
                       "default an embedded technology-neutral library in gate equivalents")
    group.add_argument("--pdk", metavar="NAME",
                       help=f"cell library of a PDK under PDK_ROOT: {', '.join(PDKS)}")
    group.add_argument("--recipe", default="plain", metavar="NAME",
                       help="recipe of areas; default plain")
    group.add_argument("--clock", type=nanoseconds, default=1.0, metavar="NS",
                       help="clock target of longest paths; default 1")
    group.add_argument("--workers", type=positive, metavar="INT",
                       help="processes; default one for each core")
    group.add_argument("--scheduler", metavar="ADDRESS",
                       help="Dask scheduler (tcp://...) in place of processes of this machine")
    group.add_argument("-o", "--output", type=Path, metavar="FOLDER",
                       help="sweep.csv, sweep.parquet, sweep.png and sweep.html")


def _metrics(text: str, generator: Generator, model: str | None) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in METRICS:
            raise UsageError(f"--metric must be of {', '.join(METRICS)}; got {name}")
        if {"work", "error", "cycles"} & set(METRICS[name].needs) \
                and generator.name not in MULTIPLIERS:
            raise UsageError(f"--metric {name} is of designs that multiply matrices "
                             f"({', '.join(MULTIPLIERS)}); got {generator.name}")
    if ("cycles" in names) != (model is not None):
        raise UsageError("--metric cycles and --model belong together; give both or neither")
    return names


def run(args: argparse.Namespace) -> int:
    names = _metrics(args.metric, args.generator, args.model)
    if find_recipe(args.recipe).sized:
        raise UsageError("--recipe takes a recipe of area; sized is for paths alone")
    if args.output is not None:
        check_parquet()
        check_pictures()
        if not args.output.parent.is_dir() or args.output.is_file():
            raise UsageError(f"-o must be a folder in one that exists; got {args.output}")
    grid = span(args.generator.parameter_class(),
                take_axes(args, args.generator.parameter_class()))
    with Progress("reading the library") as progress:
        layers = None
        if args.model is not None:
            layers = Layers.of(open_workload(args.model, 4, None), args.rows)
        conditions = Conditions(find_library([Path(name) for name in args.liberty or ()], args.pdk),
                                args.recipe, args.clock, layers)
        progress(f"{len(grid.points)} designs")
        swept = sweep(grid, names, Store(sweep_cache(), conditions),
                      partial(find_scheduler, conditions, args.scheduler, args.workers),
                      told=progress.share)
    print(as_text(swept, conditions))
    print(conditions_text(conditions))
    if args.output is not None:
        args.output.mkdir(exist_ok=True)
        write_text(str(args.output / "sweep.csv"), as_csv(swept))
        write_parquet(swept, args.output / "sweep.parquet")
        if swept.complete:
            draw_png(swept, conditions, args.output / "sweep.png")
            command = shlex.join(["gen", *sys.argv[1:]])
            write_text(str(args.output / "sweep.html"), page(swept, conditions, command))
    return 0 if swept.complete else 1
