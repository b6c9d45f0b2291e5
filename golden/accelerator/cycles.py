"""Cycle model of programs: when each unit works, on a bus that answers after a fixed latency.

One pass in program order: tokens always come from instructions before, so the times of an
instruction follow from those. Reads share the bus in order: a burst's beats come one a cycle, the
latency after its address or after the beats before them, whichever is later; as many bursts are
under way as the design has. The numbers below count registers that a path goes through; they are
held against the RTL by tests. Not counted: stores and partial sums that meet at the result buffer,
which costs a few percent where operations are short (7 % with one group of one plane each).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from .isa import BLOCK, FLAGS, UNITS, Instruction, Op
from .parameters import AccelParameters

__all__ = ["Span", "Timeline", "timeline"]

#: bytes of the longest burst
BURST = 4096
#: instructions fetched at a time
AT_ONCE = 16
#: load instructions whose commands are under way
UNDER_WAY = 4


@dataclass(frozen=True)
class Span:
    """When an instruction ran, in cycles from the start of the program."""

    index: int
    op: Op
    unit: str
    start: int
    end: int


@dataclass
class Timeline:
    """What a program takes."""

    cycles: int = 0
    beats: int = 0              #: weight beats of the core
    read_beats: int = 0         #: on the bus
    write_beats: int = 0
    spans: list[Span] = field(default_factory=list)

    @property
    def busy(self) -> float:
        """Share of the cycles in which the core takes weights."""
        return self.beats / max(self.cycles, 1)


def timeline(p: AccelParameters, program: Iterable[Instruction], latency: int = 60) -> Timeline:
    """Run a program without data; ``latency``: cycles from an address on the bus to the first
    beat, and from a write's last beat to its response."""
    return _Model(p, latency).run(list(program))


