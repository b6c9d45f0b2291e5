"""What the host asks of whatever multiplies: the protocol of a backend, and the list of them.

A backend gets activations in the type that it names, rounded once. In float16 a row can overflow,
and a row of small numbers would lose bits to subnormals; so a row whose largest magnitude is not
2**-8 .. 65504 is first multiplied by the power of two that brings it to 1 .. 2, and its results
by the inverse. That is exact: a product is linear, and the row's other numbers keep the precision
that they have beside its largest.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..weights.gguf_file import GgufFile

__all__ = ["BACKENDS", "Factory", "Linears", "multiply", "open_linears"]

Array = NDArray[Any]

SMALLEST, LARGEST = 2.0**-8, 65504.0


class Linears(Protocol):
    """Matrix products with the weights of one model."""

    @property
    def activations(self) -> type[np.float16] | type[np.float32]:
        """The type that :meth:`linear` takes; float16 for the accelerator."""

    def linear(self, names: tuple[str, ...], x: Array) -> tuple[Array, ...]:
        """Products of ``x`` (rows, k) with each matrix (n_i, k) named: float32 (rows, n_i).

        ``names`` is one of the calls that the factory was told of: weights that share their input
        come together, in order. Any number of rows.
        """

    def report(self) -> dict[str, Any]:
        """What it has to tell after a run (cycles, say), fit for JSON; may be empty."""


#: makes a backend from a model's file and all calls that will be made, in the order of a forward
#: pass (``LlamaConfig.calls``), and the manifest of an accelerator, for backends that are one.
#: :class:`UsageError` for a weight that it cannot multiply by.
Factory = Callable[[GgufFile, tuple[tuple[str, ...], ...], Path | None], Linears]

#: name -> module and factory, loaded on use
BACKENDS = {
    "float32": "lowbit.generators.llm.float32:Float32",
    "golden": "lowbit.generators.llm.accelerated:Golden",
    "cycles": "lowbit.generators.llm.accelerated:Cycles",
    "rtl": "lowbit.generators.llm.accelerated:Rtl",
}


def open_linears(name: str, file: GgufFile, calls: tuple[tuple[str, ...], ...],
                 target: Path | None = None) -> Linears:
    """The backend of that name for a model, on the accelerator of a manifest."""
    if name not in BACKENDS:
        raise UsageError(f"--backend must be one of {', '.join(BACKENDS)}; got {name}")
    module, _, factory = BACKENDS[name].partition(":")
    make: Factory = getattr(importlib.import_module(module), factory)
    return make(file, calls, target)


def multiply(linears: Linears, names: tuple[str, ...], x: Array) -> tuple[Array, ...]:
    """:meth:`Linears.linear` of float32 ``x`` (rows, k), rounded to the backend's type.

    :class:`UsageError` for activations that are not finite: the model is damaged.
    """
    largest = np.abs(x).max(axis=1)
    if not np.isfinite(largest).all():
        raise UsageError(f"the input of {names[0]} is not finite: the model's weights are damaged, "
                         "or not meant for this forward pass")
    if linears.activations is np.float32:
        return linears.linear(names, x)
    outside = (largest > 0) & ((largest < SMALLEST) | (largest > LARGEST))
    if not outside.any():
        return linears.linear(names, x.astype(np.float16))
    shift = np.where(outside, 1 - np.frexp(largest)[1], 0)[:, None]
    results = linears.linear(names, np.ldexp(x, shift).astype(np.float16))
    return tuple(np.ldexp(y, -shift) for y in results)
