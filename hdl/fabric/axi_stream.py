"""AXI4-Stream interfaces around valid/ready streams: bytes on the bus, fields inside.

Names and rules: AMBA AXI-Stream Protocol Specification (IHI 0051). ``tdata`` has the bytes of
frames (:mod:`lowbit.golden.frames`); ``tkeep`` only at an input whose bus beats may hold several
frames.

``tlast`` is a stream's field ``last`` where it has one, set with the last bus beat of that frame.
An output without ``last`` ends a packet with each frame, an input without one has no ``tlast``.

Both ends are registered: a spare register at the ``ready`` of the side that sends, a register at
``valid`` and payload of the side that takes (:mod:`.elastic`), the width converter between them.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.frames import Frame, Place

from ..common.field import Field, flag
from ..common.struct import AxisLayout, StructComponent
from .elastic import Beat, backward, forward, of_port, to_port
from .width import Gather, Scatter

__all__ = ["AxisInput", "AxisOutput", "axis_layout", "frame_of"]

#: the field that is ``tlast``
LAST = "last"


def frame_of(payload: data.StructLayout, bus_bytes: int | None, *, output: bool) -> Frame:
    """The frame of a stream's payload, all of it but ``last``.

    Frames of an output never share a bus beat: one would wait for the next, and that perhaps for
    something that is made of the first.
    """
    fields = [Place(str(name), part.shape.element_bits, part.shape.count, part.shape.signed)
              for name, part in payload if name != LAST]
    return Frame.of_fields(fields, bus_bytes, share=not output)


def axis_layout(payload: data.StructLayout, frame: Frame, *, output: bool) -> AxisLayout:
    """Payload of the bus's stream."""
    size = frame.bus_bytes
    what = f"{frame.frames} frames, the first one lowest" if frame.frames > 1 else \
        f"a {frame.beats}th of a frame, the lowest bytes first" if frame.beats > 2 else \
        "half a frame, the lower one first" if frame.beats == 2 else "a frame"
    fields = {"data": Field(8, what, name="byte", axes={"byte": size})}
    if frame.frames > 1:
        fields["keep"] = Field(1, "bytes that are there: whole frames", name="flag",
                               axes={"byte": size})
    if LAST in payload.members:
        fields["last"] = flag(payload.members[LAST].note + "; with the end of its frame")
    elif output:
        fields["last"] = flag("end of a frame")
    return AxisLayout(fields)


def _fields(payload: data.StructLayout, frame: Frame, bits: Value, last: Any) -> dict[str, Any]:
    """The stream's fields, shaped as its payload says, out of a frame's bits."""
    found: dict[str, Any] = {LAST: last} if LAST in payload.members else {}
    for place in frame.fields:
        start = 8 * place.offset
        packed = Cat(bits[start + i * place.container:][:place.element_width]
                     for i in range(place.count))
        found[place.name] = payload.members[place.name](packed)
    return found


def _bits(frame: Frame, beat: Beat) -> Value:
    """A frame's bits out of the stream's fields; what fills is 0, or copies of a sign."""
    parts: list[Value] = []
    at = 0
    for place in frame.fields:
        parts.append(Const(0, 8 * place.offset - at))
        packed, width = Value.cast(beat[place.name]), place.element_width
        for i in range(place.count):
            element = packed[i * width:][:width]
            rest = place.container - width
            parts += [element, element[-1].replicate(rest) if place.signed else Const(0, rest)]
        at = 8 * place.offset + place.container * place.count
    return Cat(*parts, Const(0, 8 * frame.size - at))


class _End(StructComponent):
    """One interface: stream ``axis`` on the bus, stream ``beat`` inside."""

    def __init__(self, payload: data.StructLayout, bus_bytes: int | None, *, output: bool) -> None:
        self.payload = payload
        self.frame = frame_of(payload, bus_bytes, output=output)
        bus = stream.Signature(axis_layout(payload, self.frame, output=output))
        inner = stream.Signature(payload)
        super().__init__({"beat": In(inner), "axis": Out(bus)} if output else
                         {"axis": In(bus), "beat": Out(inner)})


class AxisInput(_End):
    """Beats of a stream out of an AXI4-Stream interface.

    Latency 1 cycle from the last bus beat of a frame; a bus beat and a beat a cycle at most. What
    fills containers and frames is not looked at. A packet that ends within a frame (of a stream
    with ``last``) ends the frame: its other bytes are 0. Of a bus beat of several frames those
    count whose first byte ``tkeep`` has, and always the first one.
    """

    def __init__(self, payload: data.StructLayout, bus_bytes: int | None = None) -> None:
        super().__init__(payload, bus_bytes, output=False)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        frame, bus = self.frame, self.axis.payload
        tdata = Value.cast(bus["data"])
        fields: dict[str, Any] = {LAST: bus[LAST]} if LAST in self.payload.members else {}
        if frame.beats == frame.frames == 1:
            fields = _fields(self.payload, frame, tdata, fields.get(LAST))
            taken = backward(m, Beat(self.axis.valid, fields, self.axis.ready), "taken")
        elif frame.beats > 1:
            m.submodules.gather = gather = Gather(8 * frame.bus_bytes, frame.beats)
            fields["data"] = tdata
            raw = backward(m, Beat(self.axis.valid, fields, self.axis.ready), "taken")
            to_port(m, raw, gather.part)
            word = of_port(gather.word)
            taken = Beat(word.valid, _fields(self.payload, frame, word["data"], word[LAST]),
                         word.ready)
        else:
            m.submodules.scatter = scatter = Scatter(8 * frame.size, frame.frames)
            fields |= {"data": tdata, "keep": Value.cast(bus["keep"])[::frame.size]}
            raw = backward(m, Beat(self.axis.valid, fields, self.axis.ready), "taken")
            to_port(m, raw, scatter.word)
            part = of_port(scatter.part)
            taken = Beat(part.valid, _fields(self.payload, frame, part["data"], part[LAST]),
                         part.ready)
        to_port(m, forward(m, taken, "held"), self.beat)
        return m


class AxisOutput(_End):
    """Beats of a stream into an AXI4-Stream interface.

    Latency 1 cycle to the first bus beat of a frame; a beat and a bus beat a cycle at most.
    """

    def __init__(self, payload: data.StructLayout, bus_bytes: int | None = None) -> None:
        super().__init__(payload, bus_bytes, output=True)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        frame, bus = self.frame, self.axis.payload
        taken = backward(m, of_port(self.beat), "taken")
        whole = {"data": _bits(frame, taken), LAST: taken.fields.get(LAST, Const(1, 1))}
        beat = Beat(taken.valid, whole, taken.ready)
        if frame.beats > 1:
            m.submodules.scatter = scatter = Scatter(8 * frame.bus_bytes, frame.beats)
            whole["keep"] = Const(-1, frame.beats)
            to_port(m, beat, scatter.word)
            beat = of_port(scatter.part)
        held = forward(m, beat, "held")
        m.d.comb += [self.axis.valid.eq(held.valid), held.ready.eq(self.axis.ready),
                     Value.cast(bus["data"]).eq(held["data"]), bus[LAST].eq(held[LAST])]
        return m