class _Model:
    def __init__(self, p: AccelParameters, latency: int) -> None:
        self.p, self.latency = p, latency
        self.out = Timeline()
        self.beat_bytes = p.axi_data // 8
        self.burst_bytes = min(BURST, 256 * self.beat_bytes)
        self.bus_free = 0                               # after the beats before
        self.bursts: deque[int] = deque()               # when those under way are over
        self.address_free = 0
        self.engine = p.compute.schedule()

    # -- the bus ------------------------------------------------------------------------------
    def _read(self, when: int, address: int, size: int, per_beat: int = 1) -> int:
        """A read command at ``when``: the cycle after its last beat was taken."""
        end = when
        while size > 0:
            part = min(size, self.burst_bytes - address % self.burst_bytes)
            issue = max(when + 2, self.address_free)
            while len(self.bursts) >= self.p.outstanding:
                issue = max(issue, self.bursts.popleft() + 1)
            self.address_free = issue + 1
            beats = part // self.beat_bytes
            end = max(issue + self.latency, self.bus_free) + beats * per_beat
            self.bus_free = end
            self.bursts.append(end)
            self.out.read_beats += beats
            address, size = address + part, size - part
        return end

    def _fetch(self, issue: int, size: int) -> int:
        """A read of instructions, which is asked for long before loads that come later here: it
        takes its beats from the bus, and does not wait for theirs."""
        beats = size // self.beat_bytes
        taken = beats * max(self.p.axi_data // 128, 1)
        self.out.read_beats += beats
        self.bus_free += taken
        return issue + self.latency + taken + 1

    # -- programs -----------------------------------------------------------------------------
    def run(self, program: list[Instruction]) -> Timeline:
        p = self.p
        self._restart(0)
        arrives = 0                     # of the instructions fetched so far
        dispatch = 0
        history: dict[str, deque[int]] = {unit: deque([0] * (p.queue + 1), p.queue + 1)
                                          for unit in ("load", "execute", "store")}
        for i, instruction in enumerate(program):
            if i % AT_ONCE == 0:
                count = min(AT_ONCE, len(program) - i)
                size = -(-count * 16 // BLOCK) * BLOCK
                arrives = self._fetch(max(arrives, dispatch - AT_ONCE) + 3, size)
                first = i
            later = min(AT_ONCE, len(program) - first) - 1 - (i - first)
            ready = arrives - later * max(128 // p.axi_data, 1)
            dispatch = max(dispatch + 1, ready)
            unit = UNITS.get(instruction.op)
            if unit is None:
                dispatch = max(dispatch, self._rest() + 3)
                self._restart(dispatch)
                continue
            dispatch = max(dispatch, history[unit][0])
            flags = {name: bool(instruction[name]) for name in FLAGS}
            history[unit].append(
                getattr(self, f"_{unit}")(i, instruction, dispatch + 2, flags))
        self.out.cycles = dispatch + 1
        return self.out

    def _restart(self, when: int) -> None:
        """No tokens, and every unit at rest."""
        self.tokens: dict[str, deque[int]] = {
            way: deque() for way in ("load execute", "execute load", "execute store",
                                     "store execute")}
        self.load_head = self.load_end = self.store_free = self.store_end = when
        self.loads: deque[int] = deque()
        self.engine.restart(when)

    def _rest(self) -> int:
        return max(self.load_end, self.engine.results, self.store_end)

    def _take(self, when: int, *ways: str) -> int:
        return max([when, *(self.tokens[way].popleft() for way in ways if self.tokens[way])])

    def _span(self, index: int, op: Op, start: int, end: int) -> None:
        self.out.spans.append(Span(index, op, UNITS[op], start, end))

    def _load(self, index: int, i: Instruction, when: int, flags: dict[str, bool]) -> int:
        p = self.p
        start = max(when, self.load_head)
        if flags["pop_next"]:
            start = self._take(start, "execute load")
        issue = start + 1
        if len(self.loads) >= UNDER_WAY:
            issue = max(issue, self.loads.popleft() + 1)
        rows, size, per_beat = 1, i["blocks"] * BLOCK, 1
        if i.op in (Op.LDA, Op.LDP):
            word = p.a_word if i.op is Op.LDA else p.p_word
            rows = i["rows"]
            size = -(-i["words"] * word // (8 * BLOCK)) * BLOCK
            per_beat = max(p.axi_data // word, 1)
        end = issue
        for row in range(rows):
            address = (i["offset"] + row * i["pitch"]) * BLOCK
            end = self._read(issue, address, size, per_beat)
            issue = max(issue + 2, self.address_free - 1)
        self.load_head = issue - 1
        self.loads.append(end)
        self.load_end = max(self.load_end, end)
        if flags["push_next"]:
            self.tokens["load execute"].append(end + 2)
        self._span(index, i.op, start, end)
        return self.load_head

    def _execute(self, index: int, i: Instruction, when: int, flags: dict[str, bool]) -> int:
        engine = self.engine
        start = max(when, engine.head)
        ways = [way for way, flag in (("load execute", flags["pop_prev"]),
                                      ("store execute", flags["pop_next"])) if flag]
        start = self._take(start, *ways)
        self.out.beats += ((i["planes"] + 1) << i["steps"]) * i["groups"] * i["row_blocks"]
        freed = engine.run(i, start, self.store_free)
        if flags["push_prev"]:
            self.tokens["execute load"].append(freed + 1)
        if flags["push_next"]:
            self.tokens["execute store"].append(engine.results + 1)
        self._span(index, i.op, start, engine.results)
        return start

    def _store(self, index: int, i: Instruction, when: int, flags: dict[str, bool]) -> int:
        p = self.p
        start = max(when, self.store_free)
        if flags["pop_prev"]:
            start = self._take(start, "execute store")
        size = i["words"] * (p.p_word >> i["fp16"]) // 8
        beats = -(-size // self.beat_bytes)
        # a word is read, and then its beats leave
        each = 1 + max((p.p_word >> i["fp16"]) // p.axi_data, 1)
        row = each * i["words"] + 2
        end = start + 6 + i["rows"] * row
        self.out.write_beats += beats * i["rows"]
        self.store_free = end
        self.store_end = max(self.store_end, end + self.latency + 4)
        if flags["push_prev"]:
            self.tokens["store execute"].append(end + 10)
        self._span(index, i.op, start, end)
        return end
