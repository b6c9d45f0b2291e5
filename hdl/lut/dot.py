"""One combinational LUT dot product: the unit that the papers count, and that SAT proves."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import LutDotParameters

from ..common.adders import Adders
from ..common.fp_sum import FpSum
from .entries import AlignActivation, TableEntries, term_bits
from .read import PatternDecoder, read_entry
from .streams import table_notes

__all__ = ["LutDot"]


class LutDot(wiring.Component):
    """``dot`` = sum of +-a over K activations, by a table read.

    ``values``: K activations (``--table-source internal``), or ``entries``: the stored table.
    ``patterns`` as in the core's weight stream. ``dot``: a signed integer of
    ``p.dot_bits`` bits, or a float code. Aligned: ``exponent`` is the shared exponent field.
    """

    def __init__(self, p: LutDotParameters) -> None:
        self.parameters = p
        members = {"patterns": In(p.groups * p.K)}
        if p.table_source == "internal":
            members["values"] = In(p.groups * p.K * p.activation.bits)
            if p.is_aligned:
                members["exponent"] = In(p.exponent_bits)
            if p.activation.is_float:
                members["invalid"] = Out(1)
        else:
            members["entries"] = In(p.groups * p.entries * p.entry_bits)
        members["dot"] = Out(p.dot_bits)
        super().__init__(members)

    def port_notes(self) -> dict[str, str]:
        """Meaning and packing of the ports, for the manifest."""
        p = self.parameters
        notes = table_notes(p, 1)
        kind = p.table_float.name if p.is_float else "two's complement"
        every = {"patterns": f"{p.groups} patterns of {p.K} bits, group 0 lowest; "
                + ("index below, sign on top" if p.has_sign else "raw pattern"),
                "values": notes["activation_values"], "entries": notes["table_entries"],
                "exponent": "shared exponent field of the activations",
                "invalid": "an activation is infinite or NaN", "dot": f"signed sum, {kind}"}
        return {name: note for name, note in every.items() if name in self.signature.members}

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        words = self._table(m)
        terms: list[Value] = []
        for g in range(p.groups):
            m.submodules[f"decoder_{g}"] = decoder = PatternDecoder(p)
            m.d.comb += [decoder.active.eq(1),
                         decoder.pattern.eq(self.patterns.word_select(g, p.K))]
            word = read_entry(p, decoder.lines, words[g * p.entries:(g + 1) * p.entries])
            negative: Value = decoder.negative if p.table == "half" else Const(0, 1)
            if p.is_float:
                terms.append(Cat(word[:-1], word[-1] ^ negative))
            elif p.table == "half":
                terms.append((word.as_signed() ^ negative.as_signed()) + negative)
            else:
                terms.append(word.as_signed())
        if p.is_float and p.groups > 1:
            m.submodules.group_sum = group_sum = FpSum(
                p.table_float, p.groups, p.table_float, lsb=p.table_window[0],
                msb=p.table_window[1], adders=Adders(p.adder))
            m.d.comb += [group_sum.operands.eq(Cat(terms)), self.dot.eq(group_sum.sum)]
        else:
            total: Value = terms[0]
            for term in terms[1:]:
                total = total + term
            m.d.comb += self.dot.eq(total)
        return m

    def _table(self, m: Module) -> list[Value]:
        """Stored entries of all groups."""
        p = self.parameters
        if p.table_source == "external":
            return [self.entries.word_select(i, p.entry_bits)
                    for i in range(p.groups * p.entries)]
        terms, finite = [], []
        for i in range(p.groups * p.K):
            word = self.values.word_select(i, p.activation.bits)
            if isinstance(p.activation, FloatFormat):
                m.submodules[f"align_{i}"] = align = AlignActivation(p)
                m.d.comb += align.code.eq(word)
                if p.is_aligned:
                    m.d.comb += align.exponent.eq(self.exponent)
                finite.append(align.finite)
                word = align.term
            terms.append(word)
        if finite:
            m.d.comb += self.invalid.eq(~Cat(finite).all())
        words = []
        width = p.K * term_bits(p)
        for g in range(p.groups):
            m.submodules[f"table_{g}"] = table = TableEntries(p)
            m.d.comb += table.terms.eq(Cat(terms).word_select(g, width))
            words += [table.entries.word_select(e, p.entry_bits) for e in range(p.entries)]
        return words
