"""The exponent of a row: found by a scan over its activations, or given and then checked."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import ReductionParameters
from lowbit.golden.lut.row_scaled import RowScale

from ..common.adders import adder_tree
from ..common.lzc import count_leading_zeros, shift_right_sticky

__all__ = ["ExponentScan", "SumCheck"]


def _scale(p: ReductionParameters) -> RowScale:
    scale = p.row_scale
    assert isinstance(scale, RowScale)
    return scale


class ExponentScan(Component):
    """The least exponent at which a row surely fits (docs/numerics.md, section 4).

    A scanned beat adds the magnitudes of its activations, a few bits of each below the largest
    exponent so far, everything rounded up, to the sum of the row and to that of its largest table.

    Ports: ``codes`` of a beat of the row (groups, K), without signs; ``scan``: it counts;
    ``restart``: the row is over, after this beat where there is one; the next scan starts anew.
    ``exponent`` follows from the registers: a cycle after a beat.
    """

    def __init__(self, p: ReductionParameters) -> None:
        self.parameters = p
        super().__init__({"codes": In(p.groups * p.K * (p.activation.bits - 1)), "scan": In(1),
                          "restart": In(1), "exponent": Out(p.exponent_bits)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        scale, fmt = _scale(p), p.activation
        assert isinstance(fmt, FloatFormat)
        sum_bits = (p.max_tables * p.K << scale.scan_bits).bit_length()
        table_bits = (p.K << scale.scan_bits).bit_length()
        # data needs no reset: a row's first beat takes none of it
        fresh = Signal(init=1)
        largest = Signal(fmt.ebits, reset_less=True)
        total = Signal(sum_bits, reset_less=True)
        table = Signal(table_bits, reset_less=True)
        largest_before = Signal(fmt.ebits)
        total_before = Signal(sum_bits)
        table_before = Signal(table_bits)
        m.d.comb += [largest_before.eq(Mux(fresh, 1, largest)),
                     total_before.eq(Mux(fresh, 0, total)),
                     table_before.eq(Mux(fresh, 0, table))]

        words, places = [], []
        for i in range(p.groups * p.K):
            code = self.codes.word_select(i, fmt.bits - 1)
            fraction, field = code[:fmt.mbits], code[fmt.mbits:]
            normal = field.any()
            special = field.all() & fraction.all() if fmt.fn else field.all()
            word = Signal(scale.scan_bits, name=f"word_{i}")
            place = Signal(fmt.ebits, name=f"place_{i}")
            m.d.comb += [
                word.eq(Mux(special, 0, Cat(Const(0, scale.scan_bits - fmt.precision), fraction,
                                            normal))),
                place.eq(Mux(special, 1, Cat(field[0] | ~normal, field[1:])))]
            words.append(word)
            places.append(place)
        top = _largest(m, [largest_before, *places], "top")
        ones = []
        for g in range(p.groups):
            one = Signal(table_bits, name=f"table_{g}")
            m.d.comb += one.eq(adder_tree([
                _shifted_up(m, words[i], top - places[i], f"below_{i}")
                for i in range(g * p.K, (g + 1) * p.K)]))
            ones.append(one)
        moved = Signal(fmt.ebits)
        m.d.comb += moved.eq(top - largest_before)
        more = Signal(sum_bits)
        m.d.comb += more.eq(_shifted_up(m, total_before, moved, "moved_total") + adder_tree(ones))
        highest = _largest(m, [_shifted_up(m, table_before, moved, "moved_table"), *ones],
                           "highest")
        with m.If(self.restart | self.scan):
            m.d.sync += fresh.eq(self.restart)
        with m.If(self.scan):
            m.d.sync += [largest.eq(top), total.eq(more), table.eq(highest)]

        most = Signal(range(scale.reach((1 << sum_bits) - 1) + 1))
        m.d.comb += most.eq(scale.reach(total))
        # how far each of the two lets the exponent of the scan's unit stay below
        entry = _length(m, table, scale.entry_room, "entry") - (scale.entry_bits - 1)
        acc = _length(m, most, scale.acc_room, "acc") - (scale.acc_bits - 1)
        above = Mux(entry > acc, entry, acc)
        found = largest - scale.scan_unit + above
        exact = Signal(found.shape())
        m.d.comb += [exact.eq(found), self.exponent.eq(Mux(exact < 0, 0, exact))]
        return m


class SumCheck(Component):
    """Whether a given exponent is too small for the accumulators: some weights would overflow.

    Ports: ``magnitudes`` of a beat's activations (groups, K; without sign), ``first`` beat of a
    row, ``take``: the beat counts. ``over``: with this beat, or before it since the row's first.
    """

    def __init__(self, p: ReductionParameters) -> None:
        self.parameters = p
        super().__init__({"magnitudes": In(p.groups * p.K * _scale(p).term_bits), "first": In(1),
                          "take": In(1), "over": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        scale = _scale(p)
        ones = []
        for g in range(p.groups):
            terms = [self.magnitudes.word_select(i, scale.term_bits)
                     for i in range(g * p.K, (g + 1) * p.K)]
            exact = Signal((p.K << scale.term_bits).bit_length(), name=f"exact_{g}")
            guard = scale.guard_bits
            m.d.comb += exact.eq(adder_tree(terms))
            up = exact[guard - 1] & (exact[:guard - 1].any() | exact[guard]) if guard else 0
            ones.append(exact[guard:] + up)
        total = Signal(scale.total_limit.bit_length(), reset_less=True)
        was_over = Signal(reset_less=True)
        more = Signal(range(p.groups * (p.K << scale.entry_bits) + (1 << len(total))))
        m.d.comb += [more.eq(Mux(self.first, 0, total) + adder_tree(ones)),
                     self.over.eq((more > scale.total_limit) | (was_over & ~self.first))]
        with m.If(self.take):
            m.d.sync += [total.eq(more), was_over.eq(self.over)]
        return m


def _shifted_up(m: Module, word: Value, amount: Value, name: str) -> Value:
    """``word / 2**amount``, rounded up."""
    shifted, sticky = shift_right_sticky(m, word, amount, name=name)
    # the shifter's sticky says "something" for a zero word that is moved far
    return shifted + (sticky & word.any())


def _length(m: Module, value: Signal, room: int, name: str) -> Value:
    """Bits of ``value`` enlarged by its part ``2**-room``, and by one."""
    bits = len(value) + 1
    # a count of a power of two of bits would not look at the lowest one
    word = Signal(bits + (bits & bits - 1 == 0), name=f"{name}_enlarged")
    part = value >> room if room < len(value) else Const(0, 1)
    m.d.comb += word.eq(value + part + 1)
    zeros, _ = count_leading_zeros(m, word, name=f"{name}_zeros")
    return len(word) - zeros


def _largest(m: Module, values: list[Value], name: str) -> Value:
    """The largest of unsigned values, by a tree of comparators; every choice has a name, since
    an unnamed one would be written out wherever it is used, exponentially often."""
    level = 0
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        chosen: list[Value] = []
        for i, (a, b) in enumerate(pairs):
            larger = Signal(max(len(a), len(b)), name=f"{name}_{level}_{i}")
            m.d.comb += larger.eq(Mux(b > a, b, a))
            chosen.append(larger)
        values = chosen + values[len(values) & ~1:]
        level += 1
    return values[0]
