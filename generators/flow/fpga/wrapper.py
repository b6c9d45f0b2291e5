"""Five pins around a design of any number of ports."""

from __future__ import annotations

from typing import Any

__all__ = ["scan_wrapper"]


def scan_wrapper(manifest: dict[str, Any], name: str = "scan_wrapper") -> str:
    """A module with five pins around a design: a shift register loads the inputs, another one
    unloads the outputs. Every port meets a register of the wrapper."""
    clock, reset = manifest["clock"], manifest["reset"]
    fixed = {item["port"] for item in (clock, reset) if item}
    ports = [port for port in manifest["ports"] if port["name"] not in fixed]
    connections = [f".{clock['port']}(clk)"] if clock else []
    if reset:
        net = "reset" if reset["active"] == "high" else "~reset"
        connections.append(f".{reset['port']}({net})")
    widths = {}
    for direction, net in (("input", "driven"), ("output", "seen")):
        at = 0
        for port in ports:
            if port["direction"] == direction:
                connections.append(f".{port['name']}({net}[{at + port['width'] - 1}:{at}])")
                at += port["width"]
        widths[direction] = at
    ins, outs = widths["input"], widths["output"]
    return f"""module {name} (input clk, input rst, input scan_in, input load, output reg scan_out);
  reg [{ins}:0] shift_in;
  reg [{ins - 1}:0] driven;
  reg [{outs}:0] shift_out;
  wire [{outs - 1}:0] seen;
  reg reset, loads;
  always @(posedge clk) begin
    reset <= rst;
    loads <= load;
    shift_in <= {{shift_in, scan_in}};
    if (loads) driven <= shift_in[{ins}:1];
    shift_out <= loads ? {{seen, 1'b0}} : {{shift_out, 1'b0}};
    scan_out <= shift_out[{outs}];
  end
  {manifest['top']} core ({', '.join(connections)});
endmodule
"""
