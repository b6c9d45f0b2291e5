"""A design behind AXI4-Stream interfaces: the component, and what the manifest says of it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Elaboratable

from lowbit.hdl.common.design import Design
from lowbit.hdl.fabric.axis_wrapper import AxisWrapper, stream_members

from ..errors import UsageError

__all__ = ["axis_facts", "axis_wrapper"]


def axis_wrapper(core: Design[Any], name: str, width: int | None) -> AxisWrapper:
    """The component; :class:`UsageError` for a design that has no streams to wrap."""
    if not stream_members(core):
        for part in (core, *vars(core).values()):
            if isinstance(part, Elaboratable):
                part._MustUse__used = True      # refused: Amaranth need not remark on it
        has_bus = any(member.is_signature for member in core.signature.members.values())
        why = "has AXI interfaces already" if has_bus else "has none with these parameters"
        raise UsageError(f"--wrap axis needs streams to wrap, and {name} {why}; leave --wrap out")
    return AxisWrapper(core, name, width)


def axis_facts(wrapper: AxisWrapper, core: str, streams: list[dict[str, Any]]) -> dict[str, Any]:
    """For the manifest: where each field of the core's streams lies in the frames of its
    interface. ``core`` is the core's module, ``streams`` are those of its manifest."""
    found = []
    for stream in streams:
        axis, end = wrapper.ends[stream["name"]]
        frame, own = end.frame, {field["name"]: field for field in stream["fields"]}
        places = []
        for place in frame.fields:
            field = own[place.name]
            places.append({key: field[key] for key in ("name", "format", "signed", "element_width",
                                                       "count", "axes", "shape", "note")}
                          | dict(offset=place.offset, container=place.container))
        last = "last" if "last" in own else "frame" if stream["direction"] == "output" else None
        found.append(dict(
            stream=stream["name"], interface=axis, direction=stream["direction"],
            bus_bytes=frame.bus_bytes, frame_bytes=frame.size, beats=frame.beats,
            frames=frame.frames, tlast=last, fields=places))
    return dict(kind="axis", width=wrapper.width, core=core, streams=found)
