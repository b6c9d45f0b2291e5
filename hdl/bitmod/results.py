"""The way of results out of a design: counted out of the tiles, through lanes, to the stream."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Signal, Value

from lowbit.golden.bitmod.tile_parameters import BitmodMeshParameters

from ..common.pipeline import register
from ..common.shared import Shared
from ..fabric.elastic import Beat, backward, of_port
from .channel_scale import ChannelScale
from .mesh import Mesh
from .sequencer import Drain, Sequencer

__all__ = ["deliver"]


def deliver(m: Module, p: BitmodMeshParameters, sequencer: Sequencer, mesh: Mesh, result: Any,
            channel: Any) -> None:
    """Connect the ``result`` stream, and the ``channel`` stream unless it is None."""
    m.submodules.drain = drain = Drain(p)
    m.d.comb += [drain.start.eq(sequencer.start), sequencer.left.eq(drain.left)]
    # one register at the port, that of the lanes
    held = Signal()
    held_last = Signal(reset_less=True)
    enable = Signal()
    m.d.comb += enable.eq(result.ready | ~held)
    with m.If(enable):
        m.d.sync += [held.eq(drain.advance), held_last.eq(drain.last)]
    scales = None
    if channel is None:
        m.d.comb += drain.enable.eq(enable)
    else:
        scales = backward(m, of_port(channel), "channel_beat")
        m.d.comb += [drain.enable.eq(enable & scales.valid),
                     scales.ready.eq(drain.advance & drain.set_ends)]
    words = _lanes(m, p, drain, mesh, scales, enable)
    if mesh.clipped:
        now = Signal(len(mesh.clipped), name="clipped")
        m.d.comb += now.eq(Cat(Array(rows)[drain.row] for rows in mesh.clipped))
        m.d.comb += Value.cast(result.payload.clipped).eq(
            register(m, now, "held_clipped", enable=enable))
    m.d.comb += [result.valid.eq(held), result.payload["values"].eq(Cat(words)),
                 result.payload.last.eq(held_last)]


def _lanes(m: Module, p: BitmodMeshParameters, drain: Drain, mesh: Mesh, scales: Beat | None,
           enable: Value) -> list[Value]:
    """Results of the row and the columns that leave, of all tiles."""
    words = []
    for i, row in enumerate(mesh.tiles):
        invalid = Signal(name=f"invalid_{i}")
        m.d.comb += invalid.eq(Array(mesh.invalid[i])[drain.row])
        for j, tile in enumerate(row):
            m.d.comb += [tile.select.eq(drain.select), tile.shift.eq(drain.advance)]
            for lane in range(p.out_columns):
                out = Shared(ChannelScale(p.tile), "bitmod_lane")
                m.submodules[f"lane_{i}_{j}_{lane}"] = out
                m.d.comb += [out.sum.eq(tile.heads.word_select(lane, 32)),
                             out.invalid.eq(invalid), out.enable.eq(enable)]
                if scales is not None:
                    m.d.comb += out.scale.eq(scales["scales"][j][lane])
                words.append(out.result)
    return words
