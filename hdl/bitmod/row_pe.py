"""The BitMoD PE of row-aligned activations (``--align row``): shifts, one adder tree, one adder.

All activations of a row and group are integers of one unit, so a term adds an activation shifted
by its power of two, and nothing is aligned, normalised or cut. The tree adds words in offset form
(:mod:`..common.compressor`): a lane's magnitude t of n bits enters as 2**n + t, or as 2**n - 1 - t
and a carry where it is negative. With ``--olive`` the sum of a pair of lanes may enter the tree
eightfold. Contract: docs/numerics.md, section 7; widths: :mod:`lowbit.golden.bitmod.pe_parameters`.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.pe_parameters import MAX_TERM_EXPONENT, WIDE, BitmodPeParameters

from ..common.adders import Adders
from ..common.compressor import compress, filled, offset_form
from ..common.pipeline import delayed
from ..common.struct import StructComponent
from .accumulate import GroupSum
from .streams import TERM_BITS

__all__ = ["PLACE", "ROW_TERM", "DecodeRowTerm", "RowPe", "place_of", "row_activation", "two_more",
           "wide_bits"]

#: (-1)**negative * (once + 2 * twice) * (4 if fourfold else 1) of a lane. Two steps of a choice
#: are smaller in standard cells than one of four.
ROW_TERM = StructLayout({"negative": 1, "once": 1, "twice": 1, "fourfold": 1})
#: Place at which the sum of a cycle enters the accumulator: 0, or 1 or 4 higher. FP types, whose
#: unit is half that of the activations: bsig -1, bsig 0. Integers: bsig 0 or 2, bsig 4 or 6; Booth
#: digits 1 and 3, of bsig 2 and 6, are fourfold terms.
PLACE = StructLayout({"one": 1, "four": 1})


def row_activation(p: BitmodPeParameters) -> StructLayout:
    """An activation as the PE takes it."""
    return StructLayout({"magnitude": p.align_bits, "negative": 1})


def wide_bits(p: BitmodPeParameters) -> int:
    """Bits of ``wide`` beside the terms: one of each pair of lanes, with ``--olive``."""
    return p.lanes // 2 * p.olive


def place_of(bsig: Value, floating: Value) -> Value:
    """:data:`PLACE` of a cycle."""
    return Cat(floating & ~bsig[0], ~floating & bsig[2])


def two_more(bsig: Value) -> Value:
    """Whether a cycle's terms have two more in their exp: bsig 2 or 6, exp 0 or 1."""
    return bsig[1] & ~bsig[3]


