"""What every family offers to ``gen run``: a matrix product as a workload of one design.

A family has one subclass of :class:`Workload`. It checks its operands against the design, knows
the golden result and the cycles, and makes a :class:`Pass`: what goes into the design's ports and
what is made of what comes out. The simulation needs nothing else (``tb/benches/run.py``).
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .parameters import Parameters

__all__ = ["Beat", "Cycle", "Pass", "StreamPass", "CyclePass", "Workload"]

Array = NDArray[Any]
#: fields of a beat, or ports of a cycle: name -> integer
Beat = dict[str, int]
#: inputs of a clock cycle, and whether the outputs of that cycle are results
Cycle = tuple[Beat, bool]
#: told the work done and the work in all
Progress = Callable[[int, int], None]


class Pass(ABC):
    """One pass of a workload through a simulated design; it is used up by it."""

    #: output fields that :meth:`take` wants, as ports (without the stream's name)
    fields: tuple[str, ...] = ("values", "last")

    @abstractmethod
    def take(self, beat: Beat) -> None:
        """A result beat, its ``fields``."""

    @abstractmethod
    def result(self) -> Array:
        """What the design computed, in the form of :meth:`Workload.golden`; after the last beat."""


class StreamPass(Pass):
    """Through valid/ready streams: every input as fast as it is taken."""

    #: name of the stream of results
    output = "result"

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether the last result beat has been taken."""

    @abstractmethod
    def inputs(self) -> dict[str, Iterator[Beat | None]]:
        """Beats of each input stream; None: none is there yet."""

    def constants(self) -> Beat:
        """Input ports that keep one value from before the reset on."""
        return {}

    def setup(self) -> Iterator[Beat]:
        """Ports written before the first beat, a clock cycle each."""
        return iter(())


class CyclePass(Pass):
    """Through ports without handshake: one dictionary of port values a clock cycle."""

    @abstractmethod
    def cycles(self) -> Iterator[Cycle]:
        """All cycles, the last result included. A port not named keeps its value; the first
        cycle, which is also driven during reset, names all."""


class Workload(ABC):
    """Activations (rows, k) times weights (columns, k), on one design.

    ``operands`` is a dataclass of arrays and scalars. Construction checks it against the design
    and raises :class:`~lowbit.golden.parameters.ParameterError`.
    """

    #: the dataclass of the operands
    operand_class: ClassVar[type[Any]]

    parameters: Parameters
    operands: Any
    rows: int
    columns: int
    k: int
    operations: int     #: operations of the design that make up the product

    @abstractmethod
    def __init__(self, parameters: Any, operands: Any) -> None: ...

    @abstractmethod
    def golden(self, progress: Progress = lambda done, total: None) -> Array:
        """The result (rows, columns) by the golden model."""

    @abstractmethod
    def start(self) -> Pass:
        """A new pass through the simulated design."""

    @abstractmethod
    def weights(self) -> str:
        """The weights in a few words, for a report."""

    def facts(self) -> dict[str, Any]:
        """Further figures for a report (JSON-ready)."""
        return {}

    def notes(self) -> list[str]:
        """Further lines for a report."""
        return []

    @property
    def cycles(self) -> int | None:
        """Clock cycles from the first operands to the last result where nothing waits; None where
        there is no model of them."""
        return None

    # -- operands as arrays, for a file --------------------------------------------------------
    def arrays(self) -> dict[str, Any]:
        """The operands as arrays and scalars, without those that are None."""
        fields = {f.name: getattr(self.operands, f.name) for f in dataclasses.fields(self.operands)}
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def of_arrays(cls, parameters: Parameters, arrays: dict[str, Any]) -> Workload:
        """The inverse of :meth:`arrays`; scalars may come as arrays of shape ()."""
        plain = {name: value.item() if np.ndim(value) == 0 else value
                 for name, value in arrays.items()}
        return cls(parameters, cls.operand_class(**cls._operands(plain)))

    @classmethod
    def _operands(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Fields of ``operand_class`` from those of :meth:`arrays`."""
        return fields
