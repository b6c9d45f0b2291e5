"""Skew of a systolic array: each place sees a value one cycle after its neighbour."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Value

from ..common.pipeline import register

__all__ = ["skewed"]


def skewed(m: Module, value: Any, places: int, name: str, *, enable: Value | None = None,
           reset: bool = False) -> list[Any]:
    """``value`` as each of ``places`` in a line sees it: the first at once, place ``i`` that many
    cycles later, through registers ``name_1``, ``name_2``, ... (see :func:`.pipeline.register`)."""
    seen = [value]
    for i in range(1, places):
        seen.append(register(m, seen[-1], f"{name}_{i}", enable=enable, reset=reset))
    return seen
