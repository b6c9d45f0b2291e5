"""What ``--estimate`` tells of a design: area and longest path, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lowbit.golden.parameters import Parameters

from ..flow.liberty import Library
from .model import FIGURES, CostModel, Fit
from .terms import terms_of

__all__ = ["Estimate", "add_estimate", "estimate"]


@dataclass(frozen=True, repr=False)
class Estimate:
    """Area and longest path by the cost model; prints as the report of ``gen area --estimate``."""

    parameters: Parameters
    area_unit: str                  #: of the library; GE without one
    figures: dict[str, float]       #: ``area`` and, where the library has a fit, ``delay`` in ns
    fits: dict[str, Fit]            #: where they come from

    @property
    def area(self) -> float:
        """Cell area, in the unit of the library."""
        return self.figures["area"]

    @property
    def path_ns(self) -> float | None:
        """Longest path; None where the library has no fit of it."""
        return self.figures.get("delay")

    def as_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"generator": self.parameters.generator, "flags": self.parameters.flags(),
                "area_unit": self.area_unit, **self.figures,
                "errors": {name: {"median": fit.median_error, "p95": fit.p95_error}
                           for name, fit in self.fits.items()}}

    def __str__(self) -> str:
        lines = [f"{self.parameters.generator} {self.parameters.flags()}".rstrip()]
        for name, value in self.figures.items():
            fit, unit = self.fits[name], self.area_unit if name == "area" else "ns"
            lines.append(f"{name:6}{value:12.4g} {unit:4} estimated; errors on {fit.tested} "
                         f"designs outside of the fit: median {fit.median_error:.1%}, 95 % below "
                         f"{fit.p95_error:.1%}")
        return "\n".join(lines)

    __repr__ = __str__      # notebooks show it


def add_estimate(group: Any) -> None:
    """The option ``--estimate`` of a command that measures one design."""
    group.add_argument("--estimate", action="store_true", help="area and longest path by the cost "
                       "model, without synthesis (docs/sweep.md)")


def estimate(p: Parameters, library: Library) -> Estimate:
    """Area and longest path of a design, without synthesis; a path without a fit is left out.

    :class:`~lowbit.generators.errors.UsageError` for a library, a generator or an option of which
    the model knows nothing.
    """
    terms_of(p, "area")     # says which option has no model
    model = CostModel(library)
    model.fit(p.generator, "area")
    known = [name for name in FIGURES if (p.generator, name) in model.fits]
    return Estimate(p, library.area_unit, {name: model.estimate(p, name) for name in known},
                    {name: model.fit(p.generator, name) for name in known})
