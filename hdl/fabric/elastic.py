"""Elastic registers: a stream that a bus can carry, at the edge of a design or inside it.

A register cuts a stream's handshake in one direction, or two of them in both. It keeps a beat a
cycle, loses none, and its ``ready`` is low in reset and in the cycle after it: it comes from
registers that reset clears.

====================  =======  ========  =========================  ============================
register              beats    latency   cuts                       cost of a payload bit
====================  =======  ========  =========================  ============================
:func:`forward`       1        1 cycle   ``valid`` and payload      flip-flop with enable
:func:`backward`      1 spare  0 cycles  ``ready``                  that and a multiplexer
both                  2        1 cycle   all                        twice the one, once the other
====================  =======  ========  =========================  ============================

Every payload field is a signal of its own, ``NAME_FIELD``, so that the Verilog has the field's
name where the field is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value

__all__ = ["Beat", "connect", "of_port", "to_port", "forward", "backward", "registered"]


@dataclass(frozen=True)
class Beat:
    """A stream inside a module: its beat, if there is one, and whether it is taken.

    ``valid`` and ``fields`` (by name; also ``beat["name"]``; shaped as the port's) are to be
    read. Whoever reads the
    beat drives ``ready``: the beat is taken in a cycle in which both are set.
    """

    valid: Value
    fields: Mapping[str, Any]
    ready: Signal

    def __getitem__(self, field: str) -> Any:
        return self.fields[field]


def of_port(port: Any) -> Beat:
    """The beat at an input stream (``amaranth.lib.stream``, its payload a struct)."""
    return Beat(port.valid, {str(name): port.payload[name] for name, _ in port.payload.shape()},
                port.ready)


def to_port(m: Module, beat: Beat, port: Any) -> None:
    """Drive an output stream with ``beat``."""
    m.d.comb += [port.valid.eq(beat.valid), beat.ready.eq(port.ready)]
    m.d.comb += [port.payload[name].eq(value) for name, value in beat.fields.items()]


def connect(m: Module, source: Any, sink: Any) -> None:
    """Beats of the stream ``source`` go to ``sink``: two ports, or values of the same shape."""
    m.d.comb += [sink.valid.eq(source.valid), source.ready.eq(sink.ready),
                 sink.payload.eq(source.payload)]


def forward(m: Module, beat: Beat, name: str) -> Beat:
    """One register: ``valid`` and payload a cycle later.

    Registers ``NAME_valid``, ``NAME_FIELD`` and ``NAME_open``. ``ready`` of ``beat`` follows from
    them and from the ``ready`` of the beat that is returned, which counts only while it is valid.
    """
    valid, is_open = Signal(name=f"{name}_valid"), Signal(name=f"{name}_open")
    ready, load, stays = (Signal(name=f"{name}_{what}") for what in ("ready", "load", "stays"))
    m.d.comb += [beat.ready.eq(is_open | (valid & ready)), load.eq(beat.valid & beat.ready),
                 stays.eq(load | (valid & ~ready))]
    # open is "not valid", but for reset, in which nothing is taken
    m.d.sync += [valid.eq(stays), is_open.eq(~stays)]
    fields: dict[str, Any] = {}
    for field, value in beat.fields.items():
        fields[field] = held = Signal(value.shape(), name=f"{name}_{field}", reset_less=True)
        with m.If(load):
            m.d.sync += held.eq(value)
    return Beat(valid, fields, ready)


def backward(m: Module, beat: Beat, name: str) -> Beat:
    """A spare register (skid buffer): ``ready`` of ``beat`` is itself a register.

    Registers ``NAME_open``, ``NAME_spare_valid`` and ``NAME_spare_FIELD``; the beat that is
    returned has the names ``NAME_FIELD``. It is there in the cycle in which it is taken; if
    it is not read then, it waits in the spare register.
    """
    is_open, spare = Signal(name=f"{name}_open"), Signal(name=f"{name}_spare_valid")
    valid, ready, stays = (Signal(name=f"{name}_{what}") for what in ("valid", "ready", "stays"))
    m.d.comb += [beat.ready.eq(is_open), valid.eq(spare | (beat.valid & is_open)),
                 stays.eq(valid & ~ready)]
    m.d.sync += [spare.eq(stays), is_open.eq(~stays)]
    fields: dict[str, Any] = {}
    for field, value in beat.fields.items():
        held = Signal(value.shape(), name=f"{name}_spare_{field}", reset_less=True)
        fields[field] = now = Signal(value.shape(), name=f"{name}_{field}")
        with m.If(is_open):
            m.d.sync += held.eq(value)
        m.d.comb += now.eq(Mux(spare, held, value))
    return Beat(valid, fields, ready)


def registered(m: Module, beat: Beat, name: str) -> Beat:
    """Both registers: the spare one before the other, so that no path goes through."""
    return forward(m, backward(m, beat, f"{name}_in"), name)
