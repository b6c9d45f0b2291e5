"""The two forms of the PE (``--align``) behind one interface: what the parts around it need."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Value
from amaranth.lib.wiring import In, Member

from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters

from ..common.shared import Shared
from .align import ACTIVATION, TERM
from .cycle_pe import CyclePe, DecodeTerm
from .row_pe import (
    PLACE,
    ROW_TERM,
    DecodeRowTerm,
    RowPe,
    place_of,
    row_activation,
    two_more,
    wide_bits,
)
from .streams import TERM_BITS

__all__ = ["activation_bits", "control", "control_ports", "decode_terms", "pe_datapath",
           "pe_terms_bits"]


def pe_datapath(p: BitmodPeParameters) -> Any:
    """A PE behind decoders: ``activations`` and ``terms``, lane 0 lowest, :func:`control_ports`,
    ``total``."""
    return RowPe(p) if p.align == "row" else CyclePe(p)


def activation_bits(p: BitmodPeParameters) -> int:
    """Bits of a lane's activation at the PE."""
    return row_activation(p).size if p.align == "row" else ACTIVATION.size


def pe_terms_bits(p: BitmodPeParameters) -> int:
    """Bits of all lanes' terms at the PE; a row-aligned one takes ``wide`` of pairs beside them."""
    return p.lanes * ROW_TERM.size + wide_bits(p) if p.align == "row" else p.lanes * TERM.size


def decode_terms(m: Module, p: BitmodPeParameters, terms: Value, bsig: Value, enable: Value, *,
                 first: int = 0) -> Value:
    """The terms at the PE, from those of a term generator (:func:`.streams.terms_bits`) with their
    bsig, if ``enable``; the decoders are submodules ``term_`` and a number from ``first``."""
    row = p.align == "row"
    wide = terms[p.lanes * TERM_BITS:]
    decoded: list[Value] = []
    for i in range(p.lanes):
        decoder = DecodeRowTerm() if row else DecodeTerm(p.olive)
        decode = Shared(decoder, "bitmod_term", key=())
        m.submodules[f"term_{first + i}"] = decode
        m.d.comb += [decode.term.eq(terms.word_select(i, TERM_BITS)), decode.enable.eq(enable)]
        m.d.comb += decode.two_more.eq(two_more(bsig)) if row else decode.bsig.eq(bsig)
        if p.olive and not row:
            m.d.comb += decode.wide.eq(wide[i // 2])
        decoded.append(Value.cast(decode.decoded))
    return Cat(*decoded, wide) if row else Cat(decoded)


def control(p: BitmodPeParameters, clear: Value, bsig: Value,
            floating: Value) -> dict[str, Value]:
    """What all PEs of a tile get in a cycle, by port."""
    return {"clear": clear} | ({"place": place_of(bsig, floating)} if p.align == "row" else {})


def control_ports(p: BitmodPeParameters) -> dict[str, Member]:
    """The ports of :func:`control`."""
    return {"clear": In(1)} | ({"place": In(PLACE)} if p.align == "row" else {})
