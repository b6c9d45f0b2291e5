"""A bank of a buffer: a memory with a write port and a registered read port."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .buffers import ANY_AT_COLLISION, named_ports

__all__ = ["BLACK_BOX", "MODEL", "Bank"]

#: the module that stands for a memory that is a black box, and what it does
BLACK_BOX = "lowbit_ram"
MODEL = f"""// A memory with a write port and a registered read port, as black boxes are: replace it
// by a macro of the size, or leave it to a tool that infers memories.
// SPDX-License-Identifier: Apache-2.0
module {BLACK_BOX} #(
  parameter WIDTH = 1,
  parameter DEPTH = 2,
  parameter ADDRESS = 1
) (
  input  wire               clk,
  input  wire               write,
  input  wire [ADDRESS-1:0] write_address,
  input  wire [WIDTH-1:0]   write_data,
  input  wire               read,
  input  wire [ADDRESS-1:0] read_address,
  output reg  [WIDTH-1:0]   read_data
);
  reg [WIDTH-1:0] words [0:DEPTH-1];
  always @(posedge clk) begin
    if (write) words[write_address] <= write_data;
    if (read) read_data <= words[read_address];
  end
endmodule
"""


class Bank(wiring.Component):
    """``depth`` words of ``width`` bits.

    Ports: ``write``, ``write_address``, ``write_data``; ``read``, ``read_address``: the word is at
    ``read_data`` from the next cycle on, until the next read. A word that is written and read in
    the same cycle is undefined. ``black_box``: the memory is an instance of :data:`BLACK_BOX`.
    """

    def __init__(self, width: int, depth: int, black_box: bool = False) -> None:
        self.parameters = (width, depth, black_box)
        bits = (depth - 1).bit_length()
        super().__init__({"write": In(1), "write_address": In(bits), "write_data": In(width),
                          "read": In(1), "read_address": In(bits), "read_data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, depth, black_box = self.parameters
        if black_box:
            m.submodules.memory = Instance(
                BLACK_BOX, ("p", "WIDTH", width), ("p", "DEPTH", depth),
                ("p", "ADDRESS", len(self.read_address)), ("i", "clk", ClockSignal()),
                *(("i", name, getattr(self, name)) for name in (
                    "write", "write_address", "write_data", "read", "read_address")),
                ("o", "read_data", self.read_data))
            return m
        m.submodules.memory = words = memory.Memory(shape=width, depth=depth, init=[],
                                                    attrs=ANY_AT_COLLISION)
        write, read = named_ports(words, "memory")
        m.d.comb += [write.en.eq(self.write), write.addr.eq(self.write_address),
                     write.data.eq(self.write_data), read.en.eq(self.read),
                     read.addr.eq(self.read_address), self.read_data.eq(read.data)]
        return m
