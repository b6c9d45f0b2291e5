"""One column of the core: a pattern decoder, and a cell (read, sign, accumulate) for every row."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.lut.parameters import LutCoreParameters

from ..common.accumulator import SegmentedAccumulator, Segments
from ..common.adders import Adders, adder_tree
from ..common.compressor import compress, compress_places
from ..common.fp_add import FpAdd
from ..common.fp_sum import FpSum
from ..common.pipeline import register
from ..common.shared import Shared
from .select import PatternDecoder, line_bits, select_entry

__all__ = ["Chained", "LutColumn", "LutCell", "segments", "value_bits"]


def segments(p: LutCoreParameters) -> Segments:
    """The carry chains of an integer accumulator."""
    return Segments(p.word_bits, p.segment_bits)


def value_bits(p: LutCoreParameters) -> int:
    """Bits that hold an accumulator: the word and its pending carries, or a float."""
    if p.is_float:
        assert p.acc_format is not None
        return p.acc_format.bits
    return segments(p).value_bits


class Chained(wiring.Component):
    """An output that leaves along its row: ports ``first``, ``shift``, ``chain``, ``value``,
    ``capture`` of :class:`LutCell`."""

    parameters: LutCoreParameters

    def before(self, value: Signal) -> Value:
        """What the adder adds to: the old value, nothing, or the next column's."""
        width = len(value)
        if self.parameters.buffer == "double":
            return value & (~self.first).replicate(width)
        keep = ~(self.first | self.shift)
        return (value & keep.replicate(width)) | (self.chain & self.shift.replicate(width))

    def finish(self, m: Module, total: Value) -> None:
        """``value`` from the accumulator."""
        if self.parameters.buffer == "double":
            held = Signal(len(total), reset_less=True)
            with m.If(self.capture):
                m.d.sync += held.eq(total)
            with m.Elif(self.shift):
                m.d.sync += held.eq(self.chain)
            total = held
        m.d.comb += self.value.eq(total)


