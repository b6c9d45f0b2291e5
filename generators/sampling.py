"""Products of floats on a design, operands rounded to what it takes: its error, its cycles, and
what it is busy with where a user brings no operands.

A family says what its designs take (:meth:`~.operands.OperandOptions.sample`); what is asked of
the product is the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.coded_integers import CodedInt
from lowbit.golden.digits import DigitFormat
from lowbit.golden.formats import FloatFormat, IntFormat
from lowbit.golden.parameters import ParameterError, Parameters
from lowbit.golden.workload import Workload

from .errors import UsageError
from .registry import GENERATORS, find

if TYPE_CHECKING:
    from .operands import OperandOptions

__all__ = ["DISTRIBUTIONS", "MULTIPLIERS", "Sample", "drawn", "error", "nearest_levels",
           "product_cycles", "rounded", "sample", "steady_work"]

Array = NDArray[Any]

#: generators that multiply matrices
MULTIPLIERS = tuple(name for name, generator in GENERATORS.items() if generator.operands)
#: of drawn operands: normal; uniform with the same deviation; all zeros
DISTRIBUTIONS = ("normal", "uniform", "zero")
#: inputs of a product of drawn operands; the first that the design does in one operation
DRAWN_K = 1024, 512, 256, 128, 64, 32, 16, 8
#: the product by whose results a design's error is told: rows, columns, k
ERROR_SHAPE = 16, 64, 1024
#: k of the product by which the work of a cycle is told; the first that is one operation
WORK_K = 3072, 1536, 768, 384, 192, 96, 48


@dataclass(frozen=True)
class Sample:
    """A product of floats as a design does it."""

    workload: Workload
    activations: Array      #: float64 (rows, k), as rounded
    weights: Array          #: float64 (columns, k), as rounded
    factor: Array | float   #: the product is the results times it

    def result(self) -> Array:
        """The product by the golden model: float64 (rows, columns)."""
        return np.asarray(self.workload.golden().astype(np.float64) * self.factor)


def rounded(fmt: IntFormat | FloatFormat, values: Array) -> tuple[Array, Array, float]:
    """Activations as golden models take them, what they stand for, and the value of an integer 1.

    Integers are scaled so that the largest magnitude is the format's.
    """
    if isinstance(fmt, FloatFormat):
        codes = fmt.from_float64(values)
        return codes, fmt.to_float64(codes), 1.0
    step = float(np.abs(values).max() or 1.0) / fmt.high
    codes = np.rint(values / step).astype(np.int64)
    if isinstance(fmt, CodedInt):
        codes = fmt.nearest(codes)
    return codes, codes * step, step


def nearest_levels(form: DigitFormat, weights: Array) -> tuple[Array, Array]:
    """Weights (columns, k) as the nearest values of a format, the largest magnitude of a column
    that of the format: integers, and steps (columns, 1)."""
    held = np.unique(form.values[list(form.codes)])
    largest = np.abs(weights).max(axis=1, keepdims=True).astype(np.float64)
    steps = np.where(largest > 0, largest, 1.0) / form.largest
    return held[np.searchsorted((held[1:] + held[:-1]) / 2, weights / steps)], steps


def sample(p: Parameters, activations: Array, weights: Array) -> Sample:
    """The product of float64 activations (rows, k) and weights (columns, k) on a design.

    :class:`UsageError` for a generator that multiplies no matrices,
    :class:`~lowbit.golden.parameters.ParameterError` for a product that the design does not do.
    """
    return _options(p).sample(p, activations, weights.astype(np.float32))


def _options(p: Parameters) -> OperandOptions:
    if p.generator not in MULTIPLIERS:
        raise UsageError(f"{p.generator} multiplies no matrices; those that do: "
                         f"{', '.join(MULTIPLIERS)}")
    return find(p.generator).operand_options()


def _draw(rows: int, columns: int, k: int, kind: str = "normal",
          seed: int = 0) -> tuple[Array, Array]:
    """Activations of deviation 1, weights of deviation 0.05."""
    rng = np.random.default_rng(seed)

    def values(count: int) -> Array:
        if kind == "zero":
            return np.zeros((count, k))
        if kind == "uniform":
            return rng.uniform(-np.sqrt(3), np.sqrt(3), (count, k))
        return rng.standard_normal((count, k))

    return values(rows), values(columns) * 0.05


def drawn(p: Parameters, kind: str, seed: int) -> Workload:
    """A product of operands of a distribution, four operations of rows and one of columns: some
    thousand cycles."""
    rows, columns = _options(p).outputs(p)
    for k in DRAWN_K:
        try:
            return sample(p, *_draw(4 * rows * (DRAWN_K[0] // k), columns, k, kind, seed)).workload
        except ParameterError as error:
            refused = error
    raise UsageError(f"no operands are drawn for {p.generator} {p.flags()} ({refused}); give --a "
                     "and --w") from None


def error(p: Parameters) -> dict[str, float]:
    """Root of the mean square of a design's errors, over that of the product of Gaussian operands
    of :data:`ERROR_SHAPE`: ``error`` against the floats, ``rounding`` against the exact product of
    the operands as they were rounded."""
    activations, weights = _draw(*ERROR_SHAPE)
    found = sample(p, activations, weights)
    result = found.result()

    def relative(exact: Array) -> float:
        return float(np.sqrt(((result - exact)**2).sum() / (exact**2).sum()))

    return {"error": relative(activations @ weights.T),
            "rounding": relative(found.activations @ found.weights.T)}


def product_cycles(p: Parameters, rows: int, columns: int, k: int) -> int:
    """Cycles of a product by the design's cycle model.

    Along the columns the pace is steady after the first operations, so that of four blocks of them
    and a straight line says it for any number.
    :class:`~lowbit.errors.UsageError` where the design has no cycle model for it.
    """
    _, across = _options(p).outputs(p)
    counted = partial(_known, p, rows, k)
    blocks = -(-columns // across)
    if blocks <= 4:
        return counted(columns)
    three, four = counted(3 * across), counted(4 * across)
    return four + (blocks - 4) * (four - three)


def _cycles(p: Parameters, rows: int, k: int, columns: int) -> int | None:
    return sample(p, *_draw(rows, columns, k)).workload.cycles


def _known(p: Parameters, rows: int, k: int, columns: int) -> int:
    cycles = _cycles(p, rows, k, columns)
    if cycles is None:
        raise UsageError(f"{p.generator} has no cycle model of k = {k}: there operations add to "
                         "earlier ones, and wait for them")
    return cycles


def steady_work(p: Parameters) -> float:
    """Multiply-accumulates a cycle of long products, results and all."""
    rows, across = _options(p).outputs(p)
    k = next((k for k in WORK_K if _cycles(p, rows, k, 1) is not None), WORK_K[-1])
    many, more = (_known(p, rows, k, blocks * across) for blocks in (3, 4))
    return rows * across * k / (more - many)
