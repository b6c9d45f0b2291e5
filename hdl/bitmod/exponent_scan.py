"""The exponents of rows and groups, found as their activations are written (``--exponent scan``).

Golden model: :func:`lowbit.golden.bitmod.row_alignment.group_exponents`. The paper aligns by
cycles and has no such part.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.bitmod.tile_parameters import BitmodMeshParameters
from lowbit.golden.formats import FP16

from ..common.largest import largest
from ..common.shared import Shared
from ..fabric.elastic import Beat

__all__ = ["ExponentScan", "scan_groups"]


class ExponentScan(Component):
    """Largest exponent field of a row's activations since the group's first chunk.

    Ports: ``fields`` of a chunk (FP16, ``lanes`` of them), ``take``: it counts, ``first``: it is
    a group's first. ``exponent``, from a register: a cycle after the chunk; subnormals and zeros
    as 1. Where the model leaves out infinities and NaNs they count here, with field 31: the
    results of their row are NaN whatever the exponent is.
    """

    def __init__(self, lanes: int) -> None:
        self.parameters = lanes
        super().__init__({"fields": In(lanes * FP16.ebits), "take": In(1), "first": In(1),
                          "exponent": Out(FP16.ebits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # data needs no reset: a group's first chunk takes none of it
        found = Signal(FP16.ebits, reset_less=True)
        kept = Signal(FP16.ebits)
        fields = [self.fields.word_select(lane, FP16.ebits) for lane in range(self.parameters)]
        m.d.comb += [kept.eq(found & (~self.first).replicate(len(found))),
                     self.exponent.eq(Cat(found[0] | ~found.any(), found[1:]))]
        top = largest(m, [kept, *fields], "largest")
        with m.If(self.take):
            m.d.sync += found.eq(top)
        return m


def scan_groups(m: Module, p: BitmodMeshParameters, values: Value, take: Value,
                last: Value) -> Beat:
    """Scan the chunks of the ``activation`` stream; a beat a group is returned: ``exponents`` of
    all rows.

    ``values`` of a chunk, the cycle in which it is taken (``take``), and whether it is the
    ``last`` of its group. The beat is there a cycle after that one and stays until it is taken. Up
    to then no chunk may be taken: only while the beat's ``valid`` is low, or in the cycle in which
    it is taken.
    """
    first = Signal(name="scan_first", init=1)
    found = Signal(name="scan_found")
    ready = Signal(name="scan_ready")
    with m.If(take):
        m.d.sync += first.eq(last)
    m.d.sync += found.eq((take & last) | (found & ~ready))
    exponents = []
    for row in range(p.tiles[0] * p.rows):
        m.submodules[f"scan_{row}"] = scan = Shared(ExponentScan(p.lanes), "bitmod_scan")
        codes = [values.word_select(row * p.lanes + lane, FP16.bits) for lane in range(p.lanes)]
        m.d.comb += [scan.fields.eq(Cat(code[FP16.mbits:-1] for code in codes)),
                     scan.take.eq(take), scan.first.eq(first)]
        exponents.append(scan.exponent)
    return Beat(found, {"exponents": Cat(exponents)}, ready)
