"""Reading a table: from a weight pattern to the selected entry.

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

__all__ = ["PatternDecoder", "read_entry", "line_bits"]


def line_bits(p: WeightParameters) -> int:
    """Width of the read lines of one table: one per entry, or index and enable."""
    return p.entries if p.select == "onehot" else p.entries.bit_length()


class PatternDecoder(wiring.Component):
    """One weight pattern to read lines and sign (combinational; one per column and group).

    ``index``: ``p.index_bits`` bits of the weight stream; ``sign`` (offline negation only) as the
    packer computed it; ``active`` gates the read. With ``--negation hardware`` the raw pattern
    arrives and sign and index are computed here (LUT Tensor Core: what offline remapping saves).
    Outputs ``lines`` (see :func:`line_bits`) and ``negative`` (half tables).
    """

    def __init__(self, p: WeightParameters) -> None:
        self.p = p
        members = {"index": In(p.index_bits), "active": In(1), "lines": Out(line_bits(p))}
        if p.has_sign:
            members["sign"] = In(1)
        if p.table == "half":
            members["negative"] = Out(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.p
        index: Value = self.index
        if p.table == "half":
            sign: Value
            if p.has_sign:
                sign = self.sign
            else:
                sign = ~self.index[p.K - 1]
                folded = Signal(p.K - 1)
                m.d.comb += folded.eq(self.index[:p.K - 1] ^ sign.replicate(p.K - 1))
                index = folded
            m.d.comb += self.negative.eq(sign & self.active)
        if p.select == "onehot":
            m.d.comb += self.lines.eq(Cat((index == i) & self.active for i in range(p.entries)))
        else:
            m.d.comb += self.lines.eq(Cat(index, self.active))
        return m


def read_entry(p: WeightParameters, lines: Value, entries: list[Value]) -> Value:
    """The entry that the read lines select, zero when inactive."""
    width = len(entries[0])
    if p.select == "onehot":
        result: Value = Const(0, width)
        for line, entry in zip(lines, entries, strict=True):
            result = result | (line.replicate(width) & entry)
        return result
    index = lines[:-1]
    return Mux(lines[-1], Array(entries)[index], 0)
