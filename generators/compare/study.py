"""What a comparison of designs is: rows to be measured, and published figures to stand beside.

A study only names things; :mod:`.measurements` measures its rows, :mod:`.evaluate` relates them,
and :mod:`.report` and :mod:`.plots` show them. The studies are in :mod:`.studies`, one a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Reference", "Row", "Study", "Weights", "same"]

#: what of a design a row measures
Scope = Literal["cell", "core", "whole"]


def same(number: float) -> Callable[[Any], float]:
    """The same work a cycle whatever the parameters."""
    return lambda p: number


@dataclass(frozen=True)
class Row:
    """One design, or a part of it, and the work that it does a cycle."""

    label: str
    #: generator and its flags, as after ``gen``; of ``verilog``, words for people
    command: str
    #: multiply-accumulates a cycle of what is measured, by the design's parameters (None of
    #: ``verilog``)
    work: Callable[[Any], float]
    scope: Scope
    #: a module of the design, measured alone; "": the whole design
    module: str = ""
    #: how many of it the row counts
    times: int = 1
    #: more rows' labels that belong to this one, with shares: area is added (a table, a decoder)
    plus: tuple[tuple[str, float], ...] = ()
    #: whether the longest path is measured as well (of cells)
    path: bool = False
    #: a design that no generator emits: its text; ``module`` is its top
    verilog: str = ""

    @property
    def flat(self) -> bool:
        """A cell is one flat netlist; of a large design each distinct module is mapped once."""
        return self.scope == "cell" or self.times > 1


@dataclass(frozen=True)
class Reference:
    """A published ratio, and the two rows whose ratio stands beside it.

    ``measure``: ``density``, work per area of ``ours`` over that of ``base``; ``area``, area of
    ``ours`` over that of ``base``; ``cost``, area per work of ``ours`` over that of ``base``;
    ``time``, area times longest path, both of the sized netlist, per work.
    """

    claim: str
    published: float
    source: str             #: paper and its technology
    ours: str               #: label of a row
    base: str
    measure: Literal["density", "area", "cost", "time"]
    #: why ours is another figure, in a sentence or two; needed where it differs by over a quarter
    why: str = ""


@dataclass(frozen=True)
class Weights:
    """A format of weights that a row multiplies by, whose error stands beside its cost."""

    label: str              #: of a row
    form: str               #: name in :mod:`.accuracy`
    #: how often the row's design takes each weight: planes with scales of their own
    passes: int = 1


@dataclass(frozen=True)
class Study:
    """Rows under equal conditions; the first one is the base of the ratios unless one is named."""

    name: str
    title: str
    question: str
    rows: tuple[Row, ...]
    references: tuple[Reference, ...] = ()
    base: str = ""
    errors: tuple[Weights, ...] = ()

    def __post_init__(self) -> None:
        labels = [row.label for row in self.rows]
        used = [self.base or labels[0], *(weights.label for weights in self.errors),
                *(name for row in self.rows for name, _ in row.plus),
                *(name for r in self.references for name in (r.ours, r.base))]
        missing = sorted({name for name in used if name not in labels})
        timed = {row.label for row in self.rows if row.path}
        missing += sorted({f"{name} (without path)" for r in self.references if r.measure == "time"
                           for name in (r.ours, r.base) if name not in timed})
        if missing or len(set(labels)) < len(labels):
            raise ValueError(f"study {self.name}: labels must differ and be those of rows; "
                             f"unknown: {missing}")

    def point(self, weights: Weights) -> str:
        """The label of one of :attr:`errors`: of its row, and of its format where a row has
        several."""
        several = sum(other.label == weights.label for other in self.errors) > 1
        return weights.label + (f", {weights.form}" if several else "")

    @property
    def base_label(self) -> str:
        return self.base or self.rows[0].label
