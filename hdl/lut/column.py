"""One column of the core: a pattern decoder, and a cell (read, sign, accumulate) for every row."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.lut.parameters import LutCoreParameters

from ..common.adders import adder_tree
from ..common.fp_add import FpAdd
from ..common.fp_sum import FpSum
from ..common.unit import Unit
from .accumulator import SegmentedAccumulator, segment_starts
from .read import PatternDecoder, line_bits, read_entry

__all__ = ["LutColumn", "LutCell", "value_bits", "step_bits"]


def step_bits(p: LutCoreParameters) -> int:
    """Bits of an entry after the plane step, as the cells read it."""
    return p.entry_bits if p.is_float else p.scaled_bits


def value_bits(p: LutCoreParameters) -> int:
    """Bits that hold an accumulator: the word and its pending carries, or a float."""
    if p.is_float:
        assert p.acc_format is not None
        return p.acc_format.bits
    return p.acc_bits + len(segment_starts(p)) - 1


class LutCell(wiring.Component):
    """Read, sign and accumulate for one output.

    ``entries``: the row's tables after the plane step, ``groups`` x ``entries`` words. Integers
    arrive offset by half their range (top bit inverted), which makes them unsigned: the part of
    the accumulator above them is a counter, and the known offset is subtracted once, in the
    output lane. An inactive cycle reads zeros and changes nothing.
    With ``pipeline`` 2 the signed value is registered; ``first`` then belongs to the cycle of
    the accumulate.
    """

    def __init__(self, p: LutCoreParameters) -> None:
        self.parameters = p
        members = {"lines": In(p.groups * line_bits(p)), "first": In(1),
                   "entries": In(p.groups * p.entries * step_bits(p)), "value": Out(value_bits(p))}
        if p.table == "half":
            members["negative"] = In(p.groups)
        super().__init__(members)

    def _selected(self, m: Module) -> tuple[list[Value], list[Value]]:
        """Selected words and their signs, one per group."""
        p = self.parameters
        width, lines = step_bits(p), line_bits(p)
        words: list[Value] = []
        for g in range(p.groups):
            table = self.entries.word_select(g, p.entries * width)
            entries = [table.word_select(e, width) for e in range(p.entries)]
            word = Signal(width, name=f"selected_{g}")
            m.d.comb += word.eq(read_entry(p, self.lines.word_select(g, lines), entries))
            words.append(word)
        signs = list(self.negative) if p.table == "half" else []
        return words, signs

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        words, signs = self._selected(m)
        if p.is_float:
            top = step_bits(p) - 1
            words = [Cat(word[:top], word[top] ^ sign) for word, sign in
                     zip(words, signs, strict=True)] if signs else words
        elif signs:
            words = [word ^ sign.replicate(len(word))
                     for word, sign in zip(words, signs, strict=True)]
        if p.pipeline == 2:
            words = [self._register(m, word, f"word_{g}") for g, word in enumerate(words)]
            signs = [self._register(m, sign, f"sign_{g}") for g, sign in enumerate(signs)]
        if p.is_float:
            self._accumulate_float(m, words)
        else:
            # -T is ~T + 1: the ones are carries into the sum
            addend = Signal(p.scaled_bits + (p.groups - 1).bit_length())
            m.d.comb += addend.eq(adder_tree([*words, *signs[1:]]))
            total = SegmentedAccumulator(m, p, addend if p.groups > 1 else words[0],
                                         signs[0] if signs else Cat(0)[0], self.first)
            m.d.comb += self.value.eq(total.value)
        return m

    @staticmethod
    def _register(m: Module, value: Value, name: str) -> Signal:
        register = Signal(len(value), name=name, reset_less=True)
        m.d.sync += register.eq(value)
        return register

    def _accumulate_float(self, m: Module, words: list[Value]) -> None:
        p = self.parameters
        fmt = p.acc_format
        assert fmt is not None
        term = words[0]
        if p.groups > 1 or fmt != p.table_float:
            m.submodules.group_sum = group_sum = FpSum(
                p.table_float, p.groups, fmt, lsb=p.table_window[0],
                msb=p.table_window[1] + p.w_bits - 1)
            m.d.comb += group_sum.operands.eq(Cat(words))
            term = group_sum.sum
        m.submodules.add = add = FpAdd(fmt)
        acc = Signal(fmt.bits, reset_less=True)
        m.d.comb += [add.a.eq(acc & (~self.first).replicate(fmt.bits)), add.b.eq(term),
                     self.value.eq(acc)]
        m.d.sync += acc.eq(add.sum)


class LutColumn(wiring.Component):
    """All rows of one weight column.

    Weight side: ``patterns`` of the groups, ``active``. Table side: ``entries`` of all rows
    (row, group, entry; row 0 lowest). Results: ``value``, the accumulators of all rows, zero
    unless ``read`` is set, so that the core reads any column by an OR over columns. With
    ``--buffer double``, ``capture`` copies the accumulators into the set that is read.
    """

    def __init__(self, p: LutCoreParameters) -> None:
        self.parameters = p
        members = {"patterns": In(p.groups * p.K), "active": In(1), "first": In(1),
                   "entries": In(p.M * p.groups * p.entries * step_bits(p)),
                   "read": In(1), "value": Out(p.M * value_bits(p))}
        if p.buffer == "double":
            members["capture"] = In(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        lines, negative = [], []
        for g in range(p.groups):
            m.submodules[f"decoder_{g}"] = decoder = Unit(PatternDecoder(p), "lut_decoder")
            m.d.comb += [decoder.active.eq(self.active),
                         decoder.pattern.eq(self.patterns.word_select(g, p.K))]
            lines.append(decoder.lines)
            if p.table == "half":
                negative.append(decoder.negative)
        row_bits = p.groups * p.entries * step_bits(p)
        values: list[Value] = []
        for row in range(p.M):
            m.submodules[f"cell_{row}"] = cell = Unit(LutCell(p), "lut_cell")
            m.d.comb += [cell.lines.eq(Cat(lines)), cell.first.eq(self.first),
                         cell.entries.eq(self.entries.word_select(row, row_bits))]
            if p.table == "half":
                m.d.comb += cell.negative.eq(Cat(negative))
            values.append(cell.value)
        result: Value = Cat(values)
        if p.buffer == "double":
            held = Signal(len(result), reset_less=True)
            with m.If(self.capture):
                m.d.sync += held.eq(result)
            result = held
        m.d.comb += self.value.eq(result & self.read.replicate(len(result)))
        return m
