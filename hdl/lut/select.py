"""Selecting an entry of a table by a weight pattern; negation-free with half tables.

Negation-free select: a half table has only the sums with a positive last activation, and the
packer has folded every pattern to an index and a sign (``fold`` in
:mod:`lowbit.golden.lut.packing`, ``--negation offline``). So the index needs no logic here, and
only the selected value is negated, in the accumulator. ``--negation hardware`` folds the pattern
in the decoder.

Two structures, both generated so that they can be compared: ``onehot`` decodes the index once per
column (the lines are shared by all M rows) and reads by AND-OR; ``binary`` is the conventional
multiplexer. An inactive read gives zero in both, so that an idle accumulator adds nothing and
needs no hold path.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.lut.parameters import WeightParameters

__all__ = ["PatternDecoder", "select_entry", "line_bits"]


def line_bits(p: WeightParameters) -> int:
    """Width of the read lines of one table: one per entry, or index and enable."""
    return p.entries if p.select == "onehot" else p.entries.bit_length()


class PatternDecoder(wiring.Component):
    """One weight pattern to read lines and sign (combinational; one per column and group).

    ``pattern``: K bits. With offline negation the packer has already made them the index (low
    bits) and the sign (top bit); a full table takes the raw pattern as its index; with
    ``--negation hardware`` sign and index are computed here from the raw pattern (what the
    offline remapping of LUT Tensor Core saves). ``active`` gates the read.
    Outputs ``lines`` (see :func:`line_bits`) and ``negative`` (half tables).
    """

    def __init__(self, p: WeightParameters) -> None:
        self.parameters = p
        members = {"pattern": In(p.K), "active": In(1), "lines": Out(line_bits(p))}
        if p.table == "half":
            members["negative"] = Out(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        index: Value = self.pattern
        if p.table == "half":
            index, sign = self.pattern[:-1], self.pattern[-1]
            if not p.has_sign:
                sign = ~sign
                folded = Signal(p.K - 1)
                m.d.comb += folded.eq(index ^ sign.replicate(p.K - 1))
                index = folded
            m.d.comb += self.negative.eq(sign & self.active)
        if p.select == "onehot":
            m.d.comb += self.lines.eq(Cat((index == i) & self.active for i in range(p.entries)))
        else:
            m.d.comb += self.lines.eq(Cat(index, self.active))
        return m


def select_entry(p: WeightParameters, lines: Value, entries: list[Value]) -> Value:
    """The entry that the read lines select, zero when inactive."""
    width = len(entries[0])
    if p.select == "onehot":
        result: Value = Const(0, width)
        for line, entry in zip(lines, entries, strict=True):
            result = result | (line.replicate(width) & entry)
        return result
    index = lines[:-1]
    return Mux(lines[-1], Array(entries)[index], 0)
