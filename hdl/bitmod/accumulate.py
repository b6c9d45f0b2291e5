"""Step 3 of the BitMoD PE: the group accumulator, cut to ``acc_bits`` significant bits.

The value is kept as a two's-complement ``word`` plus a ``pending`` one in its last place. Where
bits are dropped, rounding up means: set them all and let the one be pending. So neither a
magnitude nor an increment is ever computed, and one ripple adder (whose carry in is the pending
one) does the whole accumulation: truncation toward zero of a negative sum rounds it up.

Two forms with equal values:

- :class:`DigitAccumulator`: the word floats by whole digits of 8 bits. Sums enter with one
  fine shift, everything else is a choice between bytes; the cut to ``acc_bits`` is a mask on the
  lowest digit. Exponents have 3 bits.
- :class:`FixedAccumulator`: fixed point over the whole range. What a sum is shifted by does not
  depend on the old total, so the loop is an adder and the cut: the form for FPGAs. It also serves
  the exact accumulator, and widths that the other form cannot take (an alignment wider than the
  accumulator).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters
from lowbit.golden.formats import FP16

from ..common.adders import Adders
from ..common.field import Field
from ..common.pipeline import delayed
from ..common.struct import StructComponent
from .align import EXPONENT_BITS, FINE, exact_sum_bits, sum_bits

__all__ = ["DIGIT", "DigitAccumulator", "FixedAccumulator", "GroupSum", "accumulator",
           "group_magnitude", "uses_digits"]

#: bits of a digit
DIGIT = 8
#: digits above the word's lowest at which a sum of any size may enter
REACH = 1
#: what counts as the exponent of a row-aligned sum
EXPONENT_NOTE = "exponent field of the row and group; for integer types one more"
#: largest exponent of a product, 30 + 8
_MAX_EXPONENT = 38


class GroupSum:
    """Shape of a PE's accumulator: (word + pending) * 2**(unit + step * exponent).

    Attributes: ``layout`` (fields ``word`` signed, ``pending``, ``exponent``; the last two only
    where they exist), ``operand`` (what is scaled: in the row-aligned form the word and, as
    ``exponent``, the exponent field of its row and group, for integer types one more, which the
    PE does not know), ``unit``, ``step``, ``magnitude_bits`` (of the absolute value),
    ``max_exponent``.
    """

    def __init__(self, p: BitmodPeParameters) -> None:
        self.parameters = p
        row = p.align == "row"
        self.digits = not row and uses_digits(p)
        self.step = 1 if row else DIGIT
        self.max_exponent = 0
        fields: dict[str, Field] = {}
        if row:
            self.unit, self.word_bits = p.row_exponent(halves=True), p.row_bits
            self.max_exponent = 1 << FP16.ebits
        else:
            self.unit = p.exact_exponent if p.exact else p.exact_exponent - 1 - p.extra_bits
            whole = p.exact_bits - 1 + (p.exact_exponent - self.unit)
            self.word_bits = whole + 1
            if self.digits:
                self.word_bits = p.acc_bits + DIGIT + 1
                self.max_exponent = max(-(-(whole - (p.acc_bits + DIGIT)) // DIGIT),
                                        _MAX_EXPONENT // DIGIT)
        # the most negative word never occurs in the row-aligned form
        self.magnitude_bits = self.word_bits - row
        fields["word"] = Field(self.word_bits, "group sum: word * 2**(unit + exponent of the row)"
                               if row else "group sum: (word + pending) * 2**(unit + digit * "
                               "exponent)", name=f"int{self.word_bits}", signed=True)
        if not row and not p.exact:
            fields["pending"] = Field(1, "one more in the word's last place", name="unsigned")
        if self.digits:
            fields["exponent"] = Field(self.max_exponent.bit_length(), "digits below the word",
                                       name="unsigned")
        self.layout = self.operand = StructLayout(fields)
        if row:
            self.operand = StructLayout(fields | {"exponent": Field(
                self.max_exponent.bit_length(), EXPONENT_NOTE, name="unsigned")})

    @property
    def exponents(self) -> tuple[int, int]:
        """Least and largest power of two of the word's unit."""
        return self.unit, self.unit + self.step * self.max_exponent

    def exponent(self, count: Value) -> Value:
        """That power of two, of an ``exponent`` of the layout."""
        return (count << (self.step.bit_length() - 1)) + self.unit

    def as_dict(self, layout: StructLayout | None = None) -> dict[str, Any]:
        """value = (word + pending) * 2**(unit + digit * exponent), for the manifest; in the
        row-aligned form ``exponent`` is that of the ``operand``."""
        row = {"exponent": EXPONENT_NOTE} if self.parameters.align == "row" else {}
        return dict(unit=self.unit, digit=self.step if self.max_exponent else 0,
                    max_exponent=self.max_exponent,
                    fields={name: field.width for name, field in layout or self.layout}, **row)


