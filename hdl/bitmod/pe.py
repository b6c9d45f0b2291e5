"""The BitMoD processing element: lanes of one-bit weight terms times FP16 activations.

Paper section IV-B, Figure 5; contract in docs/numerics.md, section 7. Its two forms are
:mod:`.row_pe` and :mod:`.cycle_pe`; step 4 is :mod:`.group_scale`.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters
from lowbit.golden.formats import FP16
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.field import Field, flag
from ..common.shared import Shared
from .accumulate import GroupSum
from .cycle_pe import DecodeActivation
from .forms import control, decode_terms, pe_datapath
from .streams import aligned_field, bsig_field, term_field, wide_field

__all__ = ["BitmodPe"]


class BitmodPe(Design[BitmodPeParameters]):
    """One PE with the decoders of its terms.

    Ports:

    - ``activations``, lane 0 lowest: of ``--align row`` lanes of sign and magnitude, as
      :class:`..common.aligner.Aligner` gives them; else lanes x 16, FP16 codes
    - ``terms``: lanes x 4, from the lowest bit: sign, exp (2 bits), man
    - ``wide`` (``--olive``), a bit of each pair of lanes: its terms count eightfold
    - ``bsig``: signed 4 bits, -1, 0, 2, 4 or 6: significance that the cycle's terms share
    - ``floating`` (``--align row``): the terms are of FP3 or FP4, whose sums count in halves
    - ``enable``: the cycle counts; ``first`` (with ``enable``): the accumulator starts from zero
    - ``invalid`` (``--align cycle``; else the aligners say it): an activation of this cycle is
      infinite or NaN while ``enable`` (combinational: the flag belongs to a row of PEs); the sum
      has no meaning then until the next ``first``
    - ``total``: the accumulator, :class:`.accumulate.GroupSum`

    Latency: that of the parameters, in clock edges from ``enable`` to ``total``. No reset:
    ``first`` starts.
    """

    def __init__(self, p: BitmodPeParameters) -> None:
        row = p.align == "row"
        ports = {
            "activations": In(aligned_field(p) if row else
                              Field(FP16, "activations", axes={"lane": p.lanes})),
            "terms": In(term_field(p.lanes)),
            **({"wide": In(wide_field(p.lanes))} if p.olive else {}), "bsig": In(bsig_field()),
            "enable": In(flag("the cycle counts")),
            "first": In(flag("with enable: the accumulator starts from zero"))}
        if row:
            ports["floating"] = In(flag("terms are of FP3 or FP4, not of integers"))
        else:
            ports["invalid"] = Out(flag("an activation of this cycle is infinite or NaN"))
        super().__init__(p, ports | {"total": Out(GroupSum(p).layout)})

    def timing(self) -> Timing:
        return Timing(self.parameters.latency, 1, "terms taken to the accumulator that holds "
                      "them; a term of each lane a cycle")

    def derived(self) -> dict[str, Any]:
        """What the accumulator's fields stand for."""
        return super().derived() | dict(total=GroupSum(self.parameters).as_dict())

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.core = core = pe_datapath(p)
        words = Value.cast(self.terms)
        if p.olive:
            words = Cat(words, self.wide)
        terms = decode_terms(m, p, words, self.bsig, self.enable)
        floating = self.floating if p.align == "row" else Const(0, 1)
        shared = control(p, self.first & self.enable, self.bsig, floating)
        m.d.comb += [core.terms.eq(terms), self.total.eq(core.total),
                     *(getattr(core, name).eq(value) for name, value in shared.items())]
        if p.align == "row":
            m.d.comb += core.activations.eq(self.activations)
            return m
        activations, finite = [], []
        for i in range(p.lanes):
            m.submodules[f"activation_{i}"] = activation = Shared(
                DecodeActivation(), "bitmod_activation", key=())
            m.d.comb += activation.code.eq(self.activations[i])
            activations.append(activation.activation)
            finite.append(activation.finite)
        m.d.comb += [core.activations.eq(Cat(activations)),
                     self.invalid.eq(self.enable & ~Cat(finite).all())]
        return m
