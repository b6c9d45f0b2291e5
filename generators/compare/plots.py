"""Plots of a comparison, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import UsageError
from .evaluate import Compared
from .recorded import MODELS, RECORD

__all__ = ["check_matplotlib", "draw"]

#: distributions of :mod:`.accuracy`, and what they are called
KINDS = {"gaussian": "Gaussian", "t5": "Student's t, 5", "t3": "Student's t, 3"}
COLOURS = {"cell": "#0969da", "core": "#bf8700", "whole": "#1a7f37"}


def check_matplotlib() -> None:
    """:class:`UsageError` where it is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("-o draws plots with matplotlib, which is not installed; pip install "
                         "lowbit[plots], or leave -o away for the tables alone") from None


def draw(compared: Compared, folder: Path) -> None:
    """``NAME.svg`` and ``NAME.png`` in ``folder``: area per work of every row, over the base; for a
    study with errors also ``NAME_error``, area per work against them and what models lose."""
    import matplotlib as mpl

    mpl.use("Agg")
    # the same figures give the same bytes
    mpl.rcParams.update({"svg.hashsalt": "lowbit", "svg.fonttype": "none"})
    _bars(compared, folder / compared.study.name)
    if compared.study.errors:
        _scatter(compared, folder / f"{compared.study.name}_error")


def _bars(compared: Compared, path: Path) -> None:
    from matplotlib import pyplot

    rows = list(reversed(compared.rows))
    figure, axes = pyplot.subplots(figsize=(9, 0.9 + 0.34 * len(rows)), layout="constrained")
    bars = axes.barh([found.row.label for found in rows], [found.to_base for found in rows],
                     color=[COLOURS[found.row.scope] for found in rows])
    axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel(f"area for a multiply-accumulate a cycle, over “{compared.study.base_label}”")
    axes.set_title(compared.study.title)
    axes.tick_params(labelsize=8)
    used = dict.fromkeys(found.row.scope for found in compared.rows)
    axes.legend(handles=[_patch(COLOURS[scope], scope) for scope in used], fontsize=8)
    _save(figure, path)


def _scatter(compared: Compared, path: Path) -> None:
    """Cost and error on distributions and on models, a panel each: to the left and down is
    better."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 1 + len(MODELS), figsize=(6.5 * (1 + len(MODELS)), 6.5),
                                     layout="constrained")
    distributions, *models = panels
    distributions.set_title("distributions")
    distributions.set_ylabel("error of the weights: sum of squares over that of the weights")
    for (name, label), marker in zip(KINDS.items(), "os^", strict=True):
        points = _points(compared, name)
        distributions.scatter(*_places(points), marker=marker, label=label)
    distributions.set_yscale("log")
    distributions.legend(fontsize=8, loc="lower left")
    labels = [(distributions, points)]
    for axes, (name, (title, meaning)) in zip(models, MODELS.items(), strict=True):
        points = _points(compared, name)
        labels.append((axes, points))
        axes.scatter(*_places(points))
        axes.set_title(title)
        axes.set_ylabel(meaning)
        # a loss may be nothing, or less
        axes.set_yscale("symlog", linthresh=1e-4)
        if missing := [form for form, found in compared.errors.items() if name not in found]:
            axes.text(0.02, 0.02, f"not recorded ({RECORD}): {', '.join(missing)}", fontsize=8,
                      transform=axes.transAxes)
    for axes in panels:
        axes.set_xscale("log")
        axes.margins(0.15)
        axes.set_xlabel("area × cycles of a multiply-accumulate")
    figure.suptitle(compared.study.title)
    figure.draw_without_rendering()
    for axes, points in labels:
        _label(axes, points)
    _save(figure, path)


def _points(compared: Compared, name: str) -> list[tuple[float, float, str]]:
    """Cost, error of the kind ``name`` and label of all weights that have one."""
    return [(compared.point_cost(weights), compared.errors[weights.form][name],
             compared.study.point(weights)) for weights in compared.study.errors
            if name in compared.errors[weights.form]]


def _places(points: list[tuple[float, float, str]]) -> tuple[list[float], list[float]]:
    return [cost for cost, _, _ in points], [error for _, error, _ in points]


def _label(axes: Any, points: list[tuple[float, float, str]]) -> None:
    """A label at each point, where it overlaps none before it if there is such a place."""
    renderer, frame = axes.figure.canvas.get_renderer(), axes.get_window_extent()
    taken: list[Any] = []
    for cost, error, label in points:
        for x, y, align in ((0, 6, "center"), (0, -12, "center"), (6, -3, "left"),
                            (-6, -3, "right"), (0, 15, "center"), (0, -21, "center"),
                            (0, 24, "center"), (0, -30, "center")):
            text = axes.annotate(label, (cost, error), xytext=(x, y), fontsize=7, ha=align,
                                 textcoords="offset points")
            text.set_in_layout(False)
            box = text.get_window_extent(renderer)
            if frame.x0 < box.x0 and box.x1 < frame.x1 and not box.count_overlaps(taken):
                break
            text.remove()
        else:
            axes.add_artist(text)
        taken.append(box)


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    for ending in ("svg", "png"):
        metadata = {"Date": None, "Creator": None} if ending == "svg" else {"Software": None}
        figure.savefig(path.with_suffix(f".{ending}"), dpi=120, metadata=metadata)
    pyplot.close(figure)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)
