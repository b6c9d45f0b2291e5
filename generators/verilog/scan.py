"""A design between two shift registers: few pins, for place and route.

A core has more ports than a package has pins. Here a shift register loads its inputs, another one
unloads its outputs, and every port meets a register of the wrapper: what lies between two
registers of the core, or between a register and a port, counts as a path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from amaranth.hdl import Const

from lowbit.hdl.common.field import Field

from ..errors import UsageError
from .ports import Port, check_identifier
from .shape import comment

if TYPE_CHECKING:
    from .emit import Emitted

__all__ = ["scan_wrapper", "scanned"]

_NOTES = {"clk": "clock, rising edge", "rst": "reset, synchronous, active high",
          "scan_in": "next bit of the inputs, the highest bit of the last one first",
          "load": "apply the inputs that were shifted in, take the outputs to be shifted out",
          "scan_out": "next bit of the outputs, the highest bit of the last one first"}


def _chain(manifest: Mapping[str, Any], direction: str) -> tuple[list[dict[str, Any]], int]:
    """Ports of one direction, clock and reset left out, with their places; and all their bits."""
    fixed = {item["port"] for item in (manifest["clock"], manifest["reset"]) if item}
    found, at = [], 0
    for port in manifest["ports"]:
        if port["direction"] == direction and port["name"] not in fixed:
            found.append(dict(port=port["name"], offset=at, width=port["width"]))
            at += port["width"]
    return found, at


def _pins(manifest: Mapping[str, Any]) -> list[str]:
    return [name for name in _NOTES if name != "rst" or manifest["reset"]]


def _bits(low: int, width: int) -> str:
    return f"{low}" if width == 1 else f"{low + width - 1}:{low}"


def scan_wrapper(manifest: Mapping[str, Any], name: str = "scan_wrapper") -> str:
    """The wrapper as a Verilog module around the design of a manifest: ``clk``, ``rst`` (where the
    design has a reset), ``scan_in``, ``load`` and ``scan_out``.

    Shift in as many bits as all inputs have, the highest first; ``load`` in the cycle after the
    last one applies them, and takes the outputs of before. Those leave from three cycles later on,
    the highest bit first.
    """
    clock, reset = manifest["clock"], manifest["reset"]
    pins = [f".{clock['port']}(clk)"] if clock else []
    if reset:
        pins.append(f".{reset['port']}({'reset' if reset['active'] == 'high' else '~reset'})")
    (inputs, ins), (outputs, outs) = (_chain(manifest, way) for way in ("input", "output"))
    for ports, net in ((inputs, "driven"), (outputs, "seen")):
        pins += [f".{port['port']}({net}[{_bits(port['offset'], port['width'])}])"
                 for port in ports]
    declared = ",\n".join(
        (comment(_NOTES[pin], "  ") if pin not in ("clk", "rst") else "")
        + f"  {'output reg ' if pin == 'scan_out' else 'input  wire'} {pin}"
        for pin in _pins(manifest))
    joined = ",\n    ".join(pins)
    return f"""// {manifest['top']} between a shift register for its inputs and one for its outputs
module {name} (
{declared}
);
  reg [{ins - 1}:0] driven;
  reg loads;
{'  reg reset;' if reset else ''}
  wire [{outs - 1}:0] seen;
  reg [{ins}:0] shift_in;
  reg [{outs}:0] shift_out;
  always @(posedge clk) begin
{'    reset <= rst;' if reset else ''}
    loads <= load;
    shift_in <= {{ shift_in[{ins - 1}:0], scan_in }};
    if (loads) begin
      driven <= shift_in[{ins}:1];
    end
    shift_out <= loads ? {{ seen, 1'b0 }} : {{ shift_out[{outs - 1}:0], 1'b0 }};
    scan_out <= shift_out[{outs}];
  end
  {manifest['top']} core (
    {joined}
  );
endmodule
""".replace("\n\n", "\n")


def scanned(core: Emitted, top: str) -> Emitted:
    """An emitted design in the wrapper ``top``."""
    check_identifier("--top", top)
    old = core.manifest
    if top in old["modules"]:
        raise UsageError(f"--top must differ from the design's other modules; got {top}")
    head, _, body = core.verilog.partition("\n\n")
    verilog = f"{head}\n\n{scan_wrapper(old, top)}\n{body}"
    manifest = dict(old)
    ports = [Port(pin, 1, "output" if pin == "scan_out" else "input", Const(0),
                  Field(1, _NOTES[pin], name={"clk": "clock", "rst": "reset"}.get(pin, "flag"))
                  ).as_dict() for pin in _pins(old)]
    (inputs, ins), (outputs, outs) = (_chain(old, way) for way in ("input", "output"))
    manifest |= dict(
        top=top, verilog_sha256=hashlib.sha256(verilog.encode()).hexdigest(), ports=ports,
        streams=[], modules={top: 1} | old["modules"],
        clock=(old["clock"] or {}) | dict(port="clk", edge="rising"),
        timing=old["timing"] | dict(measured=f"{old['timing']['measured']}; of the core inside"),
        wrap=dict(kind="scan", core=old["top"], shift_in=ins, shift_out=outs, inputs=inputs,
                  outputs=outputs))
    if old["reset"]:
        manifest["reset"] = dict(port="rst", kind="sync", active="high",
                                 note="hold it over at least one rising clock edge")
    return replace(core, verilog=verilog, manifest=manifest, top=top)
