"""Where the rows of an instruction are in memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, Value

__all__ = ["next_place"]


def next_place(m: Module, bases: Value, instruction: Any, pitch: Value, begun: Value,
               step: Value, place: Signal) -> None:
    """``place``, in units of 64 bytes, becomes at ``step`` that of the first row (base and offset)
    or, once ``begun``, that of the row after it (``pitch``): one adder for both."""
    bits = len(place)
    of_base = Signal(bits, name="of_base")
    before = Signal(bits, name="before")
    ahead = Signal(bits, name="ahead")
    m.d.comb += [
        of_base.eq(Array(bases.word_select(i, bits) for i in range(8))[instruction.base]),
        before.eq(Mux(begun, place, of_base)),
        ahead.eq(Mux(begun, pitch, instruction.offset))]
    with m.If(step):
        m.d.sync += place.eq(before + ahead)
