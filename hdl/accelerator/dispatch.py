"""Dispatch: instructions to the queues of their units, and tokens between the units."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import INSTRUCTION_BITS, TOKENS, UNITS, Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.struct import StructComponent
from ..fabric.memory_queue import MemoryQueue
from .checks import bad_fields
from .instruction import fields, instruction_bits

__all__ = ["Dispatch", "ORDER"]

#: units in the order in which tokens go from one to the next, and back
ORDER = ("load", "execute", "store")
#: who gives tokens: to the unit before, to the one after
_WAYS = (("load", "next"), ("execute", "prev"), ("execute", "next"), ("store", "prev"))


class Dispatch(StructComponent):
    """Takes instructions in order, hands each unit its own; END and SYNC wait for all.

    Ports
    -----
    instruction:
        stream; ``over``: there will be no more.
    load, execute, store:
        streams to the units: an instruction comes when its tokens are there, and takes them. It
        waits in the queue's output, where load and store leave it until they need it no more.
    push_UNIT_prev, push_UNIT_next:
        pulses: a token for the unit before (after).
    UNIT_idle:
        the unit has nothing left to do.
    ended, irq:
        pulse: the program is done; whether it wants an interrupt.
    opcode, field, deadlock, no_end, tokens:
        what is wrong; from the cycle in which it is found.
    taken:
        pulse: an instruction is on its way.
    waits_prev, waits_next:
        the execute unit's next instruction waits for a token of load (store).
    """

    def __init__(self, p: AccelParameters) -> None:
        self.parameters = p
        ports = {"instruction": In(stream.Signature(INSTRUCTION_BITS)), "over": In(1)}
        for unit in ORDER:
            ports |= {unit: Out(stream.Signature(instruction_bits(unit))), f"{unit}_idle": In(1)}
        ports |= {f"push_{unit}_{way}": In(1) for unit, way in _WAYS}
        super().__init__(ports | {name: Out(1) for name in (
            "ended", "irq", "opcode", "field", "deadlock", "no_end", "tokens", "taken",
            "waits_prev", "waits_next")})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        word, head = self.instruction.payload, self.instruction
        bad = bad_fields(m, p, word)
        counts = self._tokens(m)
        clear = Signal()
        room: Value = Const(0, 1)
        known: Value = Const(0, 1)
        idle, empty, stuck = [], [], []
        for unit in ORDER:
            bits = instruction_bits(unit)
            m.submodules[f"{unit}_queue"] = queue = MemoryQueue(bits, p.queue, p.black_boxes)
            mine = Signal(name=f"for_{unit}")
            m.d.comb += [
                mine.eq(Cat(word[:4] == op for op, of in UNITS.items() if of == unit).any()),
                queue.push.valid.eq(head.valid & mine & ~bad),
                queue.push.payload.eq(word)]
            room, known = room | (mine & queue.push.ready), known | mine
            # every instruction has its flags in the same place
            flags = fields(queue.pop.payload, Op.END)
            out = getattr(self, unit)
            may = Signal(name=f"{unit}_may")
            goes = Signal(name=f"{unit}_goes")
            gone = Signal(name=f"{unit}_gone")      # its tokens are taken
            missing = {}
            for way in ("prev", "next"):
                if (unit, way) in counts:
                    missing[way] = Signal(name=f"{unit}_misses_{way}")
                    m.d.comb += [
                        missing[way].eq(getattr(flags, f"pop_{way}") & ~gone
                                        & (counts[unit, way] == 0)),
                        self._pops[unit, way].eq(goes & getattr(flags, f"pop_{way}"))]
            m.d.comb += [
                may.eq(~Cat(missing.values()).any()), out.valid.eq(queue.pop.valid & may),
                out.payload.eq(queue.pop.payload), queue.pop.ready.eq(out.ready & may),
                goes.eq(out.valid & (out.ready if unit == "execute" else ~gone))]
            if unit != "execute":
                m.d.sync += gone.eq(out.valid & ~out.ready)
            if unit == "execute":
                m.d.comb += [self.waits_prev.eq(queue.pop.valid & missing["prev"]),
                             self.waits_next.eq(queue.pop.valid & missing["next"])]
            idle.append(getattr(self, f"{unit}_idle"))
            empty.append((queue.level == 0) & ~queue.pop.valid)
            stuck.append(queue.pop.valid & ~may)
        at_rest = Signal()
        all_empty = Signal()
        waits_for_all = Signal()
        is_end = Signal()
        m.d.comb += [
            at_rest.eq(Cat(idle).all()), all_empty.eq(Cat(empty).all()),
            is_end.eq(word[:4] == Op.END), waits_for_all.eq(is_end | (word[:4] == Op.SYNC))]
        # an instruction that was taken shows in its queue a cycle later, and its unit is busy the
        # cycle after it went: two quiet cycles in a row say that nothing is left
        quiet = Signal()
        quiet_before = Signal()
        m.d.comb += quiet.eq(at_rest & all_empty)
        m.d.sync += quiet_before.eq(quiet)
        done = Signal()
        m.d.comb += [
            done.eq(head.valid & waits_for_all & quiet & quiet_before),
            head.ready.eq(Mux(waits_for_all, done, room & ~bad)),
            clear.eq(done), self.ended.eq(done & is_end),
            self.irq.eq(fields(word, Op.END).irq),
            self.taken.eq(head.valid & head.ready),
            self.opcode.eq(head.valid & ~known & ~waits_for_all),
            self.field.eq(head.valid & known & room & bad),
            self.no_end.eq(self.over & quiet & quiet_before)]
        blocked = Signal()
        calm = Signal(3)
        m.d.comb += blocked.eq(at_rest & Cat(stuck).any() & Cat(
            e | s for e, s in zip(empty, stuck, strict=True)).all() & (
                self.over | (head.valid & ~head.ready)))
        m.d.sync += calm.eq(0)
        with m.If(blocked):
            m.d.sync += calm.eq(calm + ~calm.all())
        m.d.comb += self.deadlock.eq(calm.all())
        with m.If(clear):
            m.d.sync += [count.eq(0) for count in counts.values()]
        return m

    def _tokens(self, m: Module) -> dict[tuple[str, str], Signal]:
        """Tokens that a unit may take, from the unit before or after it."""
        counts, self._pops = {}, {}
        over: list[Value] = []
        for i, unit in enumerate(ORDER):
            for way, other, gives in (("prev", i - 1, "next"), ("next", i + 1, "prev")):
                if 0 <= other < len(ORDER):
                    count = Signal(range(TOKENS + 1), name=f"{unit}_from_{ORDER[other]}")
                    pop = Signal(name=f"{unit}_pops_{way}")
                    push = getattr(self, f"push_{ORDER[other]}_{gives}")
                    with m.If(push & ~pop):
                        m.d.sync += count.eq(count + 1)
                    with m.Elif(pop & ~push):
                        m.d.sync += count.eq(count - 1)
                    over.append(push & ~pop & (count == TOKENS))
                    counts[unit, way], self._pops[unit, way] = count, pop
        m.d.comb += self.tokens.eq(Cat(over).any())
        return counts
