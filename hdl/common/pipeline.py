"""Pipeline registers: values one cycle later, or some.

Registers of the datapath have no reset; ``reset`` is for those that say whether something is
there. A register keeps the shape of its value, of a struct too (a signal a field).
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value

from .struct import signals

__all__ = ["delayed", "named", "register"]


def register(m: Module, value: Any, name: str, *, enable: Value | None = None,
             reset: bool = False, shape: Any = None) -> Any:
    """``value`` one cycle later, in the register ``name``.

    With ``enable`` it holds in the cycles without; ``shape``: that of the register, where it is
    not the value's.
    """
    held = signals(value.shape() if shape is None else shape, name, reset_less=not reset)
    if enable is None:
        m.d.sync += held.eq(value)
    else:
        with m.If(enable):
            m.d.sync += held.eq(value)
    return held


def delayed(m: Module, value: Any, cycles: int, name: str, *, enable: Value | None = None,
            reset: bool = False) -> Any:
    """``value`` that many cycles later, through registers ``name_1``, ``name_2``, ...; 0 cycles
    is the value itself."""
    for i in range(cycles):
        value = register(m, value, f"{name}_{i + 1}", enable=enable, reset=reset)
    return value


def named(m: Module, value: Value, name: str) -> Signal:
    """``value`` as the signal ``name``: a stage without registers."""
    wire = Signal(value.shape(), name=name)
    m.d.comb += wire.eq(value)
    return wire
