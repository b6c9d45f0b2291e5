"""Steps 1 and 2 of the BitMoD PE: products aligned to the largest exponent, and their sum.

Exponents are cut in two: the lower ``FINE`` bits of a product's exponent shift its significand
left (no subtraction), the upper bits alone are subtracted from the largest and shift it right by
whole digits. The places below the contract's alignment, at most ``2**FINE - 1``, are cleared by a
mask that all lanes share. The sum then needs no fine shift on its way to the accumulator.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.bitmod.pe_parameters import ACTIVATION_BITS, BitmodPeParameters

from ..common.adders import Adders
from ..common.lzc import shift_right_sticky
from ..common.pipeline import delayed

__all__ = ["ACTIVATION", "TERM", "FINE", "POWER_BITS", "AlignedSum", "ExactSum", "exact_sum_bits",
           "sum_bits"]

#: bits of an exponent that shift left
FINE = 1
#: bits of a term's power: exp + bsig + 1, 0 .. 8
POWER_BITS = 4
#: bits of activation exponent + power: 1 .. 38
EXPONENT_BITS = 6

#: FP16 with the hidden bit: ``exponent`` is 1 for subnormals, ``something`` says "not zero"
ACTIVATION = StructLayout({"significand": ACTIVATION_BITS, "exponent": 5, "sign": 1,
                           "something": 1})
#: (-1)**sign * man * 2**(power - 1)
TERM = StructLayout({"sign": 1, "power": POWER_BITS, "man": 1})


#: (active, exponent, significand, negative) of a lane's product
Lane = tuple[Value, Value, Value, Value]


def sum_bits(p: BitmodPeParameters) -> int:
    """Bits of the signed sum of all lanes, mask places included."""
    return p.aligned_bits + (1 << FINE) - 1 + (p.lanes - 1).bit_length() + 1


def exact_sum_bits(p: BitmodPeParameters) -> int:
    """Bits of the exact signed sum of all lanes."""
    # the largest product is below 2**(11 + 38), its lowest place is that of exponent 1
    return ACTIVATION_BITS + 37 + (p.lanes - 1).bit_length() + 1


def _lane_sums(m: Module, adders: Adders, words: list[Value], carries: list[Value],
               bits: int) -> Value:
    """Sum of signed words and as many carries: a tree of adders, each takes a carry."""
    words, carries = list(words), list(carries)
    # one carry more than adders
    last, _ = adders.increment(m, words[-1], carries.pop(), name="last_lane")
    words[-1] = last.as_signed()
    level = 0
    while len(words) > 1:
        sums = []
        for i in range(0, len(words) - 1, 2):
            width = max(len(words[i]), len(words[i + 1])) + 1
            a, b = (_extend(word, width) for word in words[i:i + 2])
            total, _ = adders.add(m, a, b, carries.pop(), name=f"tree_{level}_{i // 2}")
            sums.append(total.as_signed())
        words = sums + ([words[-1]] if len(words) % 2 else [])
        level += 1
    return _extend(words[0], bits).as_signed()


def _registered(m: Module, p: BitmodPeParameters, place: str, lanes: list[Lane]) -> list[Lane]:
    """The lanes behind the register at ``place``, where the parameters have one."""
    names = ("active", "exponent", "significand", "negative")
    held = []
    for i, lane in enumerate(lanes):
        active, exponent, significand, negative = (
            delayed(m, value, p.registers(place), f"{name}_{i}_{place}")
            for name, value in zip(names, lane, strict=True))
        held.append((active, exponent, significand, negative))
    return held


def _words(m: Module, p: BitmodPeParameters, words: list[Value],
           carries: list[Value]) -> tuple[list[Value], list[Value]]:
    """Aligned words and their carries behind the register before the adder tree, if any."""
    there = p.registers("aligned")
    return ([delayed(m, word, there, f"word_{i}") for i, word in enumerate(words)],
            [delayed(m, bit, there, f"carry_{i}") for i, bit in enumerate(carries)])


def _extend(word: Value, width: int) -> Value:
    """Sign extension (or the low bits)."""
    return Cat(word, word[-1].replicate(max(0, width - len(word))))[:width]


class AlignedSum(Component):
    """``sum * 2**(4 * exponent - 26 - extra_bits)`` = sum of the aligned products.

    ``activations`` and ``terms``: lanes of :data:`ACTIVATION` and :data:`TERM`, lane 0 lowest.
    ``exponent`` is the largest exponent without its ``FINE`` bits, 0 without products; the low
    bits of ``sum`` that lie below the alignment are 0. Latency: the registers that the parameters
    have at "lanes", "maximum" and "aligned".
    """

    def __init__(self, p: BitmodPeParameters) -> None:
        self.parameters = p
        super().__init__({"activations": In(p.lanes * ACTIVATION.size),
                          "terms": In(p.lanes * TERM.size), "sum": Out(signed(sum_bits(p))),
                          "exponent": Out(EXPONENT_BITS - FINE)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        lanes = _registered(m, p, "lanes", _lanes(m, p, self.activations, self.terms))
        top = self._maximum(m, [(active, exponent) for active, exponent, _, _ in lanes])
        lanes = _registered(m, p, "maximum", lanes)
        top = delayed(m, top, p.registers("maximum"), "largest")
        m.d.comb += self.exponent.eq(delayed(m, top[FINE:], p.registers("aligned"),
                                             "sum_exponent"))

        # place i of a word is below the alignment when the largest exponent's low bits exceed i
        low = top[:FINE]
        below = Signal((1 << FINE) - 1)
        m.d.comb += below.eq(Cat(low > i for i in range(len(below))))
        words, carries = [], []
        for i, (active, exponent, significand, negative) in enumerate(lanes):
            word, up = self._align(m, i, active, exponent, significand, top, below)
            carry = negative
            if up is not None:
                # rounding up adds 1 above the cleared places: they are set, and 1 carried in
                word, carry = word | Cat(below & up.replicate(len(below))), negative ^ up
            words.append((Cat(word, Const(0, 1)) ^ negative.replicate(len(word) + 1)).as_signed())
            carries.append(carry)
        words, carries = _words(m, p, words, carries)
        m.d.comb += self.sum.eq(_lane_sums(m, Adders(p.adder), words, carries, sum_bits(p)))
        return m

    @staticmethod
    def _maximum(m: Module, lanes: list[tuple[Value, Value]]) -> Value:
        """The largest exponent of active lanes, 0 without one.

        Bit by bit from the top: who lacks a bit that another one has, is out.
        """
        # a signal a bit: each depends on those above it, the whole does not on itself
        top = [Signal(name=f"top_{k}") for k in range(EXPONENT_BITS)]
        leading, exponents = [lane[0] for lane in lanes], [lane[1] for lane in lanes]
        for k in reversed(range(EXPONENT_BITS)):
            ones = [lead & exponent[k] for lead, exponent in zip(leading, exponents, strict=True)]
            m.d.comb += top[k].eq(Cat(ones).any())
            following = []
            for i, (lead, exponent) in enumerate(zip(leading, exponents, strict=True)):
                still = Signal(name=f"leads_{i}_{k}")
                m.d.comb += still.eq(lead & (exponent[k] | ~top[k]))
                following.append(still)
            leading = following
        return Cat(top)

    def _align(self, m: Module, lane: int, active: Value, exponent: Value, significand: Value,
               top: Value, below: Value) -> tuple[Value, Value | None]:
        """A lane's magnitude in the common window, and whether it is rounded up."""
        p = self.parameters
        nearest = p.rounding == "nearest"
        width = p.aligned_bits + (1 << FINE) - 1
        shifted: Value = significand
        for k in reversed(range(FINE)):
            following = Signal(len(shifted) + (1 << k), name=f"fine_{lane}_{1 << k}")
            m.d.comb += following.eq(Mux(exponent[k], shifted << (1 << k), shifted))
            shifted = following
        distance, _ = Adders(p.adder).add(m, top[FINE:], ~exponent[FINE:], 1,
                                          name=f"distance_{lane}")
        aligned = Signal(width + int(nearest), name=f"aligned_{lane}")
        if nearest:
            # one place below the window decides, the rest is sticky
            placed = Cat(Const(0, p.extra_bits + 1), shifted)
            word, sticky = shift_right_sticky(m, placed, Cat(Const(0, FINE), distance),
                                              name=f"by_{lane}")
            m.d.comb += aligned.eq(word & active.replicate(len(word)))
        else:
            placed = Cat(Const(0, p.extra_bits), shifted)
            m.d.comb += aligned.eq(self._shift(m, lane, active, placed, distance))
        if not nearest:
            return Cat(aligned[:len(below)] & ~below, aligned[len(below):]), None
        kept = Cat(aligned[1:1 + len(below)] & ~below, aligned[1 + len(below):])
        # half: the highest place below the alignment; rest: all places under it
        places = Cat(Const(1, 1), below)
        above = Cat(below, Const(0, 1))
        half = (aligned[:len(places)] & places & ~above).any()
        rest = sticky | (aligned[:len(places)] & above).any()
        odd = (aligned[1:1 + len(places)] & places & ~above).any()
        up = Signal(name=f"up_{lane}")
        m.d.comb += up.eq(half & (rest | odd))
        return kept, up

    @staticmethod
    def _shift(m: Module, lane: int, active: Value, word: Value, distance: Value) -> Value:
        """``word`` moved right by ``distance`` steps of ``2**FINE``; 0 unless ``active``.

        The upper bits of the distance choose by halves, the lowest two at once: the smallest
        mix of choices in a standard-cell library.
        """
        step, width = 1 << FINE, len(word)
        levels = (-(-width // step) - 1).bit_length()
        alive = Signal(name=f"near_{lane}")
        m.d.comb += alive.eq(active & ~distance[levels:].any())
        for k in reversed(range(2, levels)):
            near = alive if k == levels - 1 else Const(1, 1)
            stay, move = Signal(name=f"stay_{lane}_{k}"), Signal(name=f"move_{lane}_{k}")
            m.d.comb += [stay.eq(near & ~distance[k]), move.eq(near & distance[k])]
            moved = Signal(width, name=f"by_{lane}_{step << k}")
            m.d.comb += moved.eq((word & stay.replicate(width))
                                 | (word[step << k:] & move.replicate(width)))
            word = moved
        low = min(levels, 2)
        result: Value = Const(0, width)
        for digits in range(1 << low):
            chosen = Signal(name=f"by_{lane}_{step * digits}")
            m.d.comb += chosen.eq((distance[:low] == digits) & (alive if levels <= 2 else 1))
            part = word[step * digits:]
            result = result | (part & chosen.replicate(len(part)))
        return result


def _lanes(m: Module, p: BitmodPeParameters, activations: Value,
           terms: Value) -> list[Lane]:
    """(active, exponent, significand, negative) of each lane's product."""
    lanes = []
    for i in range(p.lanes):
        a = ACTIVATION(activations.word_select(i, ACTIVATION.size))
        w = TERM(terms.word_select(i, TERM.size))
        active = Signal(name=f"active_{i}")
        m.d.comb += active.eq(a.something & w.man)
        total, _ = Adders(p.adder).add(m, Cat(a.exponent, Const(0, 1)),
                                       Cat(w.power, Const(0, EXPONENT_BITS - POWER_BITS)),
                                       name=f"exponent_{i}")
        negative = Signal(name=f"negative_{i}")
        m.d.comb += negative.eq(a.sign ^ w.sign)
        lanes.append((active, total, a.significand, negative))
    return lanes


class ExactSum(Component):
    """``sum * 2**-25``: the exact sum of all products. Ports as :class:`AlignedSum`."""

    def __init__(self, p: BitmodPeParameters) -> None:
        self.parameters = p
        self.bits = exact_sum_bits(p)
        super().__init__({"activations": In(p.lanes * ACTIVATION.size),
                          "terms": In(p.lanes * TERM.size), "sum": Out(signed(self.bits))})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        words, carries = [], []
        lanes = _registered(m, p, "lanes", _lanes(m, p, self.activations, self.terms))
        for active, exponent, significand, negative in lanes:
            kept = significand & active.replicate(ACTIVATION_BITS)
            placed = (kept << exponent)[1:ACTIVATION_BITS + 38]
            words.append((Cat(placed, Const(0, 1)) ^ negative.replicate(len(placed) + 1))
                         .as_signed())
            carries.append(negative)
        words, carries = _words(m, p, words, carries)
        m.d.comb += self.sum.eq(_lane_sums(m, Adders(p.adder), words, carries, self.bits))
        return m
