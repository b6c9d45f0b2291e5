"""BitMoD tile: rows x columns of bit-serial PEs, output-stationary (paper section IV-C)."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from lowbit.golden.bitmod.cycles import operation_timing
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import FP16
from lowbit.golden.timing import Timing

from ..common.design import Buffer, Design
from ..common.shared import Shared
from ..fabric.elastic import Beat, forward, of_port
from ..fabric.memory_queue import MemoryQueue
from .exponent_scan import scan_groups
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

    With ``--exponent scan`` the activations of a group wait in a queue until the exponents of its
    rows are known. The places that chunks leave are filled by the next group, which is scanned
    meanwhile.
    """

    def __init__(self, p: BitmodTileParameters) -> None:
        super().__init__(p, mesh_ports(p))

    def timing(self) -> Timing:
        return operation_timing(self.parameters)

    def memories(self) -> list[Buffer]:
        p = self.parameters
        if not p.scans:
            return []
        return [Buffer("activation_queue", 1, p.queue_chunks, p.rows * p.lanes * FP16.bits,
                       "activations whose exponents are not yet known, a chunk a word; a write "
                       "port and a registered read port")]

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.sequencer = sequencer = Sequencer(p)
        # each stream's beat waits in a register for the others: no ready follows another's valid
        found = None
        if p.scans:
            activation, found = self._scanned(m)
        else:
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
        exponents = None
        if found:
            exponents = found["exponents"]
            m.d.comb += found.ready.eq(sequencer.take_group)
        elif p.align == "row":
            exponents = Value.cast(group["exponents"])
        row = RowOperands(Value.cast(activation["values"]), exponents)
        tiles = mesh(m, p, sequencer.step, special_values(m, self), [row], [operands])
        deliver(m, p, sequencer, tiles, self.result, self.channel if p.channel_scale else None)
        return m

    def _scanned(self, m: Module) -> tuple[Beat, Beat]:
        """(activations of the oldest group, valid when it is complete; its exponents)."""
        p, port = self.parameters, self.activation
        values = Value.cast(port.payload["values"])
        m.submodules.queue = queue = Shared(MemoryQueue(len(values), p.queue_chunks),
                                            "bitmod_activation_queue")
        take = Signal(name="activation_take")
        m.d.comb += take.eq(port.valid & port.ready)
        scanned = scan_groups(m, p, values, take, port.payload.last)
        found = forward(m, scanned, "exponent_beat")
        ready = Signal(name="activation_used")
        m.d.comb += [port.ready.eq(queue.push.ready & (~scanned.valid | scanned.ready)),
                     queue.push.valid.eq(take), queue.push.payload.eq(values),
                     queue.pop.ready.eq(ready)]
        # with a group's exponents its chunks are there, the first one in the queue's register:
        # both take two cycles
        return Beat(found.valid, {"values": queue.pop.payload}, ready), found
