"""Nested counters: how a unit walks through the words of an instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value

__all__ = ["Loop", "nested"]


@dataclass(frozen=True)
class Loop:
    """A counter of a nest: its value, and whether it is the first or the last one."""

    value: Signal
    first: Signal
    last: Signal


def nested(m: Module, name: str, loops: Sequence[tuple[str, Value]], step: Value
           ) -> tuple[list[Loop], Signal]:
    """Counters NAME_LOOP from 0 to a limit each, the first one fastest; all are 0 again after the
    last step. Returns them and whether all are at their last."""
    found: list[Loop] = []
    carry = step
    done: Value | None = None
    for loop, limit in loops:
        value = Signal(len(limit), name=f"{name}_{loop}")
        first = Signal(name=f"{name}_{loop}_first")
        last = Signal(name=f"{name}_{loop}_last")
        m.d.comb += [first.eq(value == 0), last.eq(value == limit)]
        with m.If(carry):
            m.d.sync += value.eq(Mux(last, 0, value + 1))
        found.append(Loop(value, first, last))
        done = last if done is None else done & last
        carry = step & done
    every = Signal(name=f"{name}_all_last")
    assert done is not None
    m.d.comb += every.eq(done)
    return found, every
