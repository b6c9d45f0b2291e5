"""Table of the cost model's errors, from the coefficients that the package has. Used by
figures.py."""

from __future__ import annotations

import json
from pathlib import Path

from tables import table

__all__ = ["errors"]

STORED = Path(__file__).resolve().parents[2] / "generators" / "cost" / "coefficients.json"


def errors() -> str:
    """Errors on designs outside of the fitted sets, by library and generator."""
    rows = [(entry["library"], f"`{name}`", figure, fit["fitted"], fit["tested"],
             f"{fit['median_error']:.1%}", f"{fit['p95_error']:.1%}")
            for entry in json.loads(STORED.read_text()).values()
            for name, figures in sorted(entry["generators"].items())
            for figure, fit in sorted(figures.items())]
    return table(("library", "generator", "figure", "designs fitted", "tested", "median error",
                  "95th percentile"), rows)
