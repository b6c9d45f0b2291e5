"""The bundle's own page: what each file is, the ports, how to use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .contents import Contents

__all__ = ["readme"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _row(*cells: object) -> str:
    return f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return [_row(*head), "|" + "---|" * len(head), *(_row(*row) for row in rows), ""]


def _elements(field: Mapping[str, Any]) -> str:
    """``16 x int26``; and which index is which, slowest first."""
    text = f"{field['count']} x {field['format']}" if field["count"] > 1 else field["format"]
    axes = [f"{axis} {size}" for axis, size in zip(field["axes"], field["shape"], strict=True)
            if size > 1]
    return f"{text} ({', '.join(axes)})" if axes else text


def _ports(bundle: Contents) -> list[str]:
    described = {field["port"]: field for stream in bundle.streams for field in stream["fields"]}
    rows = []
    for port in bundle.manifest["ports"]:
        field = described.get(port["name"], port)
        rows.append((f"`{port['name']}`", port["direction"], port["width"],
                     _elements(field) if "format" in field else "handshake",
                     port.get("stream", ""), field["note"]))
    return _table(("port", "direction", "bits", "elements", "stream", "what"), rows)


def _clocking(bundle: Contents) -> str:
    if bundle.clock is None:
        return "There are no registers, hence no clock and no reset."
    text = f"Clock `{bundle.clock}`, {bundle.manifest['clock']['edge']} edge, constrained to " \
           f"{bundle.period_ns:g} ns (`--clock`)."
    if bundle.reset is None:
        return text + " No state needs a reset."
    reset = bundle.manifest["reset"]
    return text + (f" Reset `{bundle.reset}`, {reset['kind']}, active {reset['active']}: "
                   f"{reset['note']}.")


def readme(bundle: Contents, files: Sequence[tuple[str, str, str]]) -> str:
    """Markdown. ``files``: name, what it is, and how it is used."""
    timing = bundle.manifest["timing"]
    lines = [f"<!-- {bundle.mark} -->", f"# {bundle.top}", "",
             f"Made by `{bundle.manifest['command']}`, lowbit {bundle.manifest['version']}; "
             f"licence {bundle.manifest['license']}. The same command and version give the same "
             "bytes.", "",
             f"{_clocking(bundle)} Latency {timing['latency']}, "
             f"initiation interval {timing['initiation_interval']} ({timing['measured']}).", "",
             "## Files", ""]
    lines += _table(("file", "what"), [(f"`{name}`", what) for name, what, _ in files])
    lines += ["## Ports", "",
              "In a port of several elements the first one has the lowest bits; of several indices "
              "the last one named runs fastest. A stream's word moves at a clock edge where valid "
              "and ready are 1.", "", *_ports(bundle)]
    lines += ["## Use", ""]
    for name, _, use in files:
        if use:
            lines += [f"**`{name}`.** {use}", ""]
    return "\n".join(lines)
