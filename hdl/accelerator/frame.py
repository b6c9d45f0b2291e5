"""The accelerator without its registers: fetch, load, execute, store, and what stops them."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import Error
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.shared import Cleared
from ..common.struct import StructComponent
from ..fabric.axi import Axi4
from ..fabric.dma_read import DmaRead
from ..fabric.dma_write import DmaWrite
from ..fabric.elastic import connect
from ..fabric.read_share import ReadShare
from ..fabric.words import beat_parts
from .dispatch import Dispatch
from .execute import Execute, buffer_ports
from .fetch import Fetch
from .load import Load
from .result_buffer import ResultBuffer
from .store import LENGTH_BITS, Store

__all__ = ["Frame"]


class Frame(StructComponent):
    """Runs a program from ``start`` to its end, an error or ``cancel``.

    An error, or an abort, stops all units and brings them to the state after reset, lets the bus
    finish what is under way, and ends the program; the next one finds everything as new.

    Ports
    -----
    start, cancel:
        pulses; one that does not fit the state is ignored.
    block, length, bases:
        the program (units of 64 bytes, instructions) and eight base addresses (64 bytes).
    busy, done, irq, code:
        a program runs; pulse: it is over, with an interrupt or not; why.
    taken, beat, held, waits_prev, waits_next, read_beat, write_beat:
        for counters: an instruction is dispatched; a weight beat is taken, or waits for the engine;
        execute waits for load, for store; a beat on the bus.
    m_axi_ar, ... :
        the bus.
    special, ... :
        registers that belong to the engine.
    """

    def __init__(self, p: AccelParameters) -> None:
        self.parameters = p
        self.bus = bus = Axi4(p.axi_data, p.axi_address)
        blocks = p.axi_address - 6
        super().__init__({
            "start": In(1), "cancel": In(1), "block": In(blocks), "length": In(32),
            "bases": In(8 * blocks), "busy": Out(1), "done": Out(1), "irq": Out(1),
            "code": Out(4), **{name: Out(1) for name in (
                "taken", "beat", "held", "waits_prev", "waits_next", "read_beat", "write_beat")},
            **bus.read_members(), **bus.write_members(),
            **{name.lower(): In(32) for name in p.compute.settings}})

    def elaborate(self, platform: object) -> Module:
        m, p, bus = Module(), self.parameters, self.bus
        # from an error, or an END that more was fetched behind, to the end of what the bus has
        # under way
        stop = Signal(init=1)
        m.submodules.share = share = ReadShare(bus)
        m.submodules.reads = reads = DmaRead(bus, tag_bits=share.tag_bits,
                                             outstanding=p.outstanding)
        m.submodules.writes = writes = DmaWrite(
            bus, length_bits=LENGTH_BITS, parts=beat_parts(p.p_word, p.axi_data))
        parts = {"fetch": Fetch(bus, p.black_boxes), "dispatch": Dispatch(p), "load": Load(p, bus),
                 "execute": Execute(p), "results": ResultBuffer(p), "store": Store(p, bus)}
        for name, part in parts.items():
            m.submodules[name] = parts[name] = Cleared(
                part, f"accel_{name}", stop, key=(p, bus))
        fetch, dispatch, load, execute, results, store = parts.values()

        for channel, master in (("ar", reads), ("r", reads), ("aw", writes), ("w", writes),
                                ("b", writes)):
            inner, outer = (getattr(of, f"m_axi_{channel}") for of in (master, self))
            connect(m, *((outer, inner) if channel in ("r", "b") else (inner, outer)))
        for source, sink in (
                (share.command, reads.command), (reads.data, share.data),
                (fetch.command, share.command_0), (share.data_0, fetch.data),
                (load.command, share.command_1), (share.data_1, load.data),
                (fetch.instruction, dispatch.instruction), (dispatch.load, load.instruction),
                (dispatch.execute, execute.instruction), (dispatch.store, store.instruction),
                (load.result, results.load), (execute.partial, results.partial),
                (results.partial_values, execute.partial_values), (store.request, results.store),
                (results.store_word, store.word), (store.command, writes.command),
                (store.data, writes.data), (writes.done, store.done)):
            connect(m, source, sink)
        m.d.comb += [getattr(execute, name).eq(getattr(load, name)) for name in buffer_ports(p)]
        m.d.comb += [getattr(execute, name.lower()).eq(getattr(self, name.lower()))
                     for name in p.compute.settings]
        m.d.comb += [
            results.result_write.eq(execute.result_write),
            results.result_address.eq(execute.result_address),
            results.result_values.eq(execute.result_values),
            load.bases.eq(self.bases), store.bases.eq(self.bases),
            fetch.block.eq(self.block), fetch.length.eq(self.length),
            dispatch.over.eq(fetch.over), dispatch.load_idle.eq(load.idle),
            dispatch.execute_idle.eq(execute.idle), dispatch.store_idle.eq(store.idle),
            dispatch.push_load_next.eq(load.pushes),
            dispatch.push_execute_prev.eq(execute.freed),
            dispatch.push_execute_next.eq(execute.finished),
            dispatch.push_store_prev.eq(store.pushes)]

        # -- start and end --------------------------------------------------------------------
        faults = (
            (Error.READ, fetch.error | load.error), (Error.WRITE, store.error),
            (Error.BOUNDS, load.bounds | execute.fault | store.bounds),
            (Error.OPCODE, dispatch.opcode), (Error.FIELD, dispatch.field),
            (Error.TOKENS, dispatch.tokens), (Error.DEADLOCK, dispatch.deadlock),
            (Error.NO_END, dispatch.no_end))
        running = Signal()
        starts = Signal()
        fails = Signal()
        rests = Signal()
        failed = Signal(4)
        m.d.comb += failed.eq(Error.ABORTED)
        for error, found in reversed(faults):
            with m.If(found):
                m.d.comb += failed.eq(error)
        m.d.comb += [
            self.busy.eq(running | stop), starts.eq(self.start & ~running & ~stop),
            fails.eq(running & (self.cancel | Cat(found for _, found in faults).any())),
            fetch.start.eq(starts),
            reads.abort.eq(stop), writes.abort.eq(stop),
            rests.eq(stop & reads.idle & writes.idle & ~_settling(m, stop))]
        code = Signal(4)
        ends = Signal()
        finished = Signal()
        m.d.comb += [ends.eq(running & dispatch.ended & ~fails),
                     finished.eq(ends & fetch.last)]
        m.d.sync += running.eq(starts | (running & ~fails & ~ends))
        stopping = Signal()     # the stop belongs to a program, not to the reset
        wants = Signal()        # it interrupts
        with m.If(starts):
            m.d.sync += code.eq(Error.NONE)
        with m.If(fails):
            m.d.sync += [code.eq(failed), stop.eq(1), stopping.eq(1), wants.eq(1)]
        with m.Elif(ends & ~fetch.last):
            m.d.sync += [stop.eq(1), stopping.eq(1), wants.eq(dispatch.irq)]
        with m.Elif(rests):
            m.d.sync += [stop.eq(0), stopping.eq(0)]
        m.d.comb += [self.code.eq(code), self.done.eq(finished | (rests & stopping)),
                     self.irq.eq(Mux(stop, wants, dispatch.irq))]
        read, write = self.m_axi_r, self.m_axi_w
        m.d.comb += [
            self.taken.eq(dispatch.taken & running), self.beat.eq(execute.beat),
            self.held.eq(execute.held),
            self.waits_prev.eq(dispatch.waits_prev), self.waits_next.eq(dispatch.waits_next),
            self.read_beat.eq(read.valid & read.ready),
            self.write_beat.eq(write.valid & write.ready)]
        return m


def _settling(m: Module, stop: Signal) -> Signal:
    """The first cycles of a stop, before the engines' idle counts."""
    cycles = Signal(2, name="stopped_for")
    m.d.sync += cycles.eq(Mux(stop, cycles + ~cycles.all(), 0))
    settling = Signal(name="settling")
    m.d.comb += settling.eq(~cycles.all())
    return settling
