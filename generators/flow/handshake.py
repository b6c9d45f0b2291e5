"""Checks of valid/ready streams on the emitted Verilog: paths through a design, and proofs.

What a stream must keep to be put on a bus (AXI4-Stream): no combinational path leads from one
interface to another, or from a ready to a valid; what is valid stays, with its payload, until it
is taken; in reset nothing is valid or ready.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .prove import prove_always
from .yosys import run_yosys

__all__ = ["Stream", "streams_of", "cones", "forbidden_paths", "prove_handshake"]


@dataclass(frozen=True)
class Stream:
    """A stream of a design; ``valid``, ``ready`` and ``fields`` (of its payload) are ports."""

    name: str
    is_output: bool
    valid: str
    ready: str
    fields: tuple[str, ...]

    @property
    def ports(self) -> tuple[str, ...]:
        return self.valid, self.ready, *self.fields

    @property
    def driven(self) -> tuple[str, ...]:
        """The ports that the design drives."""
        return (self.valid, *self.fields) if self.is_output else (self.ready,)


def streams_of(manifest: Mapping[str, Any]) -> list[Stream]:
    """The streams that a manifest describes."""
    return [Stream(stream["name"], stream["direction"] == "output", stream["valid"],
                   stream["ready"], tuple(field["port"] for field in stream["fields"]))
            for stream in manifest["streams"]]


def cones(verilog: str, top: str) -> dict[str, set[str]]:
    """Of every output port the input ports that reach it through gates alone.

    The design is flattened and mapped to gates. A path ends at a flip-flop (which are taken away
    before, and with them what only they need), not at a latch.
    """
    with tempfile.TemporaryDirectory(prefix="lowbit-cones-") as folder:
        (Path(folder) / "design.v").write_text(verilog)
        run_yosys(["read_verilog design.v", f"hierarchy -check -top {top}", "proc", "flatten",
                   "opt -fast", "memory", "delete t:$*dff* t:$ff", "opt_clean -purge",
                   "select -assert-none t:$*mem*", "techmap", "opt",
                   "write_json netlist.json"], Path(folder))
        module = json.loads((Path(folder) / "netlist.json").read_text())["modules"][top]
    sources: dict[int, Iterable[int]] = {}
    for cell in module["cells"].values():
        sides: dict[str, list[int]] = {"input": [], "output": []}
        for port, bits in cell["connections"].items():
            sides[cell["port_directions"][port]] += [bit for bit in bits if isinstance(bit, int)]
        sources.update(dict.fromkeys(sides["output"], sides["input"]))
    inputs = {bit: name for name, port in module["ports"].items()
              if port["direction"] == "input" for bit in port["bits"]}
    return {name: _reached(port["bits"], sources, inputs)
            for name, port in module["ports"].items() if port["direction"] == "output"}


def _reached(bits: Iterable[Any], sources: Mapping[int, Iterable[int]],
             inputs: Mapping[int, str]) -> set[str]:
    todo = [bit for bit in bits if isinstance(bit, int)]
    seen = set(todo)
    while todo:
        new = set(sources.get(todo.pop(), ())) - seen
        seen |= new
        todo += new
    return {inputs[bit] for bit in seen if bit in inputs}


def forbidden_paths(verilog: str, manifest: Mapping[str, Any]) -> list[str]:
    """Combinational paths that a bus forbids, as ``output <- input``; none if all is well.

    A valid and its payload must not follow any input, a ready none of other interfaces. Of its
    own stream a ready may follow valid and payload.
    """
    reached = cones(verilog, manifest["top"])
    return [f"{port} <- {source}" for stream in streams_of(manifest) for port in stream.driven
            for source in sorted(reached[port])
            if stream.is_output or source not in stream.ports]


def prove_handshake(verilog: str, manifest: Mapping[str, Any], *, free: Sequence[str] = (),
                    steps: int = 8) -> bool:
    """Is it so from a cycle of reset in any state on, for all inputs (k-induction, k up to
    ``steps``)?

    1. A valid output stays valid, with its payload, until it is ready.
    2. In the cycle after one with reset no stream is valid or ready.

    Modules of ``free`` are left out: their outputs are taken to be anything in every cycle, which
    makes a proof shorter and no weaker. False: not proved, which may be a counterexample, a need
    of more steps, or of a module that was left out.
    """
    streams = streams_of(manifest)
    clock, reset = manifest["clock"]["port"], manifest["reset"]["port"]
    active = reset if manifest["reset"]["active"] == "high" else f"!{reset}"
    declared = [f"  input {clock}, input {reset}"]
    wires, past, asserts = [], [], []
    for port in manifest["ports"]:
        name, size = port["name"], f"[{port['width'] - 1}:0] "
        if name in (clock, reset):
            continue
        if port["direction"] == "input":
            declared.append(f"  input {size}{name}")
        else:
            wires.append(f"  wire {size}{name};")
    for stream in streams:
        for port in stream.driven:
            if port in (stream.valid, stream.ready):
                asserts.append(f"    if (was_reset) assert(!{port});")
        if stream.is_output:
            valid, ready = stream.valid, stream.ready
            payload = "{" + ", ".join(stream.fields) + "}"
            width = sum(p["width"] for p in manifest["ports"] if p["name"] in stream.fields)
            wires += [f"  reg {stream.name}_waits;", f"  reg [{width - 1}:0] {stream.name}_old;"]
            past += [f"    {stream.name}_waits <= {valid} & !{ready} & !({active});",
                     f"    {stream.name}_old <= {payload};"]
            asserts += [f"    if (begun & {stream.name}_waits & !({active})) assert({valid} & "
                        f"{payload} == {stream.name}_old);"]
    connections = ", ".join(f".{port['name']}({port['name']})" for port in manifest["ports"])
    text = "\n".join([
        "module handshake(", ",\n".join(declared), ");", *wires,
        "  reg begun = 0;", "  reg was_reset = 0;",
        f"  {manifest['top']} dut({connections});",
        f"  always @(posedge {clock}) begin",
        "    begun <= 1;", f"    was_reset <= {active};", *past, "  end",
        "  always @* begin", f"    if (!begun) assume({active});", *asserts, "  end", "endmodule"])
    return prove_always(verilog, text, top="handshake", steps=steps, free=free).proved
