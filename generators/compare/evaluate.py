"""From the rows of a study to figures: areas, work per area, ratios, published figures beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

from ..flow.recipes import AREA_RECIPES
from ..flow.synthesis import usable_recipes
from ..progress import Progress
from .accuracy import FORMATS, distributions, error
from .measurements import Design, Measure, parse
from .recorded import losses
from .study import Reference, Row, Study, Weights

__all__ = ["Compared", "Found", "Quoted", "compare"]

#: whose longest path counts: that of the smaller product of area and path
SIZED = ("sized", "booth+sized")


@dataclass(frozen=True)
class Found:
    """A row with its figures, all of them of what the row counts (``times`` it)."""

    row: Row
    work: float             #: multiply-accumulates a cycle
    areas: dict[str, float]     #: by recipe, in the library's unit
    flip_flops: int
    path_ns: float | None
    sized: float | None     #: area of the netlist that has this path
    to_base: float          #: area per work over that of the study's base, best recipes

    @property
    def best(self) -> float:
        return min(self.areas.values())

    @property
    def recipe(self) -> str:
        """The recipe of the best area."""
        return min(self.areas, key=lambda name: (self.areas[name], name))

    @property
    def cost(self) -> float:
        """Area for one multiply-accumulate a cycle."""
        return self.best / self.work


@dataclass(frozen=True)
class Quoted:
    """A published ratio, ours, and the quotient of ours over it."""

    reference: Reference
    ours: float

    @property
    def quotient(self) -> float:
        return self.ours / self.reference.published


@dataclass(frozen=True)
class Compared:
    """A study with its figures."""

    study: Study
    rows: tuple[Found, ...]
    quoted: tuple[Quoted, ...]
    #: weight format -> distribution -> error (:mod:`.accuracy`), of the study's ``errors``; and
    #: model -> what is lost on it, where that is recorded (:mod:`.recorded`)
    errors: dict[str, dict[str, float]]

    def point_cost(self, weights: Weights) -> float:
        """Area × cycles of a multiply-accumulate with such weights."""
        return self.row(weights.label).cost * weights.passes

    def row(self, label: str) -> Found:
        return next(found for found in self.rows if found.row.label == label)


def compare(study: Study, measure: Measure, *, workers: int,
            recipes: Sequence[str] = AREA_RECIPES, progress: Progress | None = None) -> Compared:
    """Measure every row with every recipe; what is in the cache is not measured again.

    ``workers`` syntheses at a time. Raises :class:`~..errors.UsageError` for a row whose design
    does not exist, :class:`~..errors.CheckFailed` for one that Yosys refuses.
    """
    names = usable_recipes(measure.library, recipes)
    work = [row.work(None if row.verilog else parse(row.command)) * row.times
            for row in study.rows]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        jobs: dict[tuple[str, bool, str], Future[dict[str, Any]]] = {}
        designs = []
        try:
            for row in study.rows:
                if progress is not None:
                    progress(f"{study.name}: Verilog of {row.command}")
                design = Design(row.command, row.verilog, row.module) if row.verilog else \
                    measure.design(row.command).part(row.module)
                designs.append((design.command, row.flat))
                asked = [measure.recipe(design, name) for name in names]
                sized = [measure.recipe(design, name) for name in SIZED if row.path]
                for name in [*asked, *sized]:
                    job = design.command, row.flat, name
                    if job not in jobs:                         # rows may share a design
                        jobs[job] = pool.submit(measure, design, name, flatten=row.flat)
            if progress is not None:
                progress(f"{study.name}: synthesis")
            for count, done in enumerate(as_completed(jobs.values()), 1):
                done.result()
                if progress is not None:
                    progress.share(count, len(jobs))
        except BaseException:
            # what is under way ends, and is kept; the rest is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    raw: dict[tuple[str, bool], dict[str, Any]] = {}
    for (command, flat, name), done in jobs.items():
        raw.setdefault((command, flat), {})[name] = done.result()
    results = {row.label: raw[design] for row, design in zip(study.rows, designs, strict=True)}
    rows = [_found(row, amount, results) for row, amount in zip(study.rows, work, strict=True)]
    base = next(found.cost for found in rows if found.row.label == study.base_label)
    rows = [replace(found, to_base=found.cost / base) for found in rows]
    by_label = {found.row.label: found for found in rows}
    quoted = tuple(Quoted(r, ratio) for r in study.references
                   if (ratio := _ratio(r, by_label[r.ours], by_label[r.base])) is not None)
    return Compared(study, tuple(rows), quoted, _errors(study))


def _errors(study: Study) -> dict[str, dict[str, float]]:
    if not study.errors:
        return {}
    samples = distributions()
    return {name: {kind: error(FORMATS[name], sample) for kind, sample in samples.items()}
            | losses(name) for name in dict.fromkeys(weights.form for weights in study.errors)}


def _found(row: Row, work: float, results: Mapping[str, Mapping[str, Any]]) -> Found:
    def areas(label: str) -> dict[str, float]:
        return {name: float(result["area"]) for name, result in results[label].items()
                if name not in SIZED}

    total = {name: area * row.times for name, area in areas(row.label).items()}
    for label, share in row.plus:
        # a recipe that the part added was not mapped with stands for its best
        other = areas(label)
        total = {name: area + share * other.get(name, min(other.values()))
                 for name, area in total.items()}
    own = results[row.label]
    sized = [own[name] for name in SIZED if name in own and own[name]["path_ns"]]
    best = min(sized, key=lambda found: found["area"] * found["path_ns"], default=None)
    return Found(row, work, total, own["plain"]["flip_flops"] * row.times,
                 best and best["path_ns"], best and best["area"] * row.times, 1.0)


def _ratio(reference: Reference, ours: Found, base: Found) -> float | None:
    """None where no path was found (no timing tool)."""
    if reference.measure == "time":
        times = [None if f.sized is None or f.path_ns is None else f.sized * f.path_ns / f.work
                 for f in (ours, base)]
        return None if times[0] is None or not times[1] else times[0] / times[1]
    return {"density": base.cost / ours.cost, "cost": ours.cost / base.cost,
            "area": ours.best / base.best}[reference.measure]
