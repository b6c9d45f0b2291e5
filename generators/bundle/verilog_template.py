"""An instance of the design in Verilog, to be copied into the user's module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .contents import Contents

__all__ = ["verilog_template"]


def _declaration(port: Mapping[str, Any]) -> str:
    width = "" if port["width"] == 1 else f" [{port['width'] - 1}:0]"
    return f"{port['direction']} wire{width} {port['name']}"


def verilog_template(bundle: Contents) -> str:
    """A module with the design's ports and an instance of it: every port by name, with its note."""
    ports: list[str] = []
    pins: list[str] = []
    last = bundle.manifest["ports"][-1]["name"]
    for note, group in bundle.groups():
        ports.append(f"  // {note}")
        pins.append(f"    // {note}")
        for port in group:
            end = "" if port["name"] == last else ","
            ports.append(f"  {_declaration(port)}{end}")
            pins.append(f"    .{port['name']}({port['name']}){end}")
    return "\n".join([
        f"// {bundle.mark}",
        "// Copy the instance into your module, and put your nets between the brackets.",
        f"module {bundle.top}_template (", *ports, ");", "",
        f"  {bundle.top} core (", *pins, "  );", "", "endmodule", ""])
