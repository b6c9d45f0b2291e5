"""BitMoD tile: rows x columns of bit-serial PEs, output-stationary (paper section IV-C)."""

from __future__ import annotations

from amaranth.hdl import Module, Value

from lowbit.golden.bitmod.cycles import operation_timing
from lowbit.golden.bitmod.parameters import BitmodTileParameters
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..fabric.elastic import forward, of_port
from .mesh import ColumnOperands, RowOperands, mesh
from .results import deliver
from .sequencer import Sequencer
from .streams import mesh_ports
from .term_generator import special_values

__all__ = ["BitmodTile"]


class BitmodTile(Design[BitmodTileParameters]):
    """Streams in: ``activation``, ``weight``, ``group``, ``channel``; out: ``result``.

    A chunk is ``lanes`` inputs of all rows (activations) and columns (weights). It takes as many
    cycles as its weights have terms. Beats wait in registers at the ports, which a chunk leaves
    with its last term and a group with its last chunk. The results of an operation leave after its
    last group, while the next one runs; each ``channel`` beat is consumed with the last row of its
    columns. Special values are programmed through ``sv_write``, ``sv_index`` and ``sv_value``. See
    :mod:`.streams` for the fields and :mod:`lowbit.golden.bitmod.cycles` for the cycles.
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        super().__init__(p, mesh_ports(p))

    def timing(self) -> Timing:
        return operation_timing(self.parameters)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.sequencer = sequencer = Sequencer(p)
        # each stream's beat waits in a register for the others: no ready follows another's valid
        activation = forward(m, of_port(self.activation), "activation_beat")
        weight = forward(m, of_port(self.weight), "weight_beat")
        group = forward(m, of_port(self.group), "group_beat")
        m.d.comb += [
            sequencer.ready.eq(activation.valid & weight.valid & group.valid),
            sequencer.floating.eq(group["floating"]), sequencer.terms.eq(group["terms"]),
            sequencer.chunks.eq(group["chunks"]), sequencer.ending.eq(group["last"]),
            activation.ready.eq(sequencer.take_chunk), weight.ready.eq(sequencer.take_chunk),
            group.ready.eq(sequencer.take_group)]
        operands = ColumnOperands(*(Value.cast(value) for value in (
            weight["codes"], group["selectors"], group["scales"])))
        exponents = Value.cast(group["exponents"]) if p.align == "row" else None
        row = RowOperands(Value.cast(activation["values"]), exponents)
        tiles = mesh(m, p, sequencer.step, special_values(m, self), [row], [operands])
        deliver(m, p, sequencer, tiles, self.result, self.channel if p.channel_scale else None)
        return m
