"""Timing of a design as plain facts of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["Timing"]


@dataclass(frozen=True)
class Timing:
    """When results come, in clock cycles, nothing stalling.

    ``latency`` 0 without a register in between: the result is combinational.
    """

    latency: int            #: clock cycles; ``measured`` says between what
    interval: int           #: initiation interval: least cycles from one input to the next
    measured: str           #: the two ends of the latency, and what an input is
    #: further counts of this kind of design by name (cycles unless the name says otherwise)
    facts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def as_dict(self) -> dict[str, Any]:
        """For the manifest (JSON-ready)."""
        return dict(latency=self.latency, initiation_interval=self.interval,
                    measured=self.measured, **self.facts)
