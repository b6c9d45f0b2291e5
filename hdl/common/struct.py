"""Structs whose fields are signals of their own, so that the Verilog has the fields' names.

Amaranth makes one signal of a struct; the Verilog would then read ``beat[65:64]``.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Shape, Signal
from amaranth.lib import data, wiring

__all__ = ["AxisLayout", "JoinedLayout", "StructComponent", "joint", "signals"]


class JoinedLayout(data.StructLayout):
    """Payload of a stream whose ports' names follow that of the stream without an underscore, as
    a bus has them: ``addr``, valid and ready of ``m_axi_ar`` are ``m_axi_araddr``,
    ``m_axi_arvalid`` and ``m_axi_arready``."""


class AxisLayout(data.StructLayout):
    """Payload of an AXI4-Stream interface: ``data``, valid and ready of ``s_axis_weight`` are
    ``s_axis_weight_tdata``, ``s_axis_weight_tvalid`` and ``s_axis_weight_tready``."""


def joint(shape: Any) -> str:
    """What stands between the name of a stream with this payload and those of its ports."""
    return "" if isinstance(shape, JoinedLayout) else "_t" if isinstance(shape, AxisLayout) else "_"


def signals(shape: Any, name: str, **options: Any) -> Any:
    """``Signal(shape, name=name, **options)``; of a struct a signal ``NAME_FIELD`` per field."""
    if not isinstance(shape, data.StructLayout):
        return Signal(shape, name=name, **options)
    parts = [Signal(Shape.cast(field.shape), name=f"{name}{joint(shape)}{key}", **options)
             for key, field in shape if field.width]
    return shape(Cat(parts))


class StructComponent(wiring.Component):
    """A component whose struct members, payloads of streams among them, are such structs."""

    # Amaranth warns about an object that is created but never elaborated; until the arguments are
    # checked there is nothing to elaborate.
    _MustUse__silence = True

    def __init__(self, members: dict[str, wiring.Member]) -> None:
        super().__init__(members)
        for name, member in members.items():
            if member.is_signature:
                inner = member.signature.members.get("payload")
                if inner is not None and inner.is_port:
                    getattr(self, name).payload = signals(inner.shape, name)
            elif isinstance(member.shape, data.StructLayout):
                setattr(self, name, signals(member.shape, name))
        self._MustUse__silence = False
