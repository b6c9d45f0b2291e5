"""What the area benchmarks share: tables of designs measured as ``gen compare`` measures them.

Results are kept (:mod:`lowbit.generators.compare.measurements`), so an interrupted run goes on
where it was. "best" is the smallest area of a stated set of recipes; both sides of a ratio take the
same set.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowbit.generators.compare.measurements import Design, Measure, area_cache
from lowbit.generators.errors import USER_ERRORS, UsageError
from lowbit.generators.flow import liberty, recipes, timing, yosys

__all__ = ["Design", "Measure", "Row", "Table", "children", "grouped", "main", "parts"]

Row = dict[str, Any]


def parts(measure: Measure, command: str, names: Sequence[str],
          groups: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Areas of the parts of a design, module by module, with each recipe and ``best``.

    ``groups``: see :func:`grouped`. The best recipe is that of the smallest whole.
    """
    design = measure.design(command)
    inside = children(design.verilog)
    found = {name: grouped(measure(design, name, flatten=False)["modules"], inside, design.top,
                           groups) for name in names}
    return {**found, "best": min(found.values(), key=lambda areas: sum(areas.values()))}


def children(verilog: str) -> dict[str, Counter[str]]:
    """Module -> how often it instantiates which other module, from emitted Verilog."""
    bodies = re.findall(r"^module (\w+)(.*?)^endmodule", verilog, re.M | re.S)
    names = {name for name, _ in bodies}
    return {name: Counter(word for word in re.findall(r"^ +(\w+) \S+ \($", body, re.M)
                          if word in names) for name, body in bodies}


def grouped(areas: Mapping[str, float], inside: Mapping[str, Counter[str]], top: str,
            groups: Mapping[str, str]) -> dict[str, float]:
    """Total area of each group of modules.

    ``areas`` of one instance of a module without its submodules. ``groups``: pattern of a module
    name -> group; what is instantiated in a module of a group belongs to it unless it has a group
    of its own. The rest is ``other``.
    """
    total = dict.fromkeys([*groups.values(), "other"], 0.0)

    def visit(module: str, times: int, group: str) -> None:
        group = next((name for pattern, name in groups.items()
                      if re.fullmatch(pattern, module)), group)
        total[group] += times * areas[module]
        for child, count in inside[module].items():
            visit(child, times * count, group)

    visit(top, 1, "other")
    return total


@dataclass(frozen=True)
class Table:
    """One table of a benchmark: ``rows`` makes it; ``columns`` are those shown as text."""

    title: str
    rows: Callable[[Measure, Sequence[str], bool], list[Row]]
    columns: dict[str, str]      #: name -> format, the width first
    note: str


def _cell(value: Any, form: str) -> str:
    """A value as text; strings have a width and no more."""
    return "-" if value is None else format(value, form if "." in form else "")


def show(table: Table, rows: list[Row]) -> None:
    """One table as text."""
    wide = max(len(row["design"]) for row in rows)
    print(f"\n{table.title}")
    widths = {name: int(form.partition(".")[0]) for name, form in table.columns.items()}
    print(f"{'':<{wide}}" + "".join(f"{name:>{width}}" for name, width in widths.items()))
    for row in rows:
        cells = [_cell(row.get(name), form).rjust(widths[name])
                 for name, form in table.columns.items()]
        print(f"{row['design']:<{wide}}" + "".join(cells))
    print(f"({table.note})")


def _arguments(text: str, tables: Mapping[str, Table], quick: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=text,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--liberty", type=Path, nargs="+", help="cell library; default "
                        "../shared/pdk/sky130hd_tt.lib.gz where that is")
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--only", default=",".join(tables), metavar="TABLE,...",
                        help=f"some of {', '.join(tables)}")
    parser.add_argument("--recipes", default=",".join(recipes.AREA_RECIPES), metavar="NAME,...",
                        help="the set that best is taken from; default %(default)s")
    parser.add_argument("--clock", type=float, default=1.0, metavar="NS",
                        help="clock target of the sized recipe")
    parser.add_argument("--cache", type=Path, default=area_cache())
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _run(args: argparse.Namespace, tables: Mapping[str, Table]) -> None:
    files = args.liberty or [Path(os.environ.get("LOWBIT_SHARED") or Path(__file__).resolve()
                                  .parents[3] / "shared") / "pdk" / "sky130hd_tt.lib.gz"]
    library = liberty.load(files)
    chosen, names = args.only.split(","), args.recipes.split(",")
    for word in chosen:
        if word not in tables:
            raise UsageError(f"--only must name tables of {', '.join(tables)}; got {word}")
    if "plain" not in names:
        raise UsageError(f"--recipes must contain plain; got {args.recipes}")
    for name in names:
        recipes.find_recipe(name)
    measure = Measure(library, args.cache, args.clock,
                      say=lambda text: print(text, file=sys.stderr, flush=True))
    sta = timing.find_sta()
    conditions = {"yosys": f"pyosys {yosys.yosys_version()}", "libraries": library.describe(),
                  "flatten": "early", "recipes": names, "clock_ns": args.clock,
                  "opensta": timing.sta_version(sta) if sta else None, "quick": args.quick}
    results: dict[str, Any] = {"conditions": conditions}
    if not args.json:
        print(f"pyosys {yosys.yosys_version()}, synth -flatten; best of {', '.join(names)}; "
              f"sized for {args.clock:g} ns, OpenSTA {conditions['opensta']}")
        for entry in library.describe():
            print(f"{entry['library']} sha256 {entry['sha256']}")
    for word in chosen:
        rows = tables[word].rows(measure, names, args.quick)
        results[word] = rows
        if not args.json:
            show(tables[word], rows)
    if args.json:
        print(json.dumps(results, indent=2))


def main(name: str, text: str, tables: Mapping[str, Table], quick: str) -> int:
    """A benchmark as a command: ``text`` and ``quick`` are for its ``--help``; exit status."""
    try:
        _run(_arguments(text, tables, quick), tables)
    except USER_ERRORS as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0
