"""One combinational LUT dot product: the unit that the papers count, and that SAT proves."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import LutDotParameters
from lowbit.golden.timing import Timing

from ..common.adders import Adders
from ..common.design import Design
from ..common.field import Field, flag
from ..common.fp_sum import FpSum
from .align import AlignActivation, term_bits
from .half_table import HalfTable
from .select import PatternDecoder, select_entry
from .streams import activation_values, table_entries, weight_patterns

__all__ = ["LutDot"]


class LutDot(Design[LutDotParameters]):
    """``dot`` = sum of +-a over K activations (radix 3: or 0), by a table read.

    ``values``: K activations (``--table-source internal``), or ``entries``: the stored table.
    ``patterns`` as in the core's weight stream; with several planes ``dot`` is the sum of theirs,
    plane p counting 2**p. ``dot``: a signed integer of
    ``p.dot_bits`` bits, or a float code. Aligned: ``exponent``, ``saturated`` where it is too
    small.
    """

    def __init__(self, p: LutDotParameters) -> None:
        members = {"patterns": In(weight_patterns(p, 1))}
        if p.table_source == "internal":
            members["values"] = In(activation_values(p, 1))
            if p.is_aligned:
                members["exponent"] = In(Field(
                    p.exponent_bits, "exponent: an entry t means t * 2**(exponent"
                    f"{p.exponent_offset:+d})", name="unsigned"))
                members["saturated"] = Out(flag("the exponent is too small"))
            if p.activation.is_float:
                members["invalid"] = Out(flag("an activation is infinite or NaN"))
        else:
            members["entries"] = In(table_entries(p, 1))
        members["dot"] = Out(Field(p.table_float, "sum") if p.is_float else
                             Field(p.dot_bits, "sum", name=f"int{p.dot_bits}", signed=True))
        super().__init__(p, members)

    def timing(self) -> Timing:
        return Timing(0, 1, "operands to dot, combinational")

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        words = self._table(m)
        terms: list[Value] = []
        patterns = self.patterns.as_value()
        for i in range(p.reads):
            plane, g = divmod(i, p.groups)
            m.submodules[f"decoder_{i}"] = decoder = PatternDecoder(p)
            m.d.comb += [decoder.active.eq(1),
                         decoder.pattern.eq(patterns.word_select(i, p.pattern_bits))]
            word = select_entry(m, p, decoder.lines, words[g * p.entries:(g + 1) * p.entries],
                                f"chosen_{i}")
            negative: Value = decoder.negative if p.table == "half" else Const(0, 1)
            if p.is_float:
                terms.append(Cat(word[:-1], word[-1] ^ negative))
            elif p.table == "half":
                terms.append((word.as_signed() ^ negative.as_signed()) + negative << plane)
            else:
                terms.append(word.as_signed() << plane)
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
            return [self.entries[0][g][e].as_unsigned()
                    for g in range(p.groups) for e in range(p.entries)]
        terms, finite, saturated = [], [], []
        for i in range(p.groups * p.K):
            word: Value = self.values[0][i // p.K][i % p.K]
            if isinstance(p.activation, FloatFormat):
                m.submodules[f"align_{i}"] = align = AlignActivation(p)
                m.d.comb += align.code.eq(word)
                if p.is_aligned:
                    m.d.comb += align.top.eq(self.exponent + p.row_scale.top)
                    saturated.append(align.clipped)
                finite.append(align.finite)
                word = align.term
            terms.append(word)
        if finite:
            m.d.comb += self.invalid.eq(~Cat(finite).all())
        words = []
        width = p.K * term_bits(p)
        for g in range(p.groups):
            m.submodules[f"table_{g}"] = table = HalfTable(p)
            m.d.comb += table.terms.eq(Cat(terms).word_select(g, width))
            if p.can_saturate:
                saturated.append(table.saturated)
            words += [table.entries.word_select(e, p.entry_bits) for e in range(p.entries)]
        if saturated:
            m.d.comb += self.saturated.eq(Cat(saturated).any())
        return words
