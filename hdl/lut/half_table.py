"""The half table: K activations to all signed sums, exactly, then in table format.

Radix 2, weights of plus and minus:

Negating all signs negates a sum. So half of them are stored, 2**(K-1), those in which the last
activation is positive; whoever reads the table negates the value instead (:mod:`.select`). With
``--table full`` all 2**K are stored.

Sums share their halves: for K = 4, twelve adders make eight entries (a0 +- a1, a3 +- a2, then one
adder an entry).

Radix 3, weights that may be 0 as well: (3**K - 1) / 2 sums, those whose first activation that
counts has a plus (:func:`~lowbit.golden.lut.table.pattern_signs`); nothing needs no entry. A sum is
another one and its last activation, so each takes an adder at most.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import LutParameters
from lowbit.golden.lut.table import pattern_signs

from ..common.adders import Adders
from ..common.normalize import FixedToFloat
from .align import term_bits

__all__ = ["HalfTable"]


class HalfTable(wiring.Component):
    """K signed terms to the stored sums of one table, half of them or all (combinational).

    ``terms``: K words of :func:`.align.term_bits`; ``entries``: ``p.entries`` words of
    ``p.entry_bits``. ``saturated``, where that can be: an entry is beyond them.
    """

    def __init__(self, p: LutParameters) -> None:
        self.parameters = p
        members = {"terms": In(p.K * term_bits(p)), "entries": Out(p.entries * p.entry_bits)}
        if p.can_saturate:
            members["saturated"] = Out(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        width = term_bits(p)
        terms: list[Value] = [self.terms.word_select(k, width).as_signed() for k in range(p.K)]
        words: list[Value] = []
        beyond: list[Value] = []
        for pattern, total in self._sums(m, terms):
            fits = p.is_aligned and not p.can_saturate
            exact = Signal(signed(p.entry_bits + p.row_scale.guard_bits) if fits else
                           total.shape(), name=f"sum_{pattern}")
            m.d.comb += exact.eq(total)
            words.append(self._entry(m, exact, pattern, beyond))
        m.d.comb += self.entries.eq(Cat(words))
        if p.can_saturate:
            m.d.comb += self.saturated.eq(Cat(beyond).any())
        return m

    def _sums(self, m: Module, terms: list[Value]) -> list[tuple[int, Value]]:
        """The stored sums in their order, each with a number for its name."""
        p = self.parameters
        if p.radix == 3:
            return list(enumerate(_trit_sums(m, terms)))
        if p.K == 1:
            return [(1, terms[0])] if p.table == "half" else [(0, -terms[0]), (1, terms[0])]
        split = p.K // 2
        low = _all_signs(m, terms[:split], "low")
        high = _all_signs(m, terms[split:], "high")
        half = 1 << (p.K - 1)
        return [(pattern, high[pattern >> split] + low[pattern & ((1 << split) - 1)])
                for pattern in range(half if p.table == "half" else 0, 2 * half)]

    def _entry(self, m: Module, exact: Signal, pattern: int, beyond: list[Value]) -> Value:
        """An exact sum in table format; aligned, whether it saturates goes to ``beyond``."""
        p = self.parameters
        if p.is_float:
            fmt = p.activation
            assert isinstance(fmt, FloatFormat)
            m.submodules[f"round_{pattern}"] = rounder = FixedToFloat(
                p.table_float, len(exact), (fmt.emin, fmt.emin), adders=Adders(p.adder))
            m.d.comb += rounder.value.eq(exact)
            return rounder.code
        entry = Signal(p.entry_bits, name=f"entry_{pattern}")
        if not p.is_aligned:
            m.d.comb += entry.eq(exact)
            return entry
        guard = p.row_scale.guard_bits
        rest = exact[:guard]
        up = rest[-1] & (rest[:-1].any() | exact[guard])
        sign, kept = exact[-1], exact[guard:]
        if p.can_saturate:
            kept = Cat(kept, sign)
        rounded = Signal(len(kept), name=f"rounded_{pattern}")
        m.d.comb += rounded.eq(Adders(p.adder).increment(m, kept, up,
                                                         name=f"round_{pattern}")[0])
        if not p.can_saturate:
            m.d.comb += entry.eq(rounded)
            return entry
        # symmetric: the least number of E bits has no opposite
        least = ~rounded[:p.entry_bits - 1].any()
        high = rounded[p.entry_bits - 1:]
        over = Signal(name=f"saturated_{pattern}")
        m.d.comb += [over.eq((high.any() & ~high.all()) | (high.all() & least)),
                     entry.eq(Mux(over, Cat(Const(1, 1), (~sign).replicate(p.entry_bits - 2), sign),
                                  rounded))]
        beyond.append(over)
        return entry


def _trit_sums(m: Module, terms: list[Value]) -> list[Value]:
    """The sums of ``terms`` whose first one that counts has a plus."""
    sums: dict[tuple[int, ...], Value] = {}

    def of(signs: tuple[int, ...]) -> Value:
        if signs not in sums:
            *before, last = (k for k, sign in enumerate(signs) if sign)
            total = terms[last]
            if before:
                rest = of((*signs[:last], *(0 for _ in signs[last:])))
                total = rest + total if signs[last] > 0 else rest - total
            sums[signs] = word = Signal(total.shape(), name="sum_of" + "".join(
                f"_{'plus' if signs[k] > 0 else 'minus'}_{k}" for k in (*before, last)))
            m.d.comb += word.eq(total)
        return sums[signs]

    return [of(tuple(signs)) for signs in pattern_signs(len(terms), "half", 3).tolist()]


def _all_signs(m: Module, terms: list[Value], name: str) -> list[Value]:
    """Signed sums of ``terms`` for every pattern (bit k set: term k counts plus)."""
    sums: list[Value] = []
    for pattern in range(1 << len(terms)):
        total: Value = Const(0, 1)
        for k, term in enumerate(terms):
            total = total + term if pattern >> k & 1 else total - term
        if len(terms) == 1:
            total = terms[0] if pattern else -terms[0]
        word = Signal(total.shape(), name=f"{name}_{pattern}")
        m.d.comb += word.eq(total)
        sums.append(word)
    return sums
