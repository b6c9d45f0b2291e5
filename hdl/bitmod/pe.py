"""The BitMoD processing element: lanes of one-bit weight terms times FP16 activations.

Paper section IV-B, Figure 5; contract in docs/numerics.md, section 7. Steps 1 and 2 (align, add)
are :mod:`.align`, step 3 (group accumulation) is :mod:`.accumulate`, step 4 :mod:`.group_scale`.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.parameters import BitmodPeParameters
from lowbit.golden.formats import FP16
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.field import Field, flag
from ..common.pipeline import delayed, register
from ..common.shared import Shared
from ..common.struct import StructComponent
from .accumulate import GroupSum, accumulator
from .align import ACTIVATION, POWER_BITS, TERM, AlignedSum, ExactSum
from .streams import bsig_field, term_field

__all__ = ["BitmodPe", "PeDatapath", "DecodeActivation", "DecodeTerm"]

#: bits of a term: sign, exp (2), man
TERM_BITS = 4


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
    """

    def __init__(self) -> None:
        super().__init__({"term": In(TERM_BITS), "bsig": In(signed(4)), "enable": In(1),
                          "decoded": Out(TERM)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        power = Signal(POWER_BITS)
        m.d.comb += [power.eq(self.term[1:3] + self.bsig + 1), self.decoded.sign.eq(self.term[0]),
                     self.decoded.power.eq(power), self.decoded.man.eq(self.term[3] & self.enable)]
        return m


class PeDatapath(StructComponent):
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


class BitmodPe(Design[BitmodPeParameters]):
    """One PE with its decoders.

    Ports:

    - ``activations``: lanes x 16, FP16 codes, lane 0 lowest
    - ``terms``: lanes x 4, from the lowest bit: sign, exp (2 bits), man
    - ``bsig``: signed 4 bits, -1, 0, 2, 4 or 6: significance that the cycle's terms share
    - ``enable``: the cycle counts; ``first`` (with ``enable``): the accumulator starts from zero
    - ``invalid``: an activation of this cycle is infinite or NaN while ``enable`` (combinational:
      the flag belongs to a row of PEs); the sum has no meaning then until the next ``first``
    - ``total``: the accumulator, :class:`.accumulate.GroupSum`

    Latency: that of the parameters, in clock edges from ``enable`` to ``total``. No reset:
    ``first`` starts.
    """

    def __init__(self, p: BitmodPeParameters) -> None:
        super().__init__(p, {
            "activations": In(Field(FP16, "activations", axes={"lane": p.lanes})),
            "terms": In(term_field(p.lanes)), "bsig": In(bsig_field()),
            "enable": In(flag("the cycle counts")),
            "first": In(flag("with enable: the accumulator starts from zero")),
            "invalid": Out(flag("an activation of this cycle is infinite or NaN")),
            "total": Out(GroupSum(p).layout)})

    def timing(self) -> Timing:
        return Timing(self.parameters.latency, 1, "terms taken to the accumulator that holds "
                      "them; a term of each lane a cycle")

    def derived(self) -> dict[str, Any]:
        """What the accumulator's fields stand for."""
        return super().derived() | dict(total=GroupSum(self.parameters).as_dict())

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.core = core = PeDatapath(p)
        activations, terms, finite = [], [], []
        for i in range(p.lanes):
            m.submodules[f"activation_{i}"] = activation = Shared(
                DecodeActivation(), "bitmod_activation", key=())
            m.submodules[f"term_{i}"] = term = Shared(
                DecodeTerm(), "bitmod_term", key=())
            m.d.comb += [activation.code.eq(self.activations[i]),
                         term.term.eq(self.terms[i]),
                         term.bsig.eq(self.bsig), term.enable.eq(self.enable)]
            activations.append(activation.activation)
            terms.append(term.decoded)
            finite.append(activation.finite)
        m.d.comb += [core.activations.eq(Cat(activations)), core.terms.eq(Cat(terms)),
                     core.clear.eq(self.first & self.enable),
                     self.invalid.eq(self.enable & ~Cat(finite).all()),
                     self.total.eq(core.total)]
        return m
