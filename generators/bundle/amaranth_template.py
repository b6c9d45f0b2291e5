"""The design as a component of Amaranth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .contents import Contents

__all__ = ["amaranth_template"]

_HEAD = '''\
# {mark}
"""The Verilog of {top} as a component of Amaranth: streams, and ports outside of them."""

from pathlib import Path

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["{name}"]


class {name}(wiring.Component):
    """An instance of {top}, in the clock domain "sync". A platform gets the Verilog file."""

    def __init__(self):
        super().__init__({{
'''
_END = '''\
        }})

    def elaborate(self, platform):
        m = Module()
        if platform is not None:
            verilog = Path(__file__).with_name("{top}.v")
            platform.add_file(verilog.name, verilog.read_text())
        m.submodules.core = Instance(
            "{top}",
{pins}
        )
        return m
'''


def _shape(field: Mapping[str, Any]) -> str:
    element = f"{'signed' if field['signed'] else 'unsigned'}({field['element_width']})"
    return element if field["count"] == 1 else f"data.ArrayLayout({element}, {field['count']})"


def _pin(direction: str, port: str, value: str) -> str:
    return f'            {direction[0]}_{port}={value},'


def amaranth_template(bundle: Contents) -> str:
    """A ``wiring.Component``: a stream a member, its payload a structure of the manifest's fields,
    an array where a field has several elements (element 0 lowest)."""
    members: list[str] = []
    pins: list[str] = []
    if bundle.clock:
        pins.append(_pin("input", bundle.clock, 'ClockSignal("sync")'))
    if bundle.reset:
        pins.append(_pin("input", bundle.reset, f'{"~" if bundle.reset_is_low else ""}'
                         'ResetSignal("sync")'))
    for stream in bundle.streams:
        name, forth = stream["name"], stream["direction"]
        members.append(f'            "{name}": {"In" if forth == "input" else "Out"}('
                       "stream.Signature(data.StructLayout({")
        for field in stream["fields"]:
            members += [f"                # {field['format']}: {field['note']}",
                        f'                "{field["name"]}": {_shape(field)},']
            pins.append(_pin(forth, field["port"], f'self.{name}.payload["{field["name"]}"]'))
        members.append("            }))),")
        pins += [_pin(forth, stream["valid"], f"self.{name}.valid"),
                 _pin("output" if forth == "input" else "input", stream["ready"],
                      f"self.{name}.ready")]
    for port in bundle.own_ports:
        members += [f"            # {port['note']}",
                    f'            "{port["name"]}": '
                    f'{"In" if port["direction"] == "input" else "Out"}({_shape(port)}),']
        pins.append(_pin(port["direction"], port["name"], f'self.{port["name"]}'))
    words = dict(mark=bundle.mark, top=bundle.top, name=bundle.class_name, pins="\n".join(pins))
    text = _HEAD.format_map(words) + "\n".join([*members, ""]) + _END.format_map(words)
    return _used_only(text)


def _used_only(text: str) -> str:
    """The text without names that it imports and has no use of."""
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if line.startswith("from ") and " import " in line:
            module, _, names = line.partition(" import ")
            used = [name for name in names.split(", ")
                    if any(f"{name}{end}" in text for end in ("(", "."))]
            lines[i] = f"{module} import {', '.join(used)}" if used else ""
    return "\n".join(lines)
