"""Products of a processing element, added to what it has: digits, rows, one tree, short chains."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Value

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.accumulator import Segments
from ..common.adders import Adders
from ..common.bit_columns import BitColumns
from ..common.compressor import offset_form
from ..common.digit_rows import DigitDecoder, digit_row
from ..common.recode import IntegerRecoder

__all__ = ["add_products", "segments"]


def segments(p: SystolicParameters) -> Segments:
    """The carry chains of a sum."""
    return Segments(p.acc_bits, p.segment_bits)


def add_products(m: Module, p: SystolicParameters, weights: Value, activations: Value,
                 before: Value) -> Value:
    """``before`` plus the products of ``p.dot`` weights and activations, as values of
    :class:`~..common.accumulator.Segments`, and ``p.beat_offset`` too large. Combinational."""
    columns = BitColumns(m, p.acc_bits)
    # the earliest first: what is there longest is added up first
    columns.add(0, before[:p.acc_bits])
    if p.segment == 1:
        columns.add(1, before[p.acc_bits:])
    for i in range(p.dot):
        code = weights.word_select(i, p.moved_bits)
        if p.encode == "pe":
            m.submodules[f"recoder_{i}"] = recoder = IntegerRecoder(p.form)
            m.d.comb += recoder.value.eq(code)
            code = recoder.code
        m.submodules[f"decoder_{i}"] = decoder = DigitDecoder(p.form)
        m.d.comb += [decoder.code.eq(code), decoder.active.eq(1)]
        # digits are powers of two: no multiple is needed
        activation = {1: activations.word_select(i, p.a_bits)}
        low = 0
        for j, digit in enumerate(p.form.digits):
            lines = decoder.lines[low:low + len(digit.choices)]
            low += len(digit.choices)
            row = digit_row(m, digit, list(lines), decoder.negative[j], activation,
                            f"row_{i}_{j}")
            columns.add(digit.low_shift, offset_form(row))
            columns.add(digit.low_shift, decoder.negative[j])
    return _settled(m, p, columns, before[p.acc_bits:])


def _settled(m: Module, p: SystolicParameters, columns: BitColumns, pending: Value) -> Value:
    """The bits that are left after the tree, each chain's added up."""
    chains, adders = segments(p), Adders(p.adder)
    if p.segment == 1:
        columns.reduce(first=1)
        words = [Cat(bits[i] if i < len(bits) else Const(0, 1) for bits in columns.bits)
                 for i in range(2)]
        return Cat(words[0], words[1][1:])
    # the first chain has a place for a carry
    columns.reduce(first=3)
    entering = columns.bits[0][2] if len(columns.bits[0]) > 2 else Const(0, 1)
    sums: list[Value] = []
    carries: list[Value] = []
    for chain, low in enumerate(chains.starts):
        places = columns.bits[low:low + p.segment_bits]
        carry: Value = pending[chain - 1] if chain else entering
        # above the tree the carry alone travels
        cut = max((i + 1 for i, bits in enumerate(places) if len(bits) > 1), default=0)
        a, b = (Cat(bits[i] if i < len(bits) else Const(0, 1) for bits in places)
                for i in range(2))
        if cut and adders.form == "ripple":
            part, carry = adders.add(m, a[:cut], b[:cut], carry, name=f"add_{low}")
            sums.append(part)
        if adders.form == "operator":
            part, carry = adders.add(m, b, a, carry, name=f"add_{low}")
            sums.append(part)
        elif cut < len(places):
            part, carry = adders.increment(m, a[cut:], carry, name=f"count_{low + cut}")
            sums.append(part)
        carries.append(carry)
    return Cat(*sums, *carries[:-1])
