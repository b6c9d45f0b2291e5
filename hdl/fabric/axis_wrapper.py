"""Any design with streams behind AXI4-Stream interfaces."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.shared import Shared
from ..common.struct import JoinedLayout
from .axi_stream import AxisInput, AxisOutput, axis_layout
from .elastic import of_port, to_port

__all__ = ["AxisWrapper", "stream_members"]


def stream_members(design: Design[Any]) -> dict[str, wiring.Member]:
    """The streams of a design that are no bus already."""
    return {name: member for name, member in design.signature.members.items()
            if member.is_signature and not isinstance(
                member.signature.members["payload"].shape, JoinedLayout)}


class AxisWrapper(Design[Any]):
    """``core`` with a stream NAME as the interface ``s_axis_NAME`` or ``m_axis_NAME``
    (:mod:`.axi_stream`); its other ports stay as they are.

    ``name`` is that of the core's module; ``width`` the bits of every ``tdata``, a power of two
    of bytes, or None for each as wide as its frame.
    """

    def __init__(self, core: Design[Any], name: str, width: int | None = None) -> None:
        self.core, self.name, self.width = core, name, width
        bus_bytes = None if width is None else width // 8
        members: dict[str, wiring.Member] = {}
        #: of each stream of the core: the interface's name, and the part that makes it
        self.ends: dict[str, tuple[str, AxisInput | AxisOutput]] = {}
        streams = stream_members(core)
        for port, member in core.signature.members.items():
            if port not in streams:
                members[port] = member
                continue
            payload, output = member.signature.members["payload"].shape, member.flow == Out
            axis = f"{'m' if output else 's'}_axis_{port}"
            end = (AxisOutput if output else AxisInput)(payload, bus_bytes)
            members[axis] = member.flow(stream.Signature(
                axis_layout(payload, end.frame, output=output)))
            self.ends[port] = axis, end
        super().__init__(core.parameters, members)

    def timing(self) -> Timing:
        """Of a core's beat in one bus beat: a register at either end."""
        own = self.core.timing()
        return Timing(own.latency + 2, own.interval,
                      f"{own.measured}; through both registers of the wrapper, from the last bus "
                      "beat of a frame and to the first one", own.facts)

    def derived(self) -> dict[str, Any]:
        return self.core.derived()

    def memories(self) -> list[Any]:
        return self.core.memories()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.core = core = Shared(self.core, self.name)
        for port, (axis, end) in self.ends.items():
            m.submodules[f"{port}_interface"] = end
            outer, inner = getattr(self, axis), getattr(core, port)
            if isinstance(end, AxisInput):
                to_port(m, of_port(outer), end.axis)
                to_port(m, of_port(end.beat), inner)
            else:
                to_port(m, of_port(inner), end.beat)
                to_port(m, of_port(end.axis), outer)
        for port, member in self.core.signature.members.items():
            if port not in self.ends:
                source, sink = getattr(self, port), getattr(core, port)
                m.d.comb += sink.eq(source) if member.flow == In else source.eq(sink)
        return m
