"""What a bundle is made from: a manifest, and the files that the design's family adds."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..flow.sdc import period_of

__all__ = ["Contents"]


@dataclass(frozen=True)
class Contents:
    """A manifest, as the writers of files see it. ``more``: what the family's own files are, by
    name (``accel.h``)."""

    manifest: Mapping[str, Any]
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def top(self) -> str:
        """The top module; every file of the bundle but two is named after it."""
        top: str = self.manifest["top"]
        return top

    @property
    def mark(self) -> str:
        """What made the design: the first line of every file."""
        return "{generated}: {command}".format_map(self.manifest)

    @property
    def class_name(self) -> str:
        """The top module's name as Python writes classes: ``lut_core`` is ``LutCore``."""
        name = "".join(word[0].upper() + word[1:] for word in self.top.split("_") if word)
        name = name if name[:1].isalpha() else f"Core{name}"
        return f"{name}_" if keyword.iskeyword(name) else name

    @property
    def period_ns(self) -> float:
        """The clock period that constraints ask for."""
        return period_of(self.manifest)

    @property
    def clock(self) -> str | None:
        """The clock's port, if there are registers."""
        return self.manifest["clock"]["port"] if self.manifest["clock"] else None

    @property
    def reset(self) -> str | None:
        """The reset's port, if there is state."""
        return self.manifest["reset"]["port"] if self.manifest["reset"] else None

    @property
    def reset_is_low(self) -> bool:
        """The reset's level that resets is 0."""
        return bool(self.reset) and self.manifest["reset"]["active"] == "low"

    @property
    def streams(self) -> list[Mapping[str, Any]]:
        """The streams, as the manifest has them."""
        return list(self.manifest["streams"])

    @property
    def own_ports(self) -> list[Mapping[str, Any]]:
        """The ports outside of streams, but clock and reset."""
        return [port for port in self.manifest["ports"]
                if "stream" not in port and port["name"] not in (self.clock, self.reset)]

    @property
    def models(self) -> list[str]:
        """Verilog of what the design leaves to the user's library, for simulation."""
        return [name for name in self.more if name.endswith(".v")]

    @property
    def has_bus(self) -> bool:
        """It is master of an AXI4 bus."""
        return any(port["name"] == "m_axi_arvalid" for port in self.manifest["ports"])

    def groups(self) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
        """The ports in their order, in groups: a comment, and the ports that it is about."""
        streams = {stream["name"]: stream for stream in self.streams}
        for port in self.manifest["ports"]:
            if (name := port.get("stream")) is None:
                yield port["note"], [port]
            elif name in streams:
                stream = streams.pop(name)
                yield (f"{stream['direction']} stream {name}",
                       [p for p in self.manifest["ports"] if p.get("stream") == name])
