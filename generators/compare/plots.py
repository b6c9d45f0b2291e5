"""Plots of a comparison, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import UsageError
from .evaluate import Compared

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
    study with errors also ``NAME_error``, area per work against them."""
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
    """Cost and error: to the left and down is better."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 6), layout="constrained")
    for (name, label), marker in zip(KINDS.items(), "os^", strict=True):
        errors = {row: compared.errors[form][name] for row, form in compared.study.errors.items()}
        axes.scatter([compared.row(row).cost for row in errors], list(errors.values()),
                     marker=marker, label=label)
    for row, form in compared.study.errors.items():
        axes.annotate(row, (compared.row(row).cost, max(compared.errors[form].values())),
                      xytext=(0, 6), textcoords="offset points", fontsize=8, ha="center")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(0.15)
    axes.set_xlabel("area × cycles of a multiply-accumulate")
    axes.set_ylabel("error of the weights: sum of squares over that of the weights")
    axes.set_title(compared.study.title)
    axes.legend(fontsize=8)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    for ending in ("svg", "png"):
        metadata = {"Date": None, "Creator": None} if ending == "svg" else {"Software": None}
        figure.savefig(path.with_suffix(f".{ending}"), dpi=120, metadata=metadata)
    pyplot.close(figure)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)