class DecodeRowTerm(StructComponent):
    """A ``term`` of the term generator (sign lowest, exp, man): ``decoded`` (:data:`ROW_TERM`),
    nothing unless ``enable``; ``two_more``: see :func:`two_more`. A column of PEs shares it.
    Combinational.
    """

    def __init__(self) -> None:
        super().__init__({"term": In(TERM_BITS), "two_more": In(1), "enable": In(1),
                          "decoded": Out(ROW_TERM)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        there = Signal()
        m.d.comb += [there.eq(self.term[3] & self.enable), self.decoded.negative.eq(self.term[0]),
                     self.decoded.once.eq(there & ~self.term[1]),
                     self.decoded.twice.eq(there & self.term[1]),
                     self.decoded.fourfold.eq(self.term[2] | self.two_more)]
        return m


class RowPe(StructComponent):
    """The PE of an array, behind the aligners of its row and the decoders of its column.

    Ports: ``activations`` and ``terms`` (lanes of :func:`row_activation` and :data:`ROW_TERM`,
    lane 0 lowest, on top of the terms :func:`wide_bits`), ``place`` (:data:`PLACE`), ``clear``
    (this cycle starts a group),
    ``total`` (:class:`.accumulate.GroupSum`: an integer). A cycle without a term changes nothing.
    Latency: that of ``p`` in clock edges.
    """

    def __init__(self, p: BitmodPeParameters) -> None:
        self.parameters = p
        super().__init__({"activations": In(p.lanes * row_activation(p).size),
                          "terms": In(p.lanes * ROW_TERM.size + wide_bits(p)), "place": In(PLACE),
                          "clear": In(1), "total": Out(GroupSum(p).layout)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        adders = Adders(p.adder)
        words, carries = self._words(m)
        there = p.registers("aligned")
        words = [delayed(m, word, there, f"word_{i}") for i, word in enumerate(words)]
        carries = [delayed(m, bit, there, f"carry_{i}") for i, bit in enumerate(carries)]
        place = delayed(m, self.place, there, "place_tree")
        if p.olive:
            wide = delayed(m, self.terms[-wide_bits(p):], there, "wide_tree")
            words, carries = self._pairs(m, adders, words, carries, wide)
        total, carry = self._tree(m, adders, words, carries)
        there = p.registers("sum")
        total = delayed(m, total, there, "sum")
        carry = delayed(m, carry, there, "carried")
        place = delayed(m, place, there, "place_sum")
        clear = delayed(m, self.clear, p.pipeline, "clear_at")

        # The carry that the tree has no adder for: with ones below the sum's place it gets there.
        bits = len(self.total.word)
        sign = Signal(name="sum_sign")
        m.d.comb += sign.eq(total[-1])
        higher = Signal(len(total) + 1, name="placed_0_1")
        placed = Signal(len(total) + 4, name="placed")
        m.d.comb += [
            higher.eq(Mux(place.one, Cat(carry, total), Cat(total, sign))),
            placed.eq(Mux(place.four, Cat(carry.replicate(4), total),
                          Cat(higher, sign.replicate(3))))]
        entered = Signal(bits, name="entered")
        # pairs in a small --max-group may have a sum of more bits: the accumulator wraps around
        m.d.comb += entered.eq(Cat(placed, sign.replicate(max(0, bits - len(placed))))[:bits])
        old = self.total.word.as_unsigned() & (~clear).replicate(bits)
        added, _ = adders.add(m, old, entered, carry, name="add")
        word = Signal(bits, name="word", reset_less=True)
        m.d.sync += word.eq(added)
        m.d.comb += self.total.word.eq(word)
        return m

    def _words(self, m: Module) -> tuple[list[Value], list[Value]]:
        """Shifted activations in offset form, and the carry of each."""
        p = self.parameters
        activation = row_activation(p)
        bits = p.align_bits + MAX_TERM_EXPONENT
        words: list[Value] = []
        carries: list[Value] = []
        for i in range(p.lanes):
            a = activation(self.activations.word_select(i, activation.size))
            term = ROW_TERM(self.terms.word_select(i, ROW_TERM.size))
            negative = Signal(name=f"negative_{i}")
            m.d.comb += negative.eq(a.negative ^ term.negative)
            multiple = Signal(p.align_bits + 2, name=f"multiple_{i}")
            magnitude = Signal(bits, name=f"shifted_{i}")
            m.d.comb += [
                multiple.eq(Mux(term.fourfold, Cat(Const(0, 2), a.magnitude),
                              Cat(a.magnitude, Const(0, 2)))),
                magnitude.eq((multiple & term.once.replicate(bits - 1))
                             | Cat(Const(0, 1), multiple & term.twice.replicate(bits - 1)))]
            words.append(Cat(magnitude, Const(1, 1)) ^ negative.replicate(bits + 1))
            carries.append(negative)
        return words, carries

    def _pairs(self, m: Module, adders: Adders, words: list[Value], carries: list[Value],
               wide: Value) -> tuple[list[Value], list[Value]]:
        """Sums of pairs of lanes in offset form, as they are or eightfold, and a carry of each."""
        sums: list[Value] = []
        left: list[Value] = []
        for i in range(0, len(words), 2):
            total, carry = compress(m, words[i:i + 2], carries[i:i + 2], adders, name=f"pair_{i}")
            signed = offset_form(total)
            # the carry left over is one in the last place, of an eightfold sum eight
            placed = Signal(len(signed) + WIDE, name=f"pair_{i}_placed")
            m.d.comb += placed.eq(Mux(wide[i // 2], Cat(carry.replicate(WIDE), signed),
                                      Cat(signed, signed[-1].replicate(WIDE))))
            sums.append(offset_form(placed))
            left.append(carry)
        return sums, left

    def _tree(self, m: Module, adders: Adders, words: list[Value],
              carries: list[Value]) -> tuple[Value, Value]:
        """(sum less one carry, that carry): two's complement."""
        # which adder takes whose carry is free: of the orders this one maps to the smallest PE
        half = len(carries) // 2
        total, carry = compress(m, filled(words), carries[half:] + carries[:half], adders)
        return offset_form(total), carry
