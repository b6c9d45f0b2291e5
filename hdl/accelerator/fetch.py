"""Instruction fetch: a program from memory, as a stream of instructions."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import BLOCK, INSTRUCTION_BITS

from ..common.struct import StructComponent
from ..fabric.axi import Axi4
from ..fabric.dma_read import read_command_layout, read_data_layout
from ..fabric.memory_queue import MemoryQueue
from ..fabric.words import BeatsToWords

__all__ = ["Fetch"]

#: instructions asked for at a time
AT_ONCE = 16
#: instructions of a block of memory
PER_BLOCK = BLOCK * 8 // INSTRUCTION_BITS


class Fetch(StructComponent):
    """Reads ahead as far as its queue has room: what it asked for never waits on the bus.

    Ports
    -----
    start:
        pulse: begin with the program at ``block`` (units of 64 bytes), ``length`` instructions.
    command, data:
        of the read engine.
    instruction:
        stream of instructions.
    last, over:
        there is no instruction behind the one that waits; all have been taken. ``error``: the bus
        answered with an error.
    """

    def __init__(self, bus: Axi4, black_boxes: bool = False) -> None:
        self.bus, self.black_boxes = bus, black_boxes
        super().__init__({
            "start": In(1), "block": In(bus.address_bits - 6), "length": In(32),
            "command": Out(stream.Signature(read_command_layout(bus, 1))),
            "data": In(stream.Signature(read_data_layout(bus, 1))),
            "instruction": Out(stream.Signature(INSTRUCTION_BITS)),
            "last": Out(1), "over": Out(1), "error": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = MemoryQueue(INSTRUCTION_BITS, 2 * AT_ONCE,
                                                 self.black_boxes)
        m.submodules.cut = cut = BeatsToWords(self.bus.data_bits, INSTRUCTION_BITS)
        block = Signal(len(self.block), reset_less=True)
        wanted = Signal(32)         # instructions not asked for yet
        coming = Signal(range(AT_ONCE + 1))     # of those asked for, not here yet
        waiting = Signal()          # for what was asked
        some = Signal(range(AT_ONCE + 1))
        blocks = Signal(range(AT_ONCE // PER_BLOCK + 1))
        many = Signal()             # another one is asked for after this one, or it is full
        command, beat = self.command, self.data
        asks = Signal()
        m.d.comb += [
            many.eq(wanted[AT_ONCE.bit_length() - 1:].any()),
            some.eq(Mux(many, AT_ONCE, wanted[:AT_ONCE.bit_length() - 1])),
            blocks.eq((some + PER_BLOCK - 1) >> (PER_BLOCK.bit_length() - 1)),
            command.valid.eq((wanted != 0) & ~waiting & (queue.level <= AT_ONCE)),
            command.payload.address.eq(Cat(Const(0, 6), block)),
            command.payload.length.eq(blocks), command.payload.tag.eq(0),
            asks.eq(command.valid & command.ready)]
        ends = Signal()
        m.d.comb += [
            cut.beat.valid.eq(beat.valid), cut.beat.payload.eq(beat.payload.data),
            cut.last.eq(beat.payload.last), beat.ready.eq(cut.beat.ready),
            ends.eq(beat.valid & beat.ready & beat.payload.last),
            self.error.eq(ends & beat.payload.error),
            # what lies behind the program in its last block is dropped
            queue.push.valid.eq(cut.word.valid & (coming != 0)),
            queue.push.payload.eq(cut.word.payload),
            cut.word.ready.eq(queue.push.ready | (coming == 0))]
        with m.If(queue.push.valid & queue.push.ready):
            m.d.sync += coming.eq(coming - 1)
        shift = AT_ONCE.bit_length() - 1
        with m.If(asks):
            # the block counts only if more is wanted
            m.d.sync += [waiting.eq(1), coming.eq(some), block.eq(block + AT_ONCE // PER_BLOCK),
                         wanted.eq(Mux(many, Cat(wanted[:shift], wanted[shift:] - 1), 0))]
        with m.If(ends):
            m.d.sync += waiting.eq(0)
        with m.If(self.start):
            m.d.sync += [block.eq(self.block), wanted.eq(self.length)]
        m.d.comb += [
            self.instruction.valid.eq(queue.pop.valid), queue.pop.ready.eq(self.instruction.ready),
            Value.cast(self.instruction.payload).eq(queue.pop.payload),
            self.last.eq((wanted == 0) & (coming == 0) & (queue.level == 0)),
            self.over.eq(self.last & ~queue.pop.valid)]
        return m
