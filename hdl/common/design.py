"""What every emitted component says about itself: ports, timing, facts, memories."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from amaranth.lib import data, wiring

from lowbit.golden.parameters import Parameters
from lowbit.golden.timing import Timing

from .field import Field
from .struct import StructComponent

__all__ = ["Buffer", "Design", "check_ports"]

P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True)
class Buffer:
    """A memory of a design: ``banks`` of ``depth`` words of ``width`` bits each."""

    name: str
    banks: int
    depth: int
    width: int
    note: str       #: what it holds, and the ports of a bank

    def as_dict(self) -> dict[str, Any]:
        """For the manifest (JSON-ready)."""
        return asdict(self)


class Design(StructComponent, ABC, Generic[P]):
    """Base of the components that generators emit.

    ``members`` are those of the component's signature. Each is a port whose shape is a
    :class:`~.field.Field` (or a ``StructLayout`` of them), or a stream (valid, ready, payload)
    whose payload is a ``StructLayout`` of fields. Clock and reset belong to the emitter.
    """

    def __init__(self, parameters: P, members: Mapping[str, wiring.Member]) -> None:
        self.parameters = parameters
        check_ports(members)
        super().__init__(dict(members))

    @abstractmethod
    def timing(self) -> Timing:
        """Latency and initiation interval."""

    def derived(self) -> dict[str, Any]:
        """Widths and formats that follow from the parameters (JSON-ready)."""
        return self.parameters.derived()

    def memories(self) -> list[Buffer]:
        """Memories inside; none unless the design says so."""
        return []


def check_ports(members: Mapping[str, wiring.Member]) -> None:
    """``TypeError`` for a member that is not described by fields."""
    for name, member in members.items():
        shape: Any
        if member.is_signature:
            inner = member.signature.members
            if set(inner) != {"payload", "valid", "ready"}:
                raise TypeError(f"{name} must be a stream or a port")
            shape = inner["payload"].shape
            if not isinstance(shape, data.StructLayout):
                raise TypeError(f"the payload of stream {name} must be a StructLayout")
        else:
            shape = member.shape
        fields = [field.shape for _, field in shape] \
            if isinstance(shape, data.StructLayout) else [shape]
        if not all(isinstance(field, Field) and field.note for field in fields):
            raise TypeError(f"{name} must consist of fields with a note")
