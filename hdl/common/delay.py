"""A value some cycles later."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module

from .struct import signals

__all__ = ["delayed"]


def delayed(m: Module, value: Any, cycles: int, name: str, *, reset: bool = True) -> Any:
    """``value`` that many cycles later, through registers ``name_1``, ``name_2``, ...

    They are reset to 0; without ``reset`` they are not. The shape is kept, a layout too; 0 cycles
    is the value itself.
    """
    for i in range(cycles):
        late = signals(value.shape(), f"{name}_{i + 1}", reset_less=not reset)
        m.d.sync += late.eq(value)
        value = late
    return value
