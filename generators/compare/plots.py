"""Plots of a comparison, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import UsageError
from .evaluate import Compared

__all__ = ["check_matplotlib", "draw"]

COLOURS = {"cell": "#0969da", "core": "#bf8700", "whole": "#1a7f37"}


def check_matplotlib() -> None:
    """:class:`UsageError` where it is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("-o draws plots with matplotlib, which is not installed; pip install "
                         "lowbit[plots], or leave -o away for the tables alone") from None


def draw(compared: Compared, folder: Path) -> None:
    """``NAME.svg`` and ``NAME.png`` in ``folder``: area per work of every row, over the base."""
    import matplotlib as mpl

    mpl.use("Agg")
    # the same figures give the same bytes
    mpl.rcParams.update({"svg.hashsalt": "lowbit", "svg.fonttype": "none"})
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
    for ending in ("svg", "png"):
        metadata = {"Date": None, "Creator": None} if ending == "svg" else {"Software": None}
        figure.savefig(folder / f"{compared.study.name}.{ending}", dpi=120, metadata=metadata)
    pyplot.close(figure)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)
