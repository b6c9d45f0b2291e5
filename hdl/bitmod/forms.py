"""The two forms of the PE (``--align``) behind one interface: what the parts around it need."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Value
from amaranth.lib.wiring import In, Member

from lowbit.golden.bitmod.parameters import BitmodPeParameters

from ..common.shared import Shared
from .align import ACTIVATION, TERM
from .cycle_pe import CyclePe, DecodeTerm
from .row_pe import PLACE, ROW_TERM, DecodeRowTerm, RowPe, place_of, row_activation

__all__ = ["activation_bits", "control", "control_ports", "pe_datapath", "term_bits",
           "term_decoder"]


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


def term_decoder(p: BitmodPeParameters) -> Any:
    """From a ``term`` with its ``bsig``, if ``enable``, to ``decoded``, the term at the PE."""
    decoder = DecodeRowTerm() if p.align == "row" else DecodeTerm()
    return Shared(decoder, "bitmod_term", key=())


def control(p: BitmodPeParameters, clear: Value, bsig: Value,
            floating: Value) -> dict[str, Value]:
    """What all PEs of a tile get in a cycle, by port."""
    return {"clear": clear} | ({"place": place_of(bsig, floating)} if p.align == "row" else {})


def control_ports(p: BitmodPeParameters) -> dict[str, Member]:
    """The ports of :func:`control`."""
    return {"clear": In(1)} | ({"place": In(PLACE)} if p.align == "row" else {})
