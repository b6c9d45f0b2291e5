"""The engines' components by the names of ``--engine``."""

from __future__ import annotations

from lowbit.golden.accelerator.parameters import AccelParameters

from .bitmod_engine import BitmodEngine
from .engine import Engine
from .lut_engine import LutEngine

__all__ = ["engine_class"]

_ENGINES: dict[str, type[Engine]] = {"lut": LutEngine, "bitmod": BitmodEngine}


def engine_class(p: AccelParameters) -> type[Engine]:
    """The component of a design's engine."""
    return _ENGINES[p.engine]
