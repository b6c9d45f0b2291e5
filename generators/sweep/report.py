"""A sweep as a table: for the terminal, CSV and Parquet."""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..files import write_whole
from ..flow.yosys import yosys_version
from ..version import version
from .metrics import METRICS, Conditions
from .run import Point, Swept

__all__ = ["as_csv", "as_text", "check_parquet", "columns", "conditions_text", "name_of",
           "write_parquet"]


def name_of(metric: str, conditions: Conditions) -> str:
    """A metric with its unit."""
    unit = METRICS[metric].unit
    unit = conditions.library.area_unit if unit == "area" else unit
    return f"{metric}, {unit}" if unit else metric


def conditions_text(conditions: Conditions) -> str:
    """What the figures were found with."""
    files = ", ".join(f"{item['library']} (sha256 {item['sha256'][:12]})"
                      for item in conditions.library.describe())
    model = "" if conditions.layers is None else \
        f"; cycles of {conditions.layers.name}, {conditions.layers.rows} rows of activations"
    return (f"lowbit {version()}, pyosys {yosys_version()}, {files}; area: recipe "
            f"{conditions.recipe}; delay: sized for {conditions.clock_ns:g} ns, ideal wires{model}")


def columns(swept: Swept) -> dict[str, list[Any]]:
    """The whole table by columns: parameters, figures, metrics, whether on the front, failures."""
    points = swept.points
    figures = list(dict.fromkeys(name for x in points for name in x.figures))
    best = set(map(id, swept.best))
    return {"design": [x.design for x in points],
            **{name: [getattr(x.p, name) for x in points] for name in swept.grid.axes},
            **{name: [x.figures.get(name) for x in points] for name in figures
               if name not in swept.metrics},
            **{name: [x.metric(name) for x in points] for name in swept.metrics},
            "front": [id(x) in best for x in points],
            "failure": ["; ".join(f"{name}: {why}" for name, why in x.failures.items())
                        for x in points]}


def as_csv(swept: Swept) -> str:
    """The table as CSV; an empty field where there is no figure."""
    table = columns(swept)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table)
    for row in zip(*table.values(), strict=True):
        writer.writerow([int(value) if isinstance(value, bool) else value for value in row])
    return out.getvalue()


def check_parquet() -> None:
    """:class:`UsageError` where the package that writes the files of ``-o`` is missing."""
    if find_spec("pyarrow") is None:
        raise UsageError("-o writes Parquet with pyarrow: pip install lowbit[sweep]")


def write_parquet(swept: Swept, path: Path) -> None:
    """The table as Parquet."""
    import pyarrow
    from pyarrow import parquet

    write_whole(path, lambda temporary: parquet.write_table(pyarrow.table(columns(swept)),
                                                            temporary))


def _cells(point: Point, swept: Swept) -> list[str]:
    words = [str(getattr(point.p, name)) for name in swept.grid.swept]
    return words + [f"{point.metric(name):.4g}" for name in swept.metrics]


def as_text(swept: Swept, conditions: Conditions) -> str:
    """The Pareto front, and what became of all combinations."""
    grid = swept.grid
    head = [*grid.swept, *(name_of(name, conditions) for name in swept.metrics)]
    rows = [head, *(_cells(x, swept) for x in swept.best)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True))
             for row in rows]
    legal = len(grid.points)
    lines.append(f"front: {len(rows) - 1} of {len(swept.complete)} designs; {grid.combinations} "
                 f"combinations, {legal} designs"
                 + (f", {grid.same} twice" if grid.same else ""))
    lines += [f"left out: {x.count} for {x.flag}, such as: {x.example}" for x in grid.refused]
    lines += [f"failed: {x.design}: {name}: {why}" for x in swept.failed
              for name, why in x.failures.items()]
    lines.append(f"{swept.measured} measurements, {swept.kept} from the cache")
    return "\n".join(lines)
