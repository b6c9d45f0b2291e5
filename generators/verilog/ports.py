"""The Verilog ports of a component: names, order, widths; its streams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Const, Shape, Value
from amaranth.lib import data, wiring

from lowbit.hdl.common.field import Field
from lowbit.hdl.common.struct import joint

from ..errors import UsageError

__all__ = ["Port", "component_ports", "component_streams", "check_identifier", "KEYWORDS"]

KEYWORDS = frozenset("""
always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign
default defparam design disable edge else end endcase endconfig endfunction endgenerate
endmodule endprimitive endspecify endtable endtask event for force forever fork function generate
genvar highz0 highz1 if ifnone incdir include initial inout input instance integer join large
liblist library localparam macromodule medium module nand negedge nmos nor noshowcancelled not
notif0 notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup
pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat rnmos rpmos rtran
rtranif0 rtranif1 scalared showcancelled signed small specify specparam strong0 strong1 supply0
supply1 table task time tran tranif0 tranif1 tri tri0 tri1 triand trior trireg unsigned use uwire
vectored wait wand weak0 weak1 while wire wor xnor xor
accept_on alias always_comb always_ff always_latch assert assume before bind bins binsof bit break
byte chandle checker class clocking const constraint context continue cover covergroup coverpoint
cross dist do endchecker endclass endclocking endgroup endinterface endpackage endprogram
endproperty endsequence enum eventually expect export extends extern final first_match foreach
forkjoin global iff ignore_bins illegal_bins implements implies import inside int interconnect
interface intersect join_any join_none let local logic longint matches modport nettype new nexttime
null package packed priority program property protected pure rand randc randcase randsequence ref
reject_on restrict return s_always s_eventually s_nexttime s_until s_until_with sequence shortint
shortreal soft solve static string strong struct super sync_accept_on sync_reject_on tagged this
throughout timeprecision timeunit type typedef union unique unique0 until until_with untyped var
virtual void wait_order weak wildcard with within
""".split())     # noqa: SIM905
#: notes of a stream's handshake
_HANDSHAKE = {"valid": "the sender has a beat", "ready": "the receiver takes it"}
#: names of clock and reset, and those that every component has
_RESERVED = ("clk", "rst", "rst_n", "signature", "elaborate")


def check_identifier(what: str, text: str) -> None:
    """Refuse a name that Verilog or SystemVerilog does not take as a plain identifier."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise UsageError(f"{what} must be a Verilog identifier (letters, digits, _, no digit "
                         f"first); got '{text}'")
    if text in KEYWORDS:
        raise UsageError(f"{what} must not be a Verilog or SystemVerilog keyword; got '{text}'")


@dataclass(frozen=True)
class Port:
    """One Verilog port. ``value`` is the Amaranth value behind it (a slice for a struct field)."""

    name: str
    width: int
    direction: str          #: "input" or "output"
    value: Value
    field: Field            #: meaning and packing; without a note where the component gives none
    stream: str = ""        #: the stream that the port belongs to, if any
    whole: Value | None = None      #: the struct that the value is a field of

    def shape(self) -> tuple[str, int, str]:
        return self.name, self.width, self.direction

    def as_dict(self) -> dict[str, Any]:
        """For the manifest (JSON-ready)."""
        found = dict(name=self.name, direction=self.direction, width=self.width,
                     signed=self.field.signed, note=self.field.description())
        # a stream's own list has the details of its fields
        return found | (dict(stream=self.stream) if self.stream else self.field.as_dict())


def _field(shape: Any) -> Field:
    """What is known of a port's shape."""
    if isinstance(shape, Field):
        return shape
    plain = Shape.cast(shape)
    return Field(plain.width, "", signed=plain.signed)


def component_ports(component: Any) -> list[Port]:
    """The ports of a component in the order of its signature, without clock and reset.

    Nested names are joined by ``_``: a stream ``weight`` has ``weight_valid``, ``weight_ready``
    and ``weight_payload``. A member whose shape is a struct becomes one port per field, and for a
    stream the field follows the stream's name: ``weight_index``; without the underscore where the
    payload is a :class:`~lowbit.hdl.common.struct.JoinedLayout`. Arrays are one packed vector,
    element 0 in the least significant bits. Constant members (always ready) have no port.
    """
    ports: list[Port] = []
    for path, member, value in component.signature.flatten(component):
        if isinstance(value, Const):
            continue
        words, link = [str(word) for word in path], "_"
        direction = "input" if member.flow == wiring.In else "output"
        whole: Value | None = None
        stream = words[0] if len(words) == 2 and _is_stream(
            component.signature.members[path[0]]) else ""
        if stream:
            link = joint(component.signature.members[path[0]].signature.members["payload"].shape)
        fields: list[tuple[list[str], Any, Any]] = [(words, member.shape, value)]
        if isinstance(member.shape, data.StructLayout):
            if len(words) > 1 and words[-1] == "payload":
                words = words[:-1]
            fields = [([*words, str(key)], part.shape, value[key]) for key, part in member.shape]
            whole = Value.cast(value)
        elif stream and words[-1] in _HANDSHAKE:
            fields = [(words, Field(1, _HANDSHAKE[words[-1]], name="flag"), value)]
        for parts, shape, part in fields:
            bits = Value.cast(part)
            if len(bits):
                ports.append(Port(link.join(parts), len(bits), direction, bits, _field(shape),
                                  stream, whole))
    names = [port.name for port in ports]
    for name in names:
        check_identifier("port name", name)
        if names.count(name) > 1 or name in _RESERVED:
            raise ValueError(f"port name '{name}' of the emitted module is taken")
    return ports


def _is_stream(member: wiring.Member) -> bool:
    return member.is_signature and set(member.signature.members) == {"payload", "valid", "ready"}


def component_streams(component: Any, ports: list[Port]) -> list[dict[str, Any]]:
    """The streams of a component for the manifest, in the order of its signature.

    ``offset`` is a field's place in the payload: the fields concatenated, the first one lowest.
    """
    streams = []
    for name in dict.fromkeys(port.stream for port in ports if port.stream):
        payload = component.signature.members[name].signature.members["payload"].shape
        start = name + joint(payload)
        fields, offset = [], 0
        for port in ports:
            if port.stream == name and port.name not in (f"{start}valid", f"{start}ready"):
                fields.append(dict(name=port.name.removeprefix(start), port=port.name,
                                   offset=offset, width=port.width, note=port.field.note)
                              | port.field.as_dict())
                offset += port.width
        flow = component.signature.members[name].flow
        streams.append(dict(name=name, direction="input" if flow == wiring.In else "output",
                            valid=f"{start}valid", ready=f"{start}ready", width=offset,
                            fields=fields))
    return streams
