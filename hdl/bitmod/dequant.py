"""Step 4 of the BitMoD PE as the paper has it: a group sum times its scale, bit by bit.

This is the generator ``bitmod_dequant``, one scale bit a cycle, small and alone. No tile contains
it: tiles share a multiplier between columns, :mod:`.group_scale`, with the same results.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.pe_parameters import BitmodDequantParameters
from lowbit.golden.formats import FP32
from lowbit.golden.timing import Timing

from ..common.adders import Adders
from ..common.design import Design
from ..common.field import Field, flag
from ..common.normalize import MagnitudeToFloat
from ..common.struct import signals
from .accumulate import GroupSum, group_magnitude

__all__ = ["BitmodDequant"]


class BitmodDequant(Design[BitmodDequantParameters]):
    """``result = RNE(total * scale)`` as an FP32 code: exact product, one rounding.

    Ports: ``start`` takes ``total`` (``operand`` of :class:`.accumulate.GroupSum`) and the
    ``scale`` code (8 bits, unsigned); ``valid`` is set for one cycle, :attr:`latency` clock edges
    later, with ``result``. A new ``start`` may follow every :attr:`interval` cycles, the earliest
    in the cycle before ``valid``; an earlier one abandons the running product. A product of zero
    is +0.

    The scale's lowest bit is taken first, so that the adder spans the sum and not the product.
    """

    def __init__(self, p: BitmodDequantParameters) -> None:
        self.shape = GroupSum(p.pe)
        #: cycles from one start to the next
        self.interval = p.dequant_cycles
        #: clock edges from start to result
        self.latency = p.dequant_cycles + 1
        super().__init__(p, {
            "start": In(flag("take total and scale")), "total": In(self.shape.operand),
            "scale": In(Field(p.scale_bits, "scale of the group", name="unsigned")),
            "valid": Out(flag("result is there, for this cycle")),
            "result": Out(Field(FP32, "total times scale"))})

    def timing(self) -> Timing:
        return Timing(self.latency, self.interval, "start to valid, and to the next start")

    def derived(self) -> dict[str, Any]:
        """What the fields of ``total`` stand for."""
        return super().derived() | dict(total=self.shape.as_dict(self.shape.operand))

    def elaborate(self, platform: object) -> Module:
        m, p, shape = Module(), self.parameters, self.shape
        adders = Adders(p.adder)
        bits, steps = shape.magnitude_bits, p.scale_bits
        # operands
        total = signals(shape.operand, "operand", reset_less=True)
        scale = Signal(steps, name="scale_left", reset_less=True)
        # one line per step, the step under way
        step = Signal(steps)
        valid = Signal()
        m.d.sync += [step.eq(step << 1), scale.eq(scale >> 1), valid.eq(step[-1])]
        with m.If(self.start):
            m.d.sync += [total.eq(self.total), scale.eq(self.scale), step.eq(1)]
        sign = total.word[-1]
        magnitude = group_magnitude(m, adders, total)[:bits]

        # multiply: add, and move to the right
        product = Signal(bits + steps, reset_less=True)
        before = product[steps:] & (~step[0]).replicate(bits)
        added, carry = adders.add(m, before, magnitude & scale[0].replicate(bits), name="add")
        with m.If(step.any()):
            m.d.sync += product.eq(Cat(product[1:steps], added, carry))
        # sign and exponent of the finished product, while the next operands come in
        done = Signal(1 + (len(total.exponent) if shape.max_exponent else 0), reset_less=True)
        with m.If(step[-1]):
            m.d.sync += done.eq(Cat(sign, total.exponent) if shape.max_exponent else sign)
        m.submodules.finish = finish = MagnitudeToFloat(
            FP32, bits + steps, shape.exponents, adders=adders)
        m.d.comb += [finish.sign.eq(done[0]), finish.magnitude.eq(product),
                     self.result.eq(finish.code), self.valid.eq(valid)]
        if shape.max_exponent:
            m.d.comb += finish.exponent.eq(shape.exponent(done[1:]))
        return m
