"""Integers recoded into digits that do not overlap, in hardware.

For weights that no packer has seen, for instance the keys of an attention: two's complement
becomes the port code of :mod:`lowbit.golden.digits`, a bit longer.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.digits import DigitFormat

__all__ = ["IntegerRecoder"]


class IntegerRecoder(wiring.Component):
    """``code`` = the port code of the integer ``value`` (combinational).

    Two bits of the integer and a carry make a digit; a digit of 2 or 3 becomes -2 or -1 and a
    carry to the next one.
    """

    def __init__(self, form: DigitFormat) -> None:
        self.parameters = form
        #: bits of the integer
        self.bits = int(form.name.removeprefix("int"))
        super().__init__({"value": In(self.bits), "code": Out(form.port_bits)})

    def elaborate(self, platform: object) -> Module:
        m, form = Module(), self.parameters
        fields: list[Value] = []
        carry: Value = Const(0, 1)
        for i, digit in enumerate(form.digits):
            part = self.value[2 * i:2 * i + 2]
            # the top digit keeps its sign, and what the carry makes of it
            sign = part[-1].replicate(digit.bits - len(part))
            field = Signal(digit.bits, name=f"digit_{i}")
            m.d.comb += field.eq(Cat(part, sign) + carry)
            fields.append(field)
            if digit is not form.digits[-1]:
                after = Signal(name=f"carry_{i + 1}")
                m.d.comb += after.eq(part[1] | (part[0] & carry))
                carry = after
        m.d.comb += self.code.eq(Cat(fields))
        return m
