"""The BitMoD PE whose products are aligned cycle by cycle, as the paper has it (``--align cycle``).

Steps 1 and 2 (align, add) are :mod:`.align`, step 3 (group accumulation) is :mod:`.accumulate`.
The other form is :mod:`.row_pe`. Contract: docs/numerics.md, section 7.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.pe_parameters import WIDE, BitmodPeParameters

from ..common.pipeline import delayed, register
from ..common.struct import StructComponent
from .accumulate import GroupSum, accumulator
from .align import ACTIVATION, POWER_BITS, TERM, AlignedSum, ExactSum
from .streams import TERM_BITS

__all__ = ["CyclePe", "DecodeActivation", "DecodeTerm"]


class DecodeActivation(StructComponent):
    """An FP16 ``code`` with its hidden bit: ``activation`` (:data:`.align.ACTIVATION`).

    ``finite`` is 0 for infinities and NaNs. A row of PEs shares it. Combinational.
    """

    def __init__(self) -> None:
        super().__init__({"code": In(16), "activation": Out(ACTIVATION), "finite": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fraction, field, a = self.code[:10], self.code[10:15], self.activation
        normal = field.any()
        m.d.comb += [a.significand.eq(Cat(fraction, normal)), a.sign.eq(self.code[15]),
                     a.exponent.eq(Cat(field[0] | ~normal, field[1:])),
                     a.something.eq(normal | fraction.any()), self.finite.eq(~field.all())]
        return m


class DecodeTerm(StructComponent):
    """A ``term`` of the term generator (sign lowest, exp, man) with its ``bsig``: ``decoded``
    (:data:`.align.TERM`), nothing unless ``enable``. A column of PEs shares it. Combinational.

    With ``pairs`` it counts eightfold where ``wide`` is set.
    """

    def __init__(self, pairs: bool = False) -> None:
        self.pairs = pairs
        super().__init__({"term": In(TERM_BITS), "bsig": In(signed(4)), "enable": In(1),
                          **({"wide": In(1)} if pairs else {}), "decoded": Out(TERM)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        power = Signal(POWER_BITS)
        exponent: Value = self.term[1:3]
        if self.pairs:
            exponent = exponent + Mux(self.wide, WIDE, 0)
        m.d.comb += [power.eq(exponent + self.bsig + 1), self.decoded.sign.eq(self.term[0]),
                     self.decoded.power.eq(power), self.decoded.man.eq(self.term[3] & self.enable)]
        return m


class CyclePe(StructComponent):
    """The PE of an array, behind the decoders that a row and a column share.

    Ports: ``activations`` and ``terms`` (lanes of :data:`.align.ACTIVATION` and
    :data:`.align.TERM`, lane 0 lowest), ``clear`` (this cycle starts a group), ``total``
    (:class:`.accumulate.GroupSum`: value (word + pending) * 2**(unit + 8 * exponent)).
    A cycle without a product changes nothing. Latency: that of ``p`` in clock edges.
    """

    def __init__(self, p: BitmodPeParameters) -> None:
        self.parameters = p
        super().__init__({"activations": In(p.lanes * ACTIVATION.size),
                          "terms": In(p.lanes * TERM.size), "clear": In(1),
                          "total": Out(GroupSum(p).layout)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.products = products = ExactSum(p) if p.exact else AlignedSum(p)
        m.submodules.accumulate = accumulate = accumulator(p)
        m.d.comb += [products.activations.eq(self.activations), products.terms.eq(self.terms),
                     self.total.eq(accumulate.total)]
        # `clear` meets the accumulator, the rest what stands before it
        clear = delayed(m, self.clear, max(0, p.pipeline - 1), "clear_at")
        passed = [(accumulate.clear, clear), (accumulate.sum, products.sum)]
        if not p.exact:
            passed.append((accumulate.exponent, products.exponent))
        for target, value in passed:
            if p.pipeline:
                value = register(m, value, f"{target.name}_held", shape=target.shape())
            m.d.comb += target.eq(value)
        return m
