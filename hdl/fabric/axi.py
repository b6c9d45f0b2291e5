"""AXI4 and AXI4-Lite as members of a component: a stream a channel, ports under AXI's names.

The payload of a channel is a struct of AXI's fields, so that a channel is a stream like any other
inside; at the edge of a module its ports are called as a bus user expects (``m_axi_araddr``,
``m_axi_arvalid``; :class:`~..common.struct.JoinedLayout`). What the fields mean: AMBA AXI and ACE
Protocol Specification (IHI 0022).

A master of ours asks for little, and says the rest with constants:

=========  =====  ==============================================================================
field      value  meaning
=========  =====  ==============================================================================
id         0      one order of responses for all
size       width  every beat is as wide as the bus
burst      1      INCR
lock       0      normal access
cache      3      normal memory, not cacheable, bufferable
prot       0      unprivileged, secure, data
qos        0      no quality of service
=========  =====  ==============================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..common.field import Field, flag
from ..common.struct import JoinedLayout
from .elastic import of_port, to_port

__all__ = ["Axi4", "AxiLite", "attach", "BLOCK", "OKAY", "SLVERR", "DECERR"]

#: responses
OKAY, SLVERR, DECERR = 0, 2, 3
#: bytes of the unit in which addresses are aligned: the widest beat, so that no burst has a
#: narrow or an unaligned beat whatever the width of the bus
BLOCK = 64

Members = dict[str, wiring.Member]


def _bits(bits: int, note: str, name: str = "unsigned") -> Field:
    return Field(bits, note, name=name)


@dataclass(frozen=True)
class Axi4:
    """Widths of an AXI4 bus.

    ``id_bits`` 0 leaves the ids out; with any the masters of ours send 0 and look at none.
    """

    data_bits: int = 256
    address_bits: int = 40
    id_bits: int = 1

    def __post_init__(self) -> None:
        if self.data_bits not in (64, 128, 256, 512):
            raise ValueError(f"data_bits must be 64, 128, 256 or 512; got {self.data_bits}")
        if not 13 <= self.address_bits <= 64:
            raise ValueError(f"address_bits must be 13..64; got {self.address_bits}")
        if self.id_bits < 0:
            raise ValueError(f"id_bits must not be negative; got {self.id_bits}")

    @property
    def beat_bytes(self) -> int:
        return self.data_bits // 8

    @property
    def size(self) -> int:
        """What AXI's size field says: log2 of the bytes of a beat."""
        return self.beat_bytes.bit_length() - 1

    def burst_bytes(self, limit: int = 4096) -> int:
        """Bytes of the longest burst: ``limit`` (a power of two, 128 to 4096), or 256 beats."""
        if limit not in (128, 256, 512, 1024, 2048, 4096):
            raise ValueError(f"a burst must have 128, 256, ... 4096 bytes at most; got {limit}")
        return min(limit, 256 * self.beat_bytes)

    def _id(self) -> dict[str, Field]:
        return {"id": _bits(self.id_bits, "transaction")} if self.id_bits else {}

    def _address(self) -> stream.Signature:
        return stream.Signature(JoinedLayout(self._id() | {
            "addr": _bits(self.address_bits, "byte address of the burst"),
            "len": _bits(8, "beats of the burst less one"),
            "size": _bits(3, "log2 of the bytes of a beat"),
            "burst": _bits(2, "1: ascending addresses"),
            "lock": flag("exclusive access"),
            "cache": _bits(4, "memory attributes", "bits"),
            "prot": _bits(3, "protection", "bits"),
            "qos": _bits(4, "quality of service", "bits")}))

    def read_members(self, prefix: str = "m_axi") -> Members:
        """Members of a read master: ``PREFIX_ar`` and ``PREFIX_r``."""
        data = stream.Signature(JoinedLayout(self._id() | {
            "data": _bits(self.data_bits, "data, lowest byte first", "bits"),
            "resp": _bits(2, "0 okay, 2 slave error, 3 decode error", "bits"),
            "last": flag("last beat of the burst")}))
        return {f"{prefix}_ar": Out(self._address()), f"{prefix}_r": In(data)}

    def write_members(self, prefix: str = "m_axi") -> Members:
        """Members of a write master: ``PREFIX_aw``, ``PREFIX_w`` and ``PREFIX_b``."""
        data = stream.Signature(JoinedLayout({
            "data": _bits(self.data_bits, "data, lowest byte first", "bits"),
            "strb": Field(1, "bytes to be written", axes={"byte": self.beat_bytes}),
            "last": flag("last beat of the burst")}))
        response = stream.Signature(JoinedLayout(self._id() | {
            "resp": _bits(2, "0 okay, 2 slave error, 3 decode error", "bits")}))
        return {f"{prefix}_aw": Out(self._address()), f"{prefix}_w": Out(data),
                f"{prefix}_b": In(response)}

    def drive_constants(self, m: Module, channel: Any) -> None:
        """Drive what an address channel says in every burst, all but ``addr`` and ``len``."""
        constants = {"size": self.size, "burst": 1, "lock": 0, "cache": 3, "prot": 0, "qos": 0}
        if self.id_bits:
            constants["id"] = 0
        m.d.comb += [channel.payload[name].eq(value) for name, value in constants.items()]


@dataclass(frozen=True)
class AxiLite:
    """Widths of an AXI4-Lite bus of 32-bit data; its addresses are those within the slave."""

    address_bits: int = 12

    def slave_members(self, prefix: str = "s_axi") -> Members:
        """Members of a slave: ``PREFIX_aw``, ``_w``, ``_b``, ``_ar`` and ``_r``."""
        address = {"addr": _bits(self.address_bits, "byte address within the slave"),
                   "prot": _bits(3, "protection, not looked at", "bits")}
        resp = {"resp": _bits(2, "0 okay, 2 slave error", "bits")}
        data = {"data": _bits(32, "data", "bits")}
        strb = {"strb": Field(1, "bytes to be written", axes={"byte": 4})}
        return {f"{prefix}_{name}": flow(stream.Signature(JoinedLayout(fields)))
                for name, flow, fields in (("aw", In, address), ("w", In, data | strb),
                                           ("b", Out, resp), ("ar", In, address),
                                           ("r", Out, data | resp))}


def attach(m: Module, outer: Any, inner: Any, members: Members) -> None:
    """Make streams of ``outer``, the component of ``m``, those of ``inner``, a submodule, which
    have the same names: ``attach(m, self, engine, bus.read_members())``."""
    for name, member in members.items():
        ends = [getattr(outer, name), getattr(inner, name)]
        source, target = ends if member.flow == In else reversed(ends)
        to_port(m, of_port(source), target)
