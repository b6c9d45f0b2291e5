"""The design as a module of LiteX (Migen)."""

from __future__ import annotations

from .contents import Contents

__all__ = ["litex_template"]

#: names that an endpoint of LiteX has for itself: a field of such a name gets a _
_TAKEN = ("valid", "ready", "payload", "param", "description")
#: single bits that an endpoint has already
_BOUNDS = ("first", "last")

_TEXT = '''\
# {mark}
"""The Verilog of {top} as a module of LiteX: an endpoint a stream, a signal a port outside."""

from pathlib import Path

from litex.gen import LiteXModule
from litex.soc.interconnect import stream
from migen import ClockSignal, Instance, ResetSignal, Signal

__all__ = ["{name}"]


class {name}(LiteXModule):
    """An instance of {top}, in the clock domain "sys". A platform gets the Verilog file.

    Fields of an endpoint are whole ports: element 0 of a field of several is in the lowest bits.
    """

    def __init__(self, platform=None):
{members}
        self.specials += Instance(
            "{top}",
{pins}
        )
        if platform is not None:
            platform.add_source(str(Path(__file__).with_name("{top}.v")))
'''


def _pin(direction: str, port: str, value: str) -> str:
    return f'            {direction[0]}_{port}={value},'


def litex_template(bundle: Contents) -> str:
    """A ``LiteXModule``: streams are ``stream.Endpoint`` (a sink for an input), whose own ``first``
    and ``last`` carry the fields of these names."""
    members: list[str] = []
    pins: list[str] = []
    if bundle.clock:
        pins.append(_pin("input", bundle.clock, 'ClockSignal("sys")'))
    if bundle.reset:
        pins.append(_pin("input", bundle.reset,
                         f'{"~" if bundle.reset_is_low else ""}ResetSignal("sys")'))
    for stream in bundle.streams:
        name, forth = stream["name"], stream["direction"]
        members.append(f"        # {forth} stream: a {'sink' if forth == 'input' else 'source'}")
        members.append(f"        self.{name} = stream.Endpoint([")
        for field in stream["fields"]:
            place = f"{name}.{field['name']}"
            if field["name"] not in _BOUNDS or field["width"] != 1:
                end = "_" if field["name"] in (*_TAKEN, *_BOUNDS) else ""
                members.append(f'            ("{field["name"]}{end}", {field["width"]}),'
                               f"  # {field['format']}: {field['note']}")
                place = f"{name}.payload.{field['name']}{end}"
            pins.append(_pin(forth, field["port"], f"self.{place}"))
        members.append("        ])")
        pins += [_pin(forth, stream["valid"], f"self.{name}.valid"),
                 _pin("output" if forth == "input" else "input", stream["ready"],
                      f"self.{name}.ready")]
    for port in bundle.own_ports:
        members += [f"        # {port['direction']}: {port['note']}",
                    f"        self.{port['name']} = Signal({port['width']})"]
        pins.append(_pin(port["direction"], port["name"], f"self.{port['name']}"))
    return _TEXT.format(mark=bundle.mark, top=bundle.top, name=bundle.class_name,
                        members="\n".join(members), pins="\n".join(pins))