class LutCell(Chained):
    """Read, sign and accumulate for one output.

    ``entries``: the row's tables after the plane step, ``groups`` x ``entries`` words. Every plane
    of a beat reads them with ``lines`` and signs of its own (plane, group), and counts twice as
    much as the one before. Integers
    arrive signed or, with ``offset_entries``, in offset form (:mod:`..common.compressor`), which
    makes them unsigned: the part of the accumulator above them is a counter, and the known offset
    is subtracted once, in the output lane. An inactive cycle reads zeros and changes nothing.
    Where the entries of a table have their lowest bit in common (``common_lsb``) they come
    without it, and the sum is one of halves: T = 2 V + ``odd``. Then -T = 2 (~V + 1 - odd) + odd,
    so only the carry depends on it here.
    With ``pipeline`` 2 the signed value is registered; ``first`` then belongs to the cycle of
    the accumulate.

    Results leave along the row, from column to column, while ``shift`` is set: ``chain`` is the
    next column's value. With one set of accumulators they move through the adders, which add
    nothing then; with two sets ``capture`` copies the accumulator into a register of its own.
    """

    def __init__(self, p: LutCoreParameters) -> None:
        self.parameters = p
        members = {"lines": In(p.reads * line_bits(p)), "first": In(1),
                   "entries": In(p.groups * p.entries * p.step_bits), "shift": In(1),
                   "chain": In(value_bits(p)), "value": Out(value_bits(p))}
        if p.table == "half":
            members["negative"] = In(p.reads)
            if p.common_lsb:
                members["odd"] = In(p.groups)
        if p.buffer == "double":
            members["capture"] = In(1)
        super().__init__(members)

    def _selected(self, m: Module) -> tuple[list[Value], list[Value]]:
        """Selected words and their signs, one per plane and group."""
        p = self.parameters
        width, lines = p.step_bits, line_bits(p)
        words: list[Value] = []
        for i in range(p.reads):
            table = self.entries.word_select(i % p.groups, p.entries * width)
            entries = [table.word_select(e, width) for e in range(p.entries)]
            word = Signal(width, name=f"selected_{i}")
            m.d.comb += word.eq(select_entry(m, p, self.lines.word_select(i, lines), entries,
                                             f"chosen_{i}"))
            words.append(word)
        signs = list(self.negative) if p.table == "half" else []
        return words, signs

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        words, signs = self._selected(m)
        if p.is_float:
            top = p.step_bits - 1
            words = [Cat(word[:top], word[top] ^ sign) for word, sign in
                     zip(words, signs, strict=True)] if signs else words
        elif signs:
            words = [word ^ sign.replicate(len(word))
                     for word, sign in zip(words, signs, strict=True)]
            if p.common_lsb:
                signs = [sign & ~self.odd[i % p.groups] for i, sign in enumerate(signs)]
        if p.pipeline == 2:
            words = [register(m, word, f"word_{g}") for g, word in enumerate(words)]
            signs = [register(m, sign, f"sign_{g}") for g, sign in enumerate(signs)]
        total = self._float_accumulator(m, words) if p.is_float else \
            self._integer_accumulator(m, words, signs)
        self.finish(m, total)
        return m

    def _integer_accumulator(self, m: Module, words: list[Value], signs: list[Value]) -> Signal:
        """-T is ~T + 1: the ones are carries into the sum."""
        p = self.parameters
        if p.offset_entries and p.parallel_planes == 1:
            addend, carry = compress(m, words, signs, Adders(p.adder))
        elif p.offset_entries:
            def places(values: list[Value]) -> dict[int, list[Value]]:
                return {plane: values[plane * p.groups:(plane + 1) * p.groups]
                        for plane in range(p.parallel_planes)}
            addend, carry = compress_places(m, places(words), places(signs), Adders(p.adder),
                                            name="plane", joined="with_plane")
        else:
            addend, carry = words[0].as_signed(), signs[0] if signs else Const(0, 1)
            if p.reads > 1:
                addend = Signal(signed(p.step_bits + (p.groups * p.plane_sum - 1).bit_length()))
                places_below = [Const(0, i // p.groups) for i in range(p.reads)]
                m.d.comb += addend.eq(adder_tree([
                    *(Cat(low, word).as_signed() for low, word in
                      zip(places_below, words, strict=True)),
                    *(Cat(low, sign) for low, sign in zip(places_below[1:], signs[1:],
                                                          strict=bool(signs)))]))
        return SegmentedAccumulator(m, segments(p), Adders(p.adder), addend, carry,
                                    self.before).value

    def _float_accumulator(self, m: Module, words: list[Value]) -> Signal:
        p = self.parameters
        fmt = p.acc_format
        assert fmt is not None
        term = words[0]
        if p.groups > 1 or fmt != p.table_float:
            low, high = p.table_window
            m.submodules.group_sum = group_sum = FpSum(
                p.table_float, p.groups, fmt, lsb=low, msb=high + p.w_bits - 1,
                adders=Adders(p.adder))
            m.d.comb += group_sum.operands.eq(Cat(words))
            term = group_sum.sum
        m.submodules.add = add = FpAdd(fmt, adders=Adders(p.adder))
        acc = Signal(fmt.bits, reset_less=True)
        m.d.comb += [add.a.eq(self.before(acc)), add.b.eq(term)]
        m.d.sync += acc.eq(add.sum)
        return acc


class LutColumn(wiring.Component):
    """All rows of one weight column.

    Weight side: ``patterns`` of the planes and groups, ``active``. Table side: ``entries`` of all
    rows (row, group, entry; row 0 lowest) and their common ``odd`` bits (row, group). Result side:
    ``shift`` of each row, ``chain`` from the next column and ``value`` to the one before, all
    rows; ``capture`` as in :class:`LutCell`.
    """

    def __init__(self, p: LutCoreParameters) -> None:
        self.parameters = p
        members = {"patterns": In(p.reads * p.pattern_bits), "active": In(1), "first": In(1),
                   "entries": In(p.M * p.groups * p.entries * p.step_bits),
                   "shift": In(p.M), "chain": In(p.M * value_bits(p)),
                   "value": Out(p.M * value_bits(p))}
        if p.table == "half" and p.common_lsb:
            members["odd"] = In(p.M * p.groups)
        if p.buffer == "double":
            members["capture"] = In(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        lines, negative = [], []
        for g in range(p.reads):
            m.submodules[f"decoder_{g}"] = decoder = Shared(PatternDecoder(p), "lut_decoder")
            m.d.comb += [decoder.active.eq(self.active),
                         decoder.pattern.eq(self.patterns.word_select(g, p.pattern_bits))]
            lines.append(decoder.lines)
            if p.table == "half":
                negative.append(decoder.negative)
        row_bits = p.groups * p.entries * p.step_bits
        values = []
        for row in range(p.M):
            m.submodules[f"cell_{row}"] = cell = Shared(LutCell(p), "lut_cell")
            m.d.comb += [cell.lines.eq(Cat(lines)), cell.first.eq(self.first),
                         cell.entries.eq(self.entries.word_select(row, row_bits)),
                         cell.shift.eq(self.shift[row]),
                         cell.chain.eq(self.chain.word_select(row, value_bits(p)))]
            if p.table == "half":
                m.d.comb += cell.negative.eq(Cat(negative))
                if p.common_lsb:
                    m.d.comb += cell.odd.eq(self.odd.word_select(row, p.groups))
            if p.buffer == "double":
                m.d.comb += cell.capture.eq(self.capture)
            values.append(cell.value)
        m.d.comb += self.value.eq(Cat(values))
        return m