def group_magnitude(m: Module, adders: Adders, total: Any) -> Value:
    """|word + pending| of a group sum: -(word + pending) = ~word + 1 - pending."""
    word = total.word.as_unsigned()
    sign = word[-1]
    pending = total.pending if "pending" in dict(total.shape()) else Const(0, 1)
    magnitude, _ = adders.increment(m, word ^ sign.replicate(len(word)), sign ^ pending,
                                    name="magnitude")
    return magnitude


def uses_digits(p: BitmodPeParameters) -> bool:
    """The floating form serves, if asked for, where an aligned sum is narrower than its window."""
    return (p.accumulator == "digits" and not p.exact
            and sum_bits(p) - 1 + DIGIT - (1 << FINE) <= p.acc_bits + DIGIT - 2)


def accumulator(p: BitmodPeParameters) -> StructComponent:
    """The accumulator of a parameter set; see :class:`FixedAccumulator` for the ports."""
    return DigitAccumulator(p) if uses_digits(p) else FixedAccumulator(p)


def _cut(m: Module, word: Value, p: BitmodPeParameters, guard: Value | None = None,
         sticky: Value | None = None) -> tuple[Value, Value]:
    """``word`` (signed) rounded to ``acc_bits`` significant bits: (word, pending).

    ``guard``, ``sticky``: the place below the word, and whether there is more under it.
    """
    guard = Const(0, 1) if guard is None else guard
    sticky = Const(0, 1) if sticky is None else sticky
    sign = word[-1]
    places = len(word) - 1 - p.acc_bits
    if places <= 0:
        raise ValueError("nothing to cut")
    # dropped[i]: a significant bit lies acc_bits or more above place i. For a negative number
    # the bits that differ from the sign are those of the magnitude less one; the two lead
    # differently only for powers of two, which have nothing to drop.
    dropped = Signal(places, name="dropped")
    leads = [word[i + p.acc_bits] ^ sign for i in range(places)]
    above = Adders(p.adder).any_above(m, leads, name="dropped")
    m.d.comb += [dropped[i].eq(above[i]) for i in reversed(range(places))]
    lost = word[:places] & dropped
    up = Signal(name="round_up")
    if p.rounding == "truncate":
        m.d.comb += up.eq(sign & (lost.any() | guard | sticky))
    else:
        # places of the word with the guard below: the highest that is dropped is the half
        low = Cat(guard, word[:places])
        gone = Cat(Const(1, 1), dropped)
        half = gone & ~Cat(dropped, Const(0, 1))
        rest = sticky | (low & Cat(dropped, Const(0, 1))).any()
        m.d.comb += up.eq((low & half).any() & (rest | (word[:places + 1] & half).any()))
    kept = (word[:places] & ~dropped) | (dropped & up.replicate(places))
    return Cat(kept, word[places:]), up


