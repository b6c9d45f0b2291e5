"""A serial multiply-accumulate element that skips zero digits, and the encoder that feeds it.

The recoder, the carry chains and the offset form are those of the arrays (:mod:`..common.recode`,
:mod:`..common.accumulator`, :mod:`..common.compressor`). No generator has it: in an array all
columns would wait for the weight with the most digits, or have activations of their own. It is a
row of ``gen compare systolic``. What it computes: :mod:`lowbit.golden.systolic.serial`.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from lowbit.golden.systolic.serial import SERIAL_FORM

from ..common.accumulator import SegmentedAccumulator, Segments
from ..common.adders import RIPPLE
from ..common.compressor import offset_form
from ..common.pipeline import register
from ..common.recode import IntegerRecoder
from ..common.struct import StructComponent

__all__ = ["STEP", "SerialEncoder", "SerialPe"]

WEIGHT_BITS = 8
#: (-1)**negative * (1, or 2 if twice) * 4**place, or 0 unless there is a digit; after ``last`` the
#: next weight's follow
STEP = StructLayout({"there": 1, "negative": 1, "twice": 1, "place": 2, "last": 1})


class SerialEncoder(StructComponent):
    """Weights to steps: a digit that is not zero a cycle, the lowest first.

    ``weight``, two's complement, is taken at the end of the cycle in which ``step.last`` is set;
    its first step is there a cycle later. Without ``valid`` there is no digit. Reset: no digit.
    """

    def __init__(self) -> None:
        self.parameters = SERIAL_FORM
        super().__init__({"weight": In(WEIGHT_BITS), "valid": In(1), "step": Out(STEP)})

    def elaborate(self, platform: object) -> Module:
        m, form = Module(), self.parameters
        m.submodules.recoder = recoder = IntegerRecoder(form)
        m.d.comb += recoder.value.eq(self.weight)
        fields = [recoder.code[digit.low:digit.low + digit.bits] for digit in form.digits]
        there = Signal(len(fields))
        left = Signal(len(fields))
        negative = Signal(len(fields), reset_less=True)
        odd = Signal(len(fields), reset_less=True)
        m.d.comb += there.eq(Cat(field.any() & self.valid for field in fields))
        # of the digits left the lowest goes now
        after = Signal(len(fields))
        chosen = Signal(len(fields))
        m.d.comb += [
            after.eq(left & (left - 1)), chosen.eq(left ^ after),
            self.step.there.eq(left.any()), self.step.negative.eq((chosen & negative).any()),
            self.step.twice.eq(~(chosen & odd).any()),
            self.step.place.eq(Cat(chosen[1] | chosen[3], chosen[2:].any())),
            self.step.last.eq(after == 0)]
        m.d.sync += left.eq(Mux(self.step.last, there, after))
        with m.If(self.step.last):
            m.d.sync += [
                negative.eq(Cat(recoder.code[digit.sign] for digit in form.digits)),
                odd.eq(Cat(field[0] for field in fields))]
        return m


class SerialPe(StructComponent):
    """``value`` += activation times the digit of a step, a cycle after the step has come.

    Steps are registered and passed on; ``activation`` is taken with the weight it belongs to, when
    the step before was the ``last`` of its weight. ``clear`` comes with a step: a new sum. Every
    cycle adds 2**:attr:`offset_place` more, also one without a digit: whoever reads ``value`` (of
    ``segments``) subtracts as many of them as there were cycles.
    """

    def __init__(self, acc_bits: int = 32, segment: int = 16, a_bits: int = 8) -> None:
        self.parameters = (acc_bits, segment, a_bits)
        self.segments = Segments(acc_bits, segment)
        self.a_bits = a_bits
        #: bits of an activation times 2 * 4**3, and of the opposite less 1
        self.row_bits = a_bits + WEIGHT_BITS - 1
        self.offset_place = self.row_bits - 1
        super().__init__({"activation": In(a_bits), "step_in": In(STEP), "clear": In(1),
                          "step_out": Out(STEP), "clear_out": Out(1),
                          "value": Out(self.segments.value_bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = register(m, self.step_in, "step")
        clear = register(m, self.clear, "clear_held")
        activation = Signal(self.a_bits, reset_less=True)
        with m.If(self.step_out.last):
            m.d.sync += activation.eq(self.activation)
        m.d.comb += [self.step_out.eq(step), self.clear_out.eq(clear)]
        bits, sign = self.row_bits, activation[-1]
        taken = Signal(self.a_bits + 1)
        placed_1 = Signal(self.a_bits + 3)
        placed = Signal(bits)
        m.d.comb += [
            taken.eq(Mux(step.twice, Cat(Const(0, 1), activation), Cat(activation, sign))
                     & step.there.replicate(len(taken))),
            placed_1.eq(Mux(step.place[0], Cat(Const(0, 2), taken),
                            Cat(taken, taken[-1].replicate(2)))),
            placed.eq(Mux(step.place[1], Cat(Const(0, 4), placed_1),
                          Cat(placed_1, placed_1[-1].replicate(4))))]
        negative = Signal()
        m.d.comb += negative.eq(step.negative & step.there)
        row = Signal(bits)
        m.d.comb += row.eq(offset_form(placed ^ negative.replicate(bits)))
        keep = (~clear).replicate(self.segments.value_bits)
        acc = SegmentedAccumulator(m, self.segments, RIPPLE, row, negative,
                                   lambda value: value & keep)
        m.d.comb += self.value.eq(acc.value)
        return m
