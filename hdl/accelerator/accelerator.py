"""The accelerator: registers on AXI4-Lite, and what they start on AXI4."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import Out

from lowbit.golden.accelerator.isa import INSTRUCTION_BITS, Error
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.timing import Timing

from ..common.design import Buffer, Design
from ..common.field import flag
from ..fabric.axi import Axi4, AxiLite, attach
from ..fabric.register_block import RegisterBlock
from .fetch import AT_ONCE
from .frame import Frame
from .registers import registers_of

__all__ = ["Accelerator"]


class Accelerator(Design[AccelParameters]):
    """An engine behind buffers, an instruction set and an AXI4 master.

    Software writes a program and its data to memory, the place of both to the registers, and 1 to
    CTRL.start; ``irq`` rises at the end, if it may (CTRL.irq_en), until STATUS is cleared. See
    docs/accelerator.md.
    """

    def __init__(self, p: AccelParameters) -> None:
        self.bus, self.lite = Axi4(p.axi_data, p.axi_address), AxiLite(12)
        super().__init__(p, {
            **self.lite.slave_members(), **self.bus.read_members(), **self.bus.write_members(),
            "irq": Out(flag("interrupt: a program is over"))})

    def timing(self) -> Timing:
        p = self.parameters
        return Timing(p.compute.result_latency, 1, "last weight beat taken to first result in the "
                      "buffer; programs: the cycle model", {"result_words": p.drain})

    def memories(self) -> list[Buffer]:
        p = self.parameters
        found = [Buffer("activations", p.M, p.a_depth, p.a_word, "activations of a row")]
        if p.compute.exponent_bits:
            found.append(Buffer("exponents", p.M, p.e_depth, p.compute.exponent_bits,
                                "exponents of groups of a row's activations"))
        for name, word, depth in (("patterns", p.w_word, p.w_depth),
                                  ("scales", p.s_word, p.s_depth),
                                  ("offsets", p.o_word, p.s_depth)):
            if word:
                found.append(Buffer(name, 1, depth // p.ratio(word), word * p.ratio(word),
                                    f"{name} of weights"))
        queues = [Buffer("fetched", 1, 2 * AT_ONCE, INSTRUCTION_BITS, "instructions")]
        return [*found, Buffer("results", p.M, p.p_depth, p.p_word, "results of a row"), *queues]

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.registers = registers = RegisterBlock(registers_of(p))
        m.submodules.frame = frame = Frame(p)
        attach(m, self, registers, self.lite.slave_members())
        attach(m, self, frame, self.bus.read_members() | self.bus.write_members())
        bases = [Cat(getattr(registers, f"base_{i}_lo"), getattr(registers, f"base_{i}_hi"))
                 for i in range(8)]
        failed = Signal()
        m.d.comb += [
            failed.eq(frame.done & (frame.code != Error.NONE)),
            frame.start.eq(registers.ctrl_start), frame.cancel.eq(registers.ctrl_abort),
            frame.block.eq(Cat(registers.prog_lo, registers.prog_hi)),
            frame.length.eq(registers.prog_len), frame.bases.eq(Cat(bases)),
            registers.status_busy.eq(frame.busy), registers.status_done_set.eq(frame.done),
            registers.status_error_set.eq(failed), registers.status_code.eq(frame.code),
            registers.status_code_write.eq(frame.done),
            registers.cycles_count.eq(frame.busy), registers.beats_count.eq(frame.beat),
            registers.stall_load_count.eq(frame.waits_prev),
            registers.stall_store_count.eq(frame.waits_next),
            registers.stall_core_count.eq(frame.held),
            registers.rd_beats_count.eq(frame.read_beat),
            registers.wr_beats_count.eq(frame.write_beat)]
        m.d.comb += [getattr(frame, name.lower()).eq(getattr(registers, name.lower()))
                     for name in p.compute.settings]
        # instructions that went to their units since the start
        taken = Signal(32)
        m.d.sync += taken.eq(Mux(registers.ctrl_start, 0, taken + frame.taken))
        m.d.comb += registers.pc.eq(taken)
        # END says whether its program interrupts; errors always do
        wants = Signal()
        with m.If(frame.done):
            m.d.sync += wants.eq(frame.irq)
        m.d.comb += self.irq.eq(registers.ctrl_irq_en & wants
                                & (registers.status_done | registers.status_error))
        return m
