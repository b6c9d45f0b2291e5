"""One column of the direct core: decoders of its weights, and a cell for every row that adds the
products with the row's activations and accumulates."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.lut.direct_parameters import DirectFrame

from ..common.accumulator import SegmentedAccumulator
from ..common.adders import Adders
from ..common.digit_rows import DigitDecoder, multiple_bits, sum_of_products
from ..common.pipeline import register
from ..common.recode import IntegerRecoder
from ..common.shared import Shared
from .column import Chained, segments, value_bits

__all__ = ["DirectCell", "DirectColumn", "dot_products"]


def dot_products(m: Module, p: DirectFrame, lines: Value, negative: Value, entries: Value,
                 active: Value) -> tuple[Value, Value]:
    """The sum of a beat's products less a carry, and that carry (combinational); arguments as the
    ports of :class:`DirectCell`."""
    form, words = p.form, [entries.word_select(k, p.step_bits) for k in range(p.groups)]
    return sum_of_products(
        m, form, [lines.word_select(k, form.lines) for k in range(p.groups)],
        [negative.word_select(k, len(form.digits)) for k in range(p.groups)],
        [_multiples(p, word) for word in words], active, Adders(p.adder),
        [word[-1] for word in words] if p.magnitudes else None)


def _multiples(p: DirectFrame, word: Value) -> dict[int, Value]:
    found, low = {}, 0
    for multiple in p.form.multiples:
        high = low + multiple_bits(p.read_bits, multiple)
        found[multiple] = word[low:high]
        low = high
    return found


class DirectCell(Chained):
    """Products of a beat's weights and activations, summed and accumulated, for one output.

    ``lines``, ``negative``: those of :class:`~..common.digit_rows.DigitDecoder` for each weight,
    ``active``: the beat counts. ``entries``: the row's activations, each with its odd multiples
    (``p.step_bits``), signed, or magnitudes with a sign on top (``p.magnitudes``). The rest as in
    :class:`~.column.LutCell`. An idle cycle adds nothing. With ``pipeline`` 2 the sum of a beat is
    registered.
    """

    def __init__(self, p: DirectFrame) -> None:
        self.parameters = p
        members = {"lines": In(p.groups * p.form.lines),
                   "negative": In(p.groups * len(p.form.digits)), "active": In(1),
                   "first": In(1), "entries": In(p.groups * p.step_bits), "shift": In(1),
                   "chain": In(value_bits(p)), "value": Out(value_bits(p))}
        if p.buffer == "double":
            members["capture"] = In(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        assert isinstance(p, DirectFrame)
        total, carry = dot_products(m, p, self.lines, self.negative, self.entries,
                                    self.active)
        addend = Signal(len(total))
        m.d.comb += addend.eq(total)
        if p.pipeline == 2:
            addend = register(m, addend, "addend_at")
            carry = register(m, carry, "carry_at")
        self.finish(m, SegmentedAccumulator(m, segments(p), Adders(p.adder), addend, carry,
                                            self.before).value)
        return m


class DirectColumn(wiring.Component):
    """All rows of one weight column: ``weights`` are its port codes, or integers; ``entries`` (row,
    activation) as in :class:`DirectCell`; the rest as in :class:`~.column.LutColumn`."""

    def __init__(self, p: DirectFrame) -> None:
        self.parameters = p
        members = {"weights": In(p.groups * p.weight_bits), "active": In(1), "first": In(1),
                   "entries": In(p.M * p.groups * p.step_bits),
                   "shift": In(p.M), "chain": In(p.M * value_bits(p)),
                   "value": Out(p.M * value_bits(p))}
        if p.buffer == "double":
            members["capture"] = In(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        lines, negative = [], []
        for k in range(p.groups):
            m.submodules[f"decoder_{k}"] = decoder = Shared(DigitDecoder(p.form), "dot_decoder")
            code: Value = self.weights.word_select(k, p.weight_bits)
            if p.recodes:
                m.submodules[f"recoder_{k}"] = recoder = Shared(IntegerRecoder(p.form),
                                                                "dot_recoder")
                m.d.comb += recoder.value.eq(code)
                code = recoder.code
            m.d.comb += [decoder.active.eq(self.active), decoder.code.eq(code)]
            lines.append(decoder.lines)
            negative.append(decoder.negative)
        values = []
        for row in range(p.M):
            m.submodules[f"cell_{row}"] = cell = Shared(DirectCell(p), "dot_cell")
            m.d.comb += [cell.lines.eq(Cat(lines)), cell.negative.eq(Cat(negative)),
                         cell.active.eq(self.active), cell.first.eq(self.first),
                         cell.entries.eq(self.entries.word_select(row, p.groups * p.step_bits)),
                         cell.shift.eq(self.shift[row]),
                         cell.chain.eq(self.chain.word_select(row, value_bits(p)))]
            if p.buffer == "double":
                m.d.comb += cell.capture.eq(self.capture)
            values.append(cell.value)
        m.d.comb += self.value.eq(Cat(values))
        return m
