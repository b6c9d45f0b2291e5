"""Exact multiplication of a floating-point number by a power of two."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import FloatFormat

from .adders import RIPPLE, Adders
from .fp_round import is_special, significand

__all__ = ["FpScale"]


class FpScale(Component):
    """``scaled = code * 2**shift`` for ``0 <= shift <= max_shift``, as IEEE arithmetic has it.

    Never rounds: subnormals become normal where they grow enough. Overflow gives an infinity of
    the same sign (in an ``fn`` format its NaN, with the sign), infinities, NaNs and both zeros
    pass unchanged.

    Parameters: ``fmt``, ``max_shift``. Ports: ``code``, ``shift``, ``scaled``; with
    ``max_shift=0`` there is no ``shift``. Combinational.
    """

    def __init__(self, fmt: FloatFormat, max_shift: int, adders: Adders = RIPPLE) -> None:
        if max_shift < 0:
            raise ValueError(f"max_shift must be at least 0; got {max_shift}")
        self.fmt, self.max_shift, self.adders = fmt, max_shift, adders
        #: identity of the hardware, for modules that are emitted once and shared
        self.parameters = (fmt, max_shift, adders)
        ports = {"code": In(fmt.bits), "scaled": Out(fmt.bits)}
        if max_shift:
            ports["shift"] = In(max_shift.bit_length())
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not self.max_shift:
            m.d.comb += self.scaled.eq(self.code)
            return m
        fmt, shift = self.fmt, self.shift
        mbits, ebits, top = fmt.mbits, fmt.ebits, fmt.bits - 1
        field = self.code[mbits:top]

        # A subnormal moves left, at most until its leading one is the hidden bit; `spent` counts
        # the places it moved, and what is left of the shift goes into the exponent.
        word = significand(fmt, self.code)
        left: Value = shift
        for k in reversed(range(min(len(shift), (mbits).bit_length()))):
            moved = Signal(mbits + 1, name=f"moved_{1 << k}")
            after = Signal(len(shift), name=f"shift_after_{1 << k}")
            go = Signal(name=f"move_{1 << k}")
            m.d.comb += [go.eq(left[k:].any() & ~word[mbits + 1 - (1 << k):].any()),
                         moved.eq(Mux(go, word << (1 << k), word)),
                         after.eq(Mux(go, left - (1 << k), left))]
            word, left = moved, after

        # field = field + left, or 1 + left for a subnormal that has become normal, or 0
        bits = max(ebits, len(shift)) + 1
        subnormal = ~field.any()
        total, _ = self.adders.add(m, Cat(field, Const(0, bits - ebits)),
                              Cat(left & word[mbits].replicate(len(left)),
                                  Const(0, bits - len(left))),
                              word[mbits] & subnormal, name="field")
        special = is_special(fmt, self.code)
        beyond = Signal()
        largest = total[:ebits].all() & (word[:mbits].all() if fmt.fn else Const(1, 1))
        m.d.comb += beyond.eq(largest | total[ebits:].any())
        if fmt.fn:
            over = Const((1 << top) - 1, top)
        else:
            over = Const(fmt.inf, top)
        magnitude = Mux(beyond, over, Cat(word[:mbits], total[:ebits]))
        m.d.comb += self.scaled.eq(Cat(Mux(special, self.code[:top], magnitude), self.code[top]))
        return m
