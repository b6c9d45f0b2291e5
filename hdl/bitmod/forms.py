"""The two forms of the PE (``--align``) behind one interface: what the parts around it need."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Value
from amaranth.lib.wiring import In, Member

from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters

from ..common.shared import Shared
from .align import ACTIVATION, TERM
from .cycle_pe import CyclePe, DecodeTerm
from .row_pe import PLACE, ROW_TERM, DecodeRowTerm, RowPe, place_of, row_activation, two_more

__all__ = ["activation_bits", "control", "control_ports", "decode_term", "pe_datapath",
           "term_bits"]


def pe_datapath(p: BitmodPeParameters) -> Any:
    """A PE behind decoders: ``activations`` and ``terms``, lane 0 lowest, :func:`control_ports`,
    ``total``."""
    return RowPe(p) if p.align == "row" else CyclePe(p)


def activation_bits(p: BitmodPeParameters) -> int:
    """Bits of a lane's activation at the PE."""
    return row_activation(p).size if p.align == "row" else ACTIVATION.size


def term_bits(p: BitmodPeParameters) -> int:
    """Bits of a lane's term at the PE."""
    return ROW_TERM.size if p.align == "row" else TERM.size


def decode_term(m: Module, p: BitmodPeParameters, name: str, term: Value, bsig: Value,
                enable: Value) -> Any:
    """The term at the PE, from a term of the term generator with its bsig, if ``enable``; the
    decoder is the submodule ``name``."""
    decoder = DecodeRowTerm() if p.align == "row" else DecodeTerm()
    m.submodules[name] = decode = Shared(decoder, "bitmod_term", key=())
    m.d.comb += [decode.term.eq(term), decode.enable.eq(enable)]
    m.d.comb += decode.two_more.eq(two_more(bsig)) if p.align == "row" else decode.bsig.eq(bsig)
    return decode.decoded


def control(p: BitmodPeParameters, clear: Value, bsig: Value,
            floating: Value) -> dict[str, Value]:
    """What all PEs of a tile get in a cycle, by port."""
    return {"clear": clear} | ({"place": place_of(bsig, floating)} if p.align == "row" else {})


def control_ports(p: BitmodPeParameters) -> dict[str, Member]:
    """The ports of :func:`control`."""
    return {"clear": In(1)} | ({"place": In(PLACE)} if p.align == "row" else {})
