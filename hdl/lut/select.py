"""Selecting an entry of a table by a weight pattern; negation-free with half tables.

Negation-free select: a half table has only the sums with a positive last activation, and the
packer has folded every pattern to an index and a sign (``fold`` in
:mod:`lowbit.golden.lut.packing`, ``--negation offline``). So the index needs no logic here, and
only the selected value is negated, in the accumulator. ``--negation hardware`` folds the pattern
in the decoder.

Radix 3: a pattern is K trits, and what it reads is an entry, its negative, or nothing. Where
entries are in offset form (:mod:`..common.compressor`) nothing is a word as well, and has a line of
its own.

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
from lowbit.golden.lut.table import pattern_signs
from lowbit.golden.lut.table_parameters import clog2

from ..common.trit_decoder import NEGATIVE, NONZERO, TRIT_BITS

__all__ = ["PatternDecoder", "select_entry", "line_bits"]


def line_bits(p: WeightParameters) -> int:
    """Width of the read lines of one table: one per entry (and for nothing, see
    :class:`PatternDecoder`), or index and enable."""
    if p.select == "onehot":
        return p.entries + p.offset_entries * (p.radix == 3)
    return _index_bits(p) + 1


def _index_bits(p: WeightParameters) -> int:
    """Bits of the index of an entry; of radix 3 nothing comes behind the entries."""
    return clog2(p.entries + (p.radix == 3))


class PatternDecoder(wiring.Component):
    """One weight pattern to read lines and sign (combinational; one per column and group).

    ``pattern``: K bits. With offline negation the packer has already made them the index (low
    bits) and the sign (top bit); a full table takes the raw pattern as its index; with
    ``--negation hardware`` sign and index are computed here from the raw pattern (what the
    offline remapping of LUT Tensor Core saves). Radix 3: K trits of two bits. ``active`` gates the
    read. Outputs ``lines`` (see :func:`line_bits`; the one for nothing on top) and ``negative``
    (half tables).
    """

    def __init__(self, p: WeightParameters) -> None:
        self.parameters = p
        members = {"pattern": In(p.pattern_bits), "active": In(1), "lines": Out(line_bits(p))}
        if p.table == "half":
            members["negative"] = Out(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        if p.radix == 3:
            self._trits(m)
            return m
        index: Value = self.pattern
        if p.table == "half":
            index, sign = self.pattern[:-1], self.pattern[-1]
            if not p.has_sign:
                sign = ~sign
                if p.K > 1:
                    folded = Signal(p.K - 1)
                    m.d.comb += folded.eq(index ^ sign.replicate(p.K - 1))
                    index = folded
            m.d.comb += self.negative.eq(sign & self.active)
        if p.entries == 1:
            m.d.comb += self.lines.eq(self.active)
        elif p.select == "onehot":
            m.d.comb += self.lines.eq(Cat((index == i) & self.active for i in range(p.entries)))
        else:
            m.d.comb += self.lines.eq(Cat(index, self.active))
        return m

    def _trits(self, m: Module) -> None:
        """Each entry is read with its trits, or with all of them opposite."""
        p = self.parameters
        trits = [self.pattern.word_select(k, TRIT_BITS) for k in range(p.K)]
        counts = Signal(p.K)        # the activation counts
        m.d.comb += counts.eq(Cat(trit[NONZERO] for trit in trits))
        sign: Value = Const(0, 1)   # that of the first one that counts
        for trit in reversed(trits):
            sign = Mux(trit[NONZERO], trit[NEGATIVE], sign)
        first = Signal()
        m.d.comb += [first.eq(sign), self.negative.eq(first & self.active)]
        other: list[Value] = []     # the activation's sign is another one than the first
        for k, trit in enumerate(trits[1:], 1):
            differs = Signal(name=f"other_sign_{k}")
            m.d.comb += differs.eq(trit[NEGATIVE] ^ first)
            other.append(differs)
        reads: list[Value] = []
        for signs in pattern_signs(p.K, "half", 3).tolist():
            read: Value = counts == sum((s != 0) << k for k, s in enumerate(signs))
            for k in [k for k, s in enumerate(signs) if s][1:]:
                read = read & (other[k - 1] if signs[k] < 0 else ~other[k - 1])
            reads.append(read)
        if p.select == "onehot":
            lines = [read & self.active for read in reads]
            if p.offset_entries:
                lines.append(~counts.any() & self.active)
            m.d.comb += self.lines.eq(Cat(lines))
            return
        index = Signal(_index_bits(p), init=p.entries)
        for i, read in enumerate(reads):
            with m.If(read):
                m.d.comb += index.eq(i)
        m.d.comb += self.lines.eq(Cat(index, self.active))


def select_entry(m: Module, p: WeightParameters, lines: Value, entries: list[Value],
                 name: str) -> Value:
    """The entry that the read lines select, zero when inactive; ``name`` of a multiplexer."""
    width = len(entries[0])
    if p.radix == 3 and p.offset_entries:
        entries = [*entries, Const(1 << width - 1, width)]
    elif p.radix == 3 and p.select == "binary":
        entries = [*entries, Const(0, width)]
    if p.select == "onehot":
        result: Value = Const(0, width)
        for line, entry in zip(lines, entries, strict=True):
            result = result | (line.replicate(width) & entry)
        return result
    index = lines[:-1]
    if not len(index):
        return Mux(lines[-1], entries[0], 0)
    chosen: Value = Array(entries)[index]
    if p.radix == 3:
        named = Signal(width, name=name)
        m.d.comb += named.eq(chosen)
        chosen = named
    return Mux(lines[-1], chosen, 0)
