"""Pictures of a sweep: a PNG (matplotlib), and a page that shows the parameters of the design under
the pointer (plotly). The page needs nothing else, no network either.

The first two metrics are the axes, the third one, if there is one, is the colour, so that area,
energy and accuracy stand in one picture.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..files import write_whole
from .metrics import Conditions
from .report import conditions_text, name_of
from .run import Point, Swept

__all__ = ["check_pictures", "draw_png", "page"]

OTHERS, FRONT = "#8c959f", "#0969da"


def check_pictures() -> None:
    """:class:`UsageError` where a package that draws is missing."""
    for package in ("matplotlib", "plotly"):
        if find_spec(package) is None:
            raise UsageError(f"-o draws with {package}: pip install lowbit[sweep]")


def _axes(swept: Swept, conditions: Conditions) -> dict[str, tuple[str, list[Any]]]:
    """What may stand on an axis: label and the values of the designs with all metrics."""
    points = swept.complete
    found = {name: (name_of(name, conditions), [x.metric(name) for x in points])
             for name in swept.metrics}
    # parameters in the order of their lists
    return found | {name: (name, [str(getattr(x.p, name)) for x in points])
                    for name in swept.grid.swept}


def _first_two(swept: Swept) -> tuple[str, str]:
    """Two metrics; a single one stands over the first parameter swept."""
    if len(swept.metrics) > 1:
        return swept.metrics[0], swept.metrics[1]
    return (swept.grid.swept or swept.metrics)[0], swept.metrics[0]


def _colours(swept: Swept, conditions: Conditions) -> tuple[str, list[float]] | None:
    """The third metric: label and the values of the designs, logarithms where all are positive."""
    if len(swept.metrics) < 3:
        return None
    name = swept.metrics[2]
    values = [float(x.metric(name) or 0) for x in swept.complete]
    label = name_of(name, conditions)
    return (f"log10 of {label}", [math.log10(v) for v in values]) \
        if all(v > 0 for v in values) else (label, values)


def draw_png(swept: Swept, conditions: Conditions, path: Path) -> None:
    """The first two metrics against each other, the front in colour, or framed where the third
    metric is the colour."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    axes_of = _axes(swept, conditions)
    names = _first_two(swept)
    (x_label, xs), (y_label, ys) = (axes_of[name] for name in names)
    best = set(map(id, swept.best))
    on = [id(point) in best for point in swept.complete]
    figure, axes = pyplot.subplots(figsize=(9, 6), layout="constrained")
    third = _colours(swept, conditions)
    if third is not None:
        shown = axes.scatter(xs, ys, c=third[1], cmap="viridis", s=30)
        figure.colorbar(shown, label=third[0])
    for label, colour, wanted in (("others", OTHERS, False), ("Pareto front", FRONT, True)):
        style: dict[str, Any] = {"color": colour, "s": 22} if third is None else \
            {"edgecolors": colour, "facecolors": "none", "s": 90}
        if third is None or wanted:
            axes.scatter([x for x, is_on in zip(xs, on, strict=True) if is_on is wanted],
                         [y for y, is_on in zip(ys, on, strict=True) if is_on is wanted],
                         label=label, **style)
    for name, scale in zip(names, (axes.set_xscale, axes.set_yscale), strict=True):
        if name in swept.metrics and all(v > 0 for v in axes_of[name][1]):
            scale("log")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(f"{swept.points[0].p.generator}: {len(swept.complete)} designs")
    axes.legend()
    write_whole(path, lambda temporary: figure.savefig(
        temporary, dpi=120, format="png", metadata={"Software": None}))
    pyplot.close(figure)


def _hover(point: Point, swept: Swept, conditions: Conditions) -> str:
    lines = [f"<b>{html.escape(point.design)}</b>"]
    lines += [f"{html.escape(name_of(name, conditions))}: {point.metric(name):.5g}"
              for name in swept.metrics]
    return "<br>".join(lines)


def _menu(axis: str, at: float, names: Sequence[str], axes: dict[str, tuple[str, list[Any]]],
          swept: Swept, on: Sequence[bool]) -> dict[str, Any]:
    """A list that chooses what stands on an axis."""
    def values(name: str) -> list[list[Any]]:
        return [[v for v, is_on in zip(axes[name][1], on, strict=True) if is_on is wanted]
                for wanted in (False, True)]

    buttons = [{"label": f"{axis}: {name}", "method": "update", "args": [
        {axis: values(name)},
        {f"{axis}axis.title.text": axes[name][0],
         f"{axis}axis.type": _kind(name, axes, swept)}]} for name in names]
    return {"buttons": buttons, "x": at, "y": 1.12, "xanchor": "left", "direction": "down"}


def _kind(name: str, axes: dict[str, tuple[str, list[Any]]], swept: Swept) -> str:
    if name not in swept.metrics:
        return "category"
    return "log" if all(v > 0 for v in axes[name][1]) else "linear"


def page(swept: Swept, conditions: Conditions, command: str) -> str:
    """A self-contained HTML page."""
    from plotly import graph_objects as go

    axes, points = _axes(swept, conditions), swept.complete
    first, second = _first_two(swept)
    best = set(map(id, swept.best))
    on = [id(point) in best for point in points]
    third = _colours(swept, conditions)
    figure = go.Figure()
    for label, colour, wanted in (("others", OTHERS, False), ("Pareto front", FRONT, True)):
        at = [i for i, is_on in enumerate(on) if is_on is wanted]
        marker: dict[str, Any] = {"color": colour, "size": 9} if third is None else \
            {"color": [third[1][i] for i in at], "coloraxis": "coloraxis", "size": 11,
             "line": {"color": colour, "width": 3 if wanted else 0}}
        figure.add_scatter(
            x=[axes[first][1][i] for i in at], y=[axes[second][1][i] for i in at], name=label,
            mode="markers", marker=marker, hoverinfo="text",
            hovertext=[_hover(points[i], swept, conditions) for i in at])
    def swapped(name: str) -> list[str]:
        return [name, *(other for other in axes if other != name)]

    figure.update_layout(
        xaxis={"title": {"text": axes[first][0]}, "type": _kind(first, axes, swept)},
        yaxis={"title": {"text": axes[second][0]}, "type": _kind(second, axes, swept)},
        updatemenus=[_menu("x", 0.0, swapped(first), axes, swept, on),
                     _menu("y", 0.3, swapped(second), axes, swept, on)],
        template="plotly_white", hovermode="closest", height=640)
    if third is not None:
        figure.update_layout(coloraxis={"colorscale": "Viridis", "colorbar": {
            "title": {"text": third[0]}}}, legend={"orientation": "h"})
    picture = figure.to_html(full_html=False, include_plotlyjs=True, div_id="sweep")
    title = html.escape(f"{points[0].p.generator if points else 'sweep'}: {len(points)} designs")
    return (f"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            f"<title>{title}</title></head>\n<body style=\"font-family: sans-serif\">\n"
            f"<h1>{title}</h1>\n<p><code>{html.escape(command)}</code></p>\n{picture}\n"
            f"<p>{html.escape(conditions_text(conditions))}</p>\n</body></html>\n")
