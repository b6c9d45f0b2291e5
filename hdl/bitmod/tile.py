"""BitMoD tile: rows x columns of bit-serial PEs, output-stationary (paper section IV-C)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.bitmod.cycles import operation_timing
from lowbit.golden.bitmod.parameters import BitmodTileParameters
from lowbit.golden.timing import Timing

from ..common.design import Design
from .mesh import ColumnOperands, Mesh, RowOperands
from .streams import (
    activation_layout,
    channel_layout,
    group_layout,
    result_layout,
    special_value_ports,
    weight_layout,
)

__all__ = ["BitmodTile"]


class BitmodTile(Design[BitmodTileParameters]):
    """Streams in: ``activation``, ``weight``, ``group``, ``channel``; out: ``result``.

    A chunk is ``lanes`` inputs of all rows (activations) and columns (weights). It takes as many
    cycles as its weights have terms, and is consumed with the last; the group with its last
    chunk. The results of an operation leave after its last group, while the next one runs; each
    ``channel`` beat is consumed with the last row of its columns. Special values are programmed
    through ``sv_write``, ``sv_index`` and ``sv_value``. See :mod:`.streams` for the fields and
    :mod:`lowbit.golden.bitmod.cycles` for the cycles.
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        members: dict[str, Any] = {
            **{name: In(field) for name, field in special_value_ports().items()},
            "activation": In(stream.Signature(activation_layout(p))),
            "weight": In(stream.Signature(weight_layout(p))),
            "group": In(stream.Signature(group_layout(p)))}
        if p.channel_scale:
            members["channel"] = In(stream.Signature(channel_layout(p)))
        members["result"] = Out(stream.Signature(result_layout(p)))
        super().__init__(p, members)

    def timing(self) -> Timing:
        return operation_timing(self.parameters)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        mesh = Mesh(m, p, 1, 1)
        sequencer, group = mesh.sequencer, self.group.payload
        m.d.comb += [
            sequencer.ready.eq(self.activation.valid & self.weight.valid & self.group.valid),
            sequencer.floating.eq(group.floating), sequencer.terms.eq(group.terms),
            sequencer.chunks.eq(group.chunks), sequencer.ending.eq(group.last),
            self.activation.ready.eq(sequencer.take_chunk),
            self.weight.ready.eq(sequencer.take_chunk),
            self.group.ready.eq(sequencer.take_group)]
        mesh.special_values(self.sv_write, self.sv_index, self.sv_value)
        mesh.connect([RowOperands(Value.cast(self.activation.payload["values"]))],
                     [ColumnOperands(Value.cast(self.weight.payload.codes),
                                     Value.cast(group.selectors), Value.cast(group.scales))])
        mesh.results(self.result, self.channel if p.channel_scale else None)
        return m
