"""A product of integer matrices, one output after the other: the specification, and its beats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parameters import ParameterError
from ..workload import Beat, Progress, StreamPass, Workload
from .parameters import MacParameters

__all__ = ["MacWorkload", "Operands", "wrapped"]

Array = NDArray[Any]


def wrapped(value: int, bits: int) -> int:
    """The integer that ``bits`` bits of two's complement keep of a value."""
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


@dataclass(frozen=True)
class Operands:
    """What a product multiplies."""

    a: Array        #: integers (rows, k)
    w: Array        #: integers (columns, k)


class MacWorkload(Workload):
    """Sum of activation times weight over k, wrapped to the accumulator."""

    operand_class = Operands
    parameters: MacParameters
    operands: Operands

    def __init__(self, parameters: MacParameters, operands: Operands) -> None:
        self.parameters, self.operands = parameters, operands
        (self.rows, self.k), (self.columns, k) = operands.a.shape, operands.w.shape
        if k != self.k:
            raise ParameterError("activations and weights must have the same k; got shapes "
                                 f"{operands.a.shape} and {operands.w.shape}")
        self.operations = self.rows * self.columns

    def golden(self, progress: Progress = lambda done, total: None) -> Array:
        # Python integers: no width that could overflow
        exact = self.operands.a.astype(object) @ self.operands.w.T.astype(object)
        wrap = np.frompyfunc(lambda v: wrapped(v, self.parameters.acc_bits), 1, 1)
        return wrap(exact).astype(np.int64)

    def start(self) -> MacPass:
        return MacPass(self)

    def weights(self) -> str:
        return f"int{self.parameters.bits}"


class MacPass(StreamPass):
    """The beats of all outputs, row by row."""

    def __init__(self, workload: MacWorkload) -> None:
        self.workload = workload
        self.values: list[int] = []

    @property
    def done(self) -> bool:
        return len(self.values) == self.workload.operations

    def inputs(self) -> dict[str, Iterator[Beat | None]]:
        return {"operand": self._operands()}

    def _operands(self) -> Iterator[Beat]:
        x, mask = self.workload.operands, (1 << self.workload.parameters.bits) - 1
        for row in x.a.tolist():
            for column in x.w.tolist():
                for i, (a, w) in enumerate(zip(row, column, strict=True)):
                    yield {"a": a & mask, "w": w & mask, "last": int(i == self.workload.k - 1)}

    def take(self, beat: Beat) -> None:
        assert beat["last"] == 1
        self.values.append(wrapped(beat["values"], self.workload.parameters.acc_bits))

    def result(self) -> Array:
        return np.array(self.values).reshape(self.workload.rows, self.workload.columns)
