"""Generators of synthesizable RTL for low-bit LLM inference.

    import lowbit
    core = lowbit.design("lut_core", M=2, N=64, K=4)

A tour: docs/python.md. Names are imported on use, so that no layer loads those above it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .generators.api import Design, Matrix, design, designs, load, quantize
    from .generators.errors import CheckFailed, UsageError
    from .golden.parameters import ParameterError

__all__ = ["design", "designs", "quantize", "load", "Design", "Matrix", "UsageError",
           "ParameterError", "CheckFailed"]

_HOMES = {"UsageError": "generators.errors", "CheckFailed": "generators.errors",
          "ParameterError": "golden.parameters"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lowbit' has no attribute '{name}'")
    return getattr(importlib.import_module(f"lowbit.{_HOMES.get(name, 'generators.api')}"), name)


def __dir__() -> list[str]:
    return __all__
