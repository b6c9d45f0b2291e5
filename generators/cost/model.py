"""Estimates from a stored fit: ``coefficients.json``, by the hash of the cell library.

``scripts/studies/fit_cost.py`` makes it, and tells the errors on designs outside of the fitted
set; they are stored with the coefficients. Designs of the sets are small (docs/sweep.md); far
outside of them an estimate is an extrapolation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from lowbit.golden.parameters import Parameters

from ..errors import UsageError
from ..flow.liberty import Library
from .terms import terms_of

__all__ = ["FIGURES", "CostModel", "Fit", "stage_of", "total"]

FIGURES = ("area", "delay")


def stage_of(term: str) -> str:
    """The stage of a term ``stage: part`` of a delay; that of all terms of an area is empty."""
    return term.rpartition(": ")[0]


def total(coefficients: Mapping[str, float], terms: Mapping[str, float]) -> float:
    """The sum of all parts; where they are those of stages, of the longest one."""
    stages: dict[str, float] = {}
    for name, amount in terms.items():
        stage = stage_of(name)
        stages[stage] = stages.get(stage, 0.0) + coefficients[name] * amount
    return max(stages.values())


@dataclass(frozen=True)
class Fit:
    """Coefficients of one figure of a generator, and how well they do outside of their set."""

    coefficients: dict[str, float]
    fitted: int             #: designs of the set
    tested: int             #: designs outside of it
    median_error: float     #: of the latter, relative
    p95_error: float        #: 95th percentile

    def of(self, terms: dict[str, float]) -> float:
        """The figure of a design with these terms."""
        return total(self.coefficients, terms)


@cache
def _stored() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("coefficients.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


class CostModel:
    """Estimates under one cell library; :class:`UsageError` for a library without a fit."""

    def __init__(self, library: Library) -> None:
        stored = _stored()
        key = " ".join(library.hashes)
        if key not in stored:
            known = ", ".join(entry["library"] for entry in stored.values())
            raise UsageError(f"estimates know the libraries {known}; for {library.names[0]} run "
                             "scripts/studies/fit_cost.py, or leave --estimate out")
        self.area_unit = library.area_unit
        self.fits = {(name, figure): Fit(**fit)
                     for name, figures in stored[key]["generators"].items()
                     for figure, fit in figures.items()}

    def fit(self, generator: str, figure: str) -> Fit:
        """The fit of a generator's ``area`` or ``delay``."""
        if (generator, figure) not in self.fits:
            known = sorted({name for name, other in self.fits if other == figure})
            raise UsageError(f"{generator} has no cost model of {figure}; those that have: "
                             f"{', '.join(known)}")
        return self.fits[generator, figure]

    def estimate(self, p: Parameters, figure: str) -> float:
        """``area`` in the library's unit, or ``delay`` in ns."""
        return self.fit(p.generator, figure).of(terms_of(p, figure))