class FixedAccumulator(StructComponent):
    """``total = RN(total + sum * 2**(4 * exponent))``, in fixed point.

    Ports: ``sum`` and ``exponent`` as :class:`.align.AlignedSum` gives them (:class:`.ExactSum`:
    no exponent); ``clear``: the old total counts as zero; ``total``: :class:`GroupSum`. One
    clock edge, or with a register at "placed" two for ``sum`` and ``exponent`` and one for
    ``clear``. A ``sum`` of zero with exponent 0 changes nothing.
    """

    def __init__(self, p: BitmodPeParameters) -> None:
        self.parameters = p
        self.shape = GroupSum(p)
        ports = {"clear": In(1), "total": Out(self.shape.layout)}
        if p.exact:
            ports["sum"] = In(signed(exact_sum_bits(p)))
        else:
            ports |= {"sum": In(signed(sum_bits(p))), "exponent": In(EXPONENT_BITS - FINE)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m, p, bits = Module(), self.parameters, self.shape.word_bits
        old = self.total.word.as_unsigned() & (~self.clear).replicate(bits)
        addend: Value = self.sum
        if not p.exact:
            for k in range(EXPONENT_BITS - FINE):
                addend = Mux(self.exponent[k], addend << (1 << FINE + k), addend)
        placed = Signal(signed(bits))
        m.d.comb += placed.eq(addend)
        placed = delayed(m, placed, p.registers("placed"), "placed_held")
        carry = Const(0, 1) if p.exact else self.total.pending & ~self.clear
        total, _ = Adders(p.adder).add(m, old, placed, carry, name="add")
        word, pending = (total, None) if p.exact else _cut(m, total, p)
        state = Signal(bits, name="word", reset_less=True)
        m.d.sync += state.eq(word)
        m.d.comb += self.total.word.eq(state)
        if pending is not None:
            later = Signal(name="pending", reset_less=True)
            m.d.sync += later.eq(pending)
            m.d.comb += self.total.pending.eq(later)
        return m


def _differs(m: Module, bits: Value, sign: Value, name: str) -> Value:
    """Some bit differs from the sign (cheaper than one XOR a bit)."""
    result = Signal(name=name)
    m.d.comb += result.eq(Mux(sign, ~bits.all(), bits.any()))
    return result


class DigitAccumulator(StructComponent):
    """As :class:`FixedAccumulator`, floating by digits.

    The word has ``acc_bits + DIGIT`` magnitude bits; its leading one is among the top
    ``DIGIT + 1`` of them unless the exponent is 0. The adder's window reaches from a guard place
    below the word to the top of a sum ``reach`` digits above it. Beyond that the sum is so large
    that the low digits of the word do not matter, unless it has that many leading zero digits
    itself, as after cancellation among the lanes: then it fits into the window all the same.
    """

    def __init__(self, p: BitmodPeParameters) -> None:
        self.parameters = p
        self.shape = GroupSum(p)
        super().__init__({"clear": In(1), "total": Out(self.shape.layout),
                          "sum": In(signed(sum_bits(p))), "exponent": In(EXPONENT_BITS - FINE)})
        #: magnitude bits of a sum after the shift within a digit
        self.sum_bits = sum_bits(p) - 1 + DIGIT - (1 << FINE)
        self.magnitude = p.acc_bits + DIGIT
        #: A sum that enters at digit 1 ends below this place of the word, or (if it enters higher
        #: and does not fit) is so large that the lowest digit of the word does not matter: its
        #: leading place less one is at least acc_bits and the half above that digit.
        self.reach_bits = max(self.sum_bits, p.acc_bits + 1)
        self.window = max(self.reach_bits + DIGIT * REACH, self.magnitude) + 1
        #: guard places: one for the leading bit that a subtraction takes, one to round by
        self.guards = 1 if p.rounding == "truncate" else 2

    def elaborate(self, platform: object) -> Module:
        m, total = Module(), self.total
        addend = self.sum
        for k in range(FINE, DIGIT.bit_length() - 1):
            shifted = Signal(signed(len(addend) + (1 << k)), name=f"shifted_{1 << k}")
            m.d.comb += shifted.eq(Mux(self.exponent[k - FINE], addend << (1 << k), addend))
            addend = shifted
        assert len(addend) == self.sum_bits + 1
        there = self.parameters.registers("placed")
        addend = delayed(m, addend, there, "addend")
        digit = delayed(m, self.exponent[3 - FINE:], there, "digit")
        keep = ~self.clear
        base = Signal(len(total.exponent), name="base")
        m.d.comb += base.eq(total.exponent & keep.replicate(len(base)))
        distance = Signal(signed(len(base) + 2))
        m.d.comb += distance.eq(digit - base)
        places, drops = self._places(m, addend, distance)

        # the old word, without its `drop` lowest digits where the sum is far above it
        word, carry = total.word.as_unsigned(), total.pending
        whole = Signal()
        m.d.comb += whole.eq(keep & ~Cat(drops).any())
        options, below, carries = [(whole, word.as_signed())], Const(0, 1), [whole & carry]
        for drop, line in enumerate(drops, 1):
            chosen = Signal(name=f"dropping_{drop}")
            m.d.comb += chosen.eq(line & keep)
            low = word[:DIGIT * drop]
            options.append((chosen, word[DIGIT * drop:].as_signed()))
            # a pending one passes through a digit of ones, and makes anything else of it less
            carries.append(chosen & carry & low.all())
            below = below | (chosen & Mux(carry, ~low.all(), low.any()))
        old = self._choose(m, options, self.window + 1, "old")

        # the sum, with guard places below the word
        g, options, sticky = self.guards, [], below
        for place, chosen in places.items():
            shift = g + DIGIT * place
            if shift >= 0:
                options.append((chosen, Cat(Const(0, shift), addend).as_signed()))
            else:
                extended = Cat(addend, addend[-1].replicate(-shift))
                options.append((chosen, extended[-shift:].as_signed()))
                sticky = sticky | (chosen & extended[:-shift].any())
        placed = self._choose(m, options, g + self.window + 1, "placed")
        added, _ = Adders(self.parameters.adder).add(m, old, placed[g:], Cat(carries).any(),
                                                     name="add")
        first = Signal(len(base), name="first_exponent")
        m.d.comb += first.eq(base + self._number(drops, 1))
        return self._store(m, Cat(placed[:g], added), first, sticky)

    def _places(self, m: Module, addend: Value,
                distance: Value) -> tuple[dict[int, Value], list[Value]]:
        """Digit at which the sum enters (one choice each), and digits of the word to drop."""
        largest = _MAX_EXPONENT // DIGIT
        places = {place: distance == place for place in range(-self.shape.max_exponent, REACH)}
        # so far down that only its sign and "not zero" are left
        lowest = -(-(self.sum_bits + self.guards) // DIGIT)
        places = {place: line for place, line in places.items() if place > -lowest}
        places[-lowest] = distance <= -lowest
        excess = range(max(0, largest - REACH) + 1)
        # fits[n]: the sum has n digits of leading zeros
        fits: list[Value] = [Const(1, 1)]
        for n in excess[1:]:
            high = addend[min(max(0, self.reach_bits - DIGIT * n), self.sum_bits):]
            fits.append(~_differs(m, high[:-1], high[-1], f"reaches_{n}"))
        exactly = [fit & ~following for fit, following in pairwise(fits)]
        far = [distance == REACH + e for e in excess]
        for n in excess:
            m.d.comb += (chosen := Signal(name=f"place_{REACH + n}")).eq(
                Cat([far[n] & fits[n], *(far[e] & exactly[n] for e in excess if e > n)]).any())
            places[REACH + n] = chosen
        drops: list[Value] = []
        for drop in excess[1:]:
            m.d.comb += (chosen := Signal(name=f"drop_{drop}")).eq(
                Cat(far[e] & exactly[e - drop] for e in excess if e >= drop).any())
            drops.append(chosen)
        return places, drops

    def _store(self, m: Module, added: Value, first: Value, sticky: Value) -> Module:
        """Move by whole digits until the leading one is in place, cut, store."""
        p, g, top = self.parameters, self.guards, self.magnitude
        sign, sums = added[-1], added[g:-1]
        rights = -(-(self.window - top) // DIGIT)
        lefts = -(-(p.acc_bits - 1) // DIGIT)
        # moves from right (+) to left (-), each with the bits that ask for it
        moves = range(rights, -lefts - 1, -1)
        options: list[tuple[int, Value]] = []
        higher: Value = Const(0, 1)
        found: list[Value] = []
        for move in moves:
            low = top + DIGIT * (move - 1) if move > 0 else p.acc_bits - 1 + DIGIT * move
            high = top + DIGIT * move if move >= 0 else low + DIGIT
            here = _differs(m, sums[max(0, low):high], sign, f"leads_{move + lefts}")
            found.append(here & ~higher)
            following = Signal(name=f"found_{move + lefts}")
            m.d.comb += following.eq(higher | here)
            higher = following
        nothing = ~higher & ~sign
        # to the left only as far as the exponent goes down
        for index, move in enumerate(moves):
            chosen = found[index]
            if move <= 0:
                wanted = ~Cat(found[:index]).any()
                chosen = wanted & (first >= -move) if move else wanted
                if move > -lefts:
                    chosen = chosen & (found[index] | (first == -move))
            name = f"move_{move + lefts}"
            signal = Signal(name=name)
            m.d.comb += signal.eq(chosen)
            options.append((move, signal))

        # one place below the word decides on rounding
        words, below = [], sticky
        for move, chosen in options:
            shift = g - 1 + DIGIT * move
            if shift >= 0:
                words.append((chosen, added[shift:].as_signed()))
                below = below | (chosen & added[:shift].any())
            else:
                words.append((chosen, Cat(Const(0, -shift), added).as_signed()))
        word = self._choose(m, words, top + 2, "moved")
        kept, pending = _cut(m, word[1:], p, word[0], below)
        exponent = first
        step = Signal(signed(len(first) + 1))
        for move, chosen in options:
            if move:
                step_value = Const(move, signed(len(first) + 1))
                step = step | (step_value & chosen.replicate(len(first) + 1))
        exponent = (first + step)[:len(first)] & (~nothing).replicate(len(first))
        for target, value in ((self.total.word, kept), (self.total.pending, pending),
                              (self.total.exponent, exponent)):
            state = Signal(len(value), name=f"total_{len(value)}", reset_less=True)
            m.d.sync += state.eq(value)
            m.d.comb += target.eq(state)
        return m

    @staticmethod
    def _number(lines: Sequence[Value], first: int) -> Value:
        """The number of the line that is set, 0 for none."""
        result: Value = Const(0, 1)
        for i, line in enumerate(lines, first):
            result = result | Mux(line, i, 0)
        return result

    @staticmethod
    def _choose(m: Module, options: Sequence[tuple[Value, Value]], width: int,
                name: str) -> Signal:
        """The signed word whose choice is set, 0 for none."""
        result: Value = Const(0, width)
        for choice, word in options:
            extended = Cat(word, word[-1].replicate(max(0, width - len(word))))[:width]
            result = result | (extended & choice.replicate(width))
        chosen = Signal(width, name=name)
        m.d.comb += chosen.eq(result)
        return chosen
