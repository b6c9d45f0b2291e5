"""``gen compare``: the designs of a study under equal conditions, published figures beside them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..compare import studies
from ..compare.evaluate import compare
from ..compare.measurements import Measure, area_cache
from ..compare.plots import check_matplotlib, draw
from ..compare.report import as_csv, as_markdown, as_text, conditions
from ..errors import UsageError
from ..files import write_text
from ..flow.recipes import AREA_RECIPES, find_recipe
from ..measuring import add_library, take_library
from ..options import nanoseconds
from ..progress import Progress

SUMMARY = "compare designs with each other and with published figures: area per work"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", nargs="+", metavar="STUDY",
                        help=f"{', '.join(studies.STUDIES)}, or all")
    add_library(parser)
    parser.add_argument("--recipes", default=",".join(AREA_RECIPES), metavar="NAME,...",
                        help="whose smallest area counts, for every row; default %(default)s")
    parser.add_argument("--clock", type=nanoseconds, default=1.0, metavar="NS",
                        help="clock target of longest paths; default 1")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER",
                        help="report: README.md, and a table (CSV) and a plot (SVG, PNG) a study")


def _studies(words: list[str]) -> list[str]:
    names = list(studies.STUDIES) if "all" in words else list(dict.fromkeys(words))
    for name in names:
        if name not in studies.STUDIES:
            raise UsageError(f"study must be one of {', '.join(studies.STUDIES)}, all; got {name}")
    return names


def _folder(path: Path) -> Path:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"-o {path} cannot be made a folder: {error.strerror}") from None
    return path


def run(args: argparse.Namespace) -> int:
    names = _studies(args.study)
    recipes = list(dict.fromkeys(args.recipes.split(",")))
    for recipe in recipes:
        if find_recipe(recipe).sized:
            raise UsageError("--recipes takes recipes of area; sized is for paths alone")
    if "plain" not in recipes:
        raise UsageError(f"--recipes must have plain among them; got {args.recipes}")
    library = take_library(args)
    if args.output is not None:
        check_matplotlib()
        _folder(args.output)
    measure = Measure(library, area_cache(), args.clock)
    under = conditions(measure, recipes)
    sections = []
    print(under)
    for name in names:
        with Progress() as progress:
            compared = compare(studies.load(name), measure, workers=os.cpu_count() or 1,
                               recipes=recipes, progress=progress)
        print(f"\n{as_text(compared)}", flush=True)
        sections.append(as_markdown(compared, under))
        if args.output is not None:
            write_text(str(args.output / f"{name}.csv"), as_csv(compared))
            draw(compared, args.output)
    if args.output is not None:
        again = " ".join(["gen compare", *args.study, *(["--pdk", args.pdk] if args.pdk else []),
                          *(["--liberty", *(Path(n).name for n in args.liberty)]
                            if args.liberty else []),
                          *(["--recipes", args.recipes] if recipes != list(AREA_RECIPES) else [])])
        head = f"# Designs compared\n\nMade by `{again}`.\n\n"
        write_text(str(args.output / "README.md"), head + "\n".join(sections))
    return 0
