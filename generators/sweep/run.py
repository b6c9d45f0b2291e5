"""A sweep: what is measured in which order, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lowbit.golden.parameters import Parameters

from .front import front, ranks
from .grid import Grid
from .metrics import METRICS, needed
from .scheduler import Job, Result, Scheduler
from .store import Store

__all__ = ["Point", "Swept", "in_order", "sweep"]


@dataclass
class Point:
    """A design with the figures found so far."""

    p: Parameters
    figures: dict[str, Any] = field(default_factory=dict)
    #: measurement -> why there are no figures
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def design(self) -> str:
        """As after ``gen``."""
        return f"{self.p.generator} {self.p.flags()}".rstrip()

    def metric(self, name: str) -> float | None:
        """None where a measurement failed, or found nothing (no path)."""
        metric = METRICS[name]
        values = [self.figures.get(figure) for figure in metric.figures]
        return None if None in values else metric.of(*values)


@dataclass(frozen=True)
class Swept:
    """The designs of a sweep and their figures."""

    grid: Grid
    metrics: tuple[str, ...]
    points: tuple[Point, ...]
    measured: int       #: measurements done now
    kept: int           #: those that were there already

    @property
    def complete(self) -> list[Point]:
        """Designs with all metrics."""
        return [x for x in self.points if None not in map(x.metric, self.metrics)]

    @property
    def failed(self) -> list[Point]:
        """Designs of which a measurement failed."""
        return [x for x in self.points if x.failures]

    @property
    def best(self) -> list[Point]:
        """The Pareto front, ascending by the first metric."""
        points = self.complete
        rows = [[x.metric(name) or 0.0 for name in self.metrics] for x in points]
        return [points[i] for i in front(rows)]


def sweep(grid: Grid, metrics: Sequence[str], store: Store,
          open_scheduler: Callable[[], Scheduler], *,
          first: Mapping[Parameters, float] | None = None,
          told: Callable[[int, int], None] = lambda done, total: None) -> Swept:
    """Measure what the store has not; quick measurements before slow ones.

    ``first``: designs are measured in ascending order of it. ``told`` measurements done and to do.
    """
    points = {p: Point(p) for p in grid.points}
    jobs, kept = [], 0
    ordered = sorted(points, key=lambda p: first[p]) if first is not None else list(points)
    for name in needed(metrics):
        for p in ordered:
            figures = store.get(p, name)
            if figures is None:
                jobs.append(Job(p, name))
            else:
                points[p].figures |= figures
                kept += 1
    if jobs:
        scheduler = open_scheduler()
        try:
            for done, result in enumerate(scheduler.run(jobs), 1):
                _take(points[result.job.p], result, store)
                told(done, len(jobs))
        finally:
            scheduler.close()
    return Swept(grid, tuple(metrics), tuple(points.values()), len(jobs), kept)


def _take(point: Point, result: Result, store: Store) -> None:
    if result.figures is None:
        point.failures[result.job.name] = result.failure
    else:
        store.put(result.job.p, result.job.name, result.figures)
        point.figures |= result.figures


def in_order(swept: Swept) -> dict[Parameters, float]:
    """An order of all designs: the front first, then the front of the rest; those without figures
    last."""
    points = swept.complete
    found = ranks([[x.metric(name) or 0.0 for name in swept.metrics] for x in points])
    order = {x.p: float(rank) for x, rank in zip(points, found, strict=True)}
    return {p: order.get(p, float("inf")) for p in swept.grid.points}
