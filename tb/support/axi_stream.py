"""An AXI4-Stream wrapper made from a manifest alone: what an integrator would write.

Every stream becomes an interface ``s_axis_NAME`` or ``m_axis_NAME``. ``tdata`` is the payload as
the manifest lays it out, filled up to whole bytes; ``last`` of a stream is its ``tlast``. The
clock is ``aclk``, the reset ``aresetn``. Nothing of the project is imported here.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = ["interface", "pack", "unpack", "wrapper"]

Manifest = dict[str, Any]


def interface(stream: Manifest) -> str:
    """Name of a stream's interface."""
    return ("s_axis_" if stream["direction"] == "input" else "m_axis_") + stream["name"]


def _data(stream: Manifest) -> tuple[list[Manifest], int]:
    """The fields of ``tdata`` with their places in it, and its bytes."""
    fields, place = [], 0
    for field in stream["fields"]:
        if field["name"] != "last":
            fields.append(field | {"place": place})
            place += field["width"]
    return fields, -(-place // 8)


def pack(stream: Manifest, beat: dict[str, Any]) -> tuple[int, int]:
    """``tdata`` and ``tlast`` of a beat: per field its elements, flat, the last axis fastest."""
    word = 0
    for field in _data(stream)[0]:
        values = [int(value) for value in beat[field["name"]]]
        assert len(values) == field["count"] == math.prod(field["shape"])
        width = field["element_width"]
        assert field["width"] == width * len(values)
        for i, value in enumerate(values):
            word |= (value & (1 << width) - 1) << field["place"] + i * width
    return word, int(beat["last"][0]) if "last" in beat else 0


def unpack(stream: Manifest, word: int) -> dict[str, list[int]]:
    """The elements of every field of a ``tdata`` word."""
    beat = {}
    for field in _data(stream)[0]:
        width = field["element_width"]
        values = [word >> field["place"] + i * width & (1 << width) - 1
                  for i in range(field["count"])]
        if field["signed"]:
            values = [value - (value >> width - 1 << width) for value in values]
        beat[field["name"]] = values
    return beat


def wrapper(manifest: Manifest, name: str) -> str:
    """Verilog of the module ``name`` around the design of a manifest."""
    reset = manifest["reset"]
    ports = ["input wire aclk", "input wire aresetn"]
    pins = [f".{manifest['clock']['port']}(aclk)",
            f".{reset['port']}({'aresetn' if reset['active'] == 'low' else '!aresetn'})"]
    body = []
    for stream in manifest["streams"]:
        fields, size = _data(stream)
        axis, inward = interface(stream), stream["direction"] == "input"
        there, back = ("input", "output") if inward else ("output", "input")
        ports += [f"{there} wire [{8 * size - 1}:0] {axis}_tdata", f"{there} wire {axis}_tvalid",
                  f"{there} wire {axis}_tlast", f"{back} wire {axis}_tready"]
        pins += [f".{stream['valid']}({axis}_tvalid)", f".{stream['ready']}({axis}_tready)"]
        last = [field for field in stream["fields"] if field["name"] == "last"]
        pins += [f".{field['port']}({axis}_tlast)" for field in last]
        if not inward:
            body += [] if last else [f"assign {axis}_tlast = 1'b1;"]
            used = sum(field["width"] for field in fields)
            if used < 8 * size:
                body.append(f"assign {axis}_tdata[{8 * size - 1}:{used}] = 0;")
        for field in fields:
            low = field["place"]
            pins.append(f".{field['port']}({axis}_tdata[{low + field['width'] - 1}:{low}])")
    own = {port["name"] for port in manifest["ports"] if "stream" not in port}
    if own - {manifest["clock"]["port"], reset["port"]}:
        raise ValueError(f"ports outside of streams: {', '.join(sorted(own))}")
    return (f"module {name} (\n  " + ",\n  ".join(ports) + "\n);\n"
            + "".join(f"  {line}\n" for line in body)
            + f"  {manifest['top']} core (\n    " + ",\n    ".join(pins) + "\n  );\nendmodule\n")
