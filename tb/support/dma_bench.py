"""Benches of the read and the write engine: random commands, stalls, errors, aborts.

The plan: ``engine`` (read, share: two clients of a read engine, or write), ``data_bits``,
``commands`` (of a client), ``stall``, ``latency`` (least and most cycles of the memory), ``errors``
(share of beats), ``aborts``, ``blocks`` (shortest and longest command, in 64 bytes).
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb

from lowbit.tb.benches.streams import Bench, Sink, Source, load_plan
from lowbit.tb.support.axi_slaves import Reads, Writes, content

Beat = dict[str, int]


class Channel:
    """Counts what moves over a channel of the bus."""

    def __init__(self, dut: Any, name: str, last: bool) -> None:
        self.valid = getattr(dut, f"m_axi_{name}valid")
        self.ready = getattr(dut, f"m_axi_{name}ready")
        self.last = getattr(dut, f"m_axi_{name}last") if last else None
        self.bursts = self.beats = 0
        self.waits = False

    def drive(self, moved: bool) -> None:
        pass

    def at_rest(self) -> bool:
        return True

    def moves(self) -> bool:
        valid, ready = int(self.valid.value), int(self.ready.value)
        self.waits = bool(valid and not ready)
        if valid and ready:
            self.beats += 1
            self.bursts += self.last is None or int(self.last.value)
        return bool(valid and ready)


class Aborts:
    """Pulses ``abort`` at random, ``count`` times, and holds the engine to what it then promises.
    ``issued`` and ``ended`` count bursts; ``forget`` is called in the cycle of the pulse, after
    all that moves in it."""

    def __init__(self, dut: Any, rng: random.Random, count: int, issued: Channel, ended: Channel,
                 forget: Any) -> None:
        self.dut, self.rng, self.left = dut, rng, count
        self.issued, self.ended, self.forget = issued, ended, forget
        self.wait = rng.randrange(5, 400)
        self.now = self.over = False
        self.limit: int | None = None
        dut.abort.value = 0

    def at_rest(self) -> bool:
        return True

    def drive(self, moved: bool) -> None:
        self.now = False
        if self.limit is None and self.left:
            self.wait -= 1
            if self.wait == 0:
                self.now = True
        self.dut.abort.value = int(self.now)

    def moves(self) -> bool:
        if self.limit is not None:
            assert self.issued.bursts + self.issued.waits <= self.limit, "a burst after the abort"
            if int(self.dut.idle.value):
                assert self.issued.bursts == self.ended.bursts, "idle with bursts on their way"
                assert not self.issued.waits
                self.limit, self.left = None, self.left - 1
                self.wait = self.rng.randrange(5, 400)
        if self.now:
            self.limit = self.issued.bursts + self.issued.waits
            self.forget()
        return False


def commands(plan: dict[str, Any], rng: random.Random) -> list[Beat]:
    """Random commands: short and long, from anywhere or short before 4 KiB; some of nothing."""
    found = []
    for i in range(plan["commands"]):
        least, most = plan["blocks"]
        blocks = max(least, rng.choice((1, 2, rng.randrange(1, 9), rng.randint(least, most))))
        address = rng.randrange(1 << 34) * 64
        if rng.random() < 0.5:
            address = (address | 0xFFF) + 1 - 64 * rng.randrange(1, 6)
        length = blocks
        if plan["engine"] == "write":
            length = 64 * blocks - 2 * rng.randrange(32)
        if rng.random() < 0.03:
            length = 0
        found.append(dict(address=address, length=length,
                          tag=i % (2 if plan["engine"] == "share" else 4)))
    return found


def failing(plan: dict[str, Any]) -> Any:
    """Whether a beat at an address fails: decided by the address, once and for all."""
    return lambda address: random.Random(f"{plan['seed']} {address}").random() < plan["errors"]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def engine(dut: Any) -> None:
    plan = load_plan()
    rng = random.Random(plan["seed"])
    await (write if plan["engine"] == "write" else read)(dut, plan, rng)


class Client:
    """Commands of a read engine, and the data that must come; ``tag``: that of all its data."""

    def __init__(self, dut: Any, plan: dict[str, Any], rng: random.Random, bench: Bench,
                 ending: str = "", tag: int | None = None) -> None:
        self.size, self.fails, self.tag = plan["data_bits"] // 8, failing(plan), tag
        self.expected: deque[Beat] = deque()
        self.bench, self.words, self.errors, self.first, self.last = bench, 0, 0, 0, 0
        client = self

        class Commands(Source):
            def moves(self) -> bool:
                moved = super().moves()
                if moved:
                    client.asked(self.beats[self.next])
                return moved

        self.source = Commands(dut, f"command{ending}", commands(plan, rng),
                               random.Random(rng.random()), plan["stall"])
        self.sink = Sink(dut, f"data{ending}", ("data", "tag", "error", "last"), self.check,
                         random.Random(rng.random()), plan["stall"])

    def asked(self, command: Beat) -> None:
        wrong = False
        start, end = command["address"], command["address"] + 64 * command["length"]
        for address in range(start, end, self.size):
            wrong |= self.fails(address)
            word = 0 if self.fails(address) else \
                int.from_bytes(content(address, self.size), "little")
            self.expected.append(dict(data=word, error=int(wrong),
                                      tag=command["tag"] if self.tag is None else self.tag,
                                      last=int(address + self.size == end)))

    def check(self, beat: Beat) -> None:
        assert self.expected, "a beat that no command asked for"
        assert beat == self.expected.popleft()
        self.words += 1
        self.errors += beat["error"]
        self.first, self.last = self.first or self.bench.cycles, self.bench.cycles

    def forget(self) -> None:
        self.expected.clear()
        self.sink.pending = None

    @property
    def done(self) -> bool:
        return self.source.done and not self.expected


async def read(dut: Any, plan: dict[str, Any], rng: random.Random) -> None:
    bench = Bench(dut)
    dut.abort.value = 0
    Reads(dut, rng, plan["stall"], lambda: rng.randint(*plan["latency"]), failing(plan))
    clients: list[Client] = []

    def streams() -> list[Any]:
        ends = [("", None)] if plan["engine"] == "read" else [("_0", 0), ("_1", 1)]
        clients.extend(Client(dut, plan, rng, bench, *end) for end in ends)
        return [stream for client in clients for stream in (client.source, client.sink)]

    ends = await bench.reset(streams)
    issued, ended = Channel(dut, "ar", False), Channel(dut, "r", True)

    def forget() -> None:
        for client in clients:
            client.forget()

    aborts = Aborts(dut, rng, plan["aborts"], issued, ended, forget)
    await bench.run([*ends, issued, ended, aborts],
                    lambda: all(client.done for client in clients) and aborts.left == 0
                    and int(dut.idle.value) == 1)
    assert issued.bursts == ended.bursts
    first = clients[0]
    bench.report(bursts=issued.bursts, beats=ended.beats,
                 words=sum(client.words for client in clients),
                 errors=sum(client.errors for client in clients),
                 busy=first.words / max(1, first.last - first.first + 1))


async def write(dut: Any, plan: dict[str, Any], rng: random.Random) -> None:
    size, stall = plan["data_bits"] // 8, plan["stall"]
    fails = failing(plan)
    todo = commands(plan, rng)
    beats: list[Beat] = []
    starts = []         # of each command in the beats
    for command in todo:
        starts.append(len(beats))
        beats += [dict(data=rng.getrandbits(8 * size))
                  for _ in range(-(-command["length"] // size))]
    starts.append(len(beats))
    may: dict[int, int] = {}        # what may be in memory
    must: dict[int, int] = {}       # what must be
    ends: deque[Beat] = deque()
    seen = dict(words=0, errors=0)
    asked: list[int] = []

    def check(beat: Beat) -> None:
        assert ends, "an end without a command"
        i = asked.pop(0)
        assert beat == ends.popleft()
        must.update(written(i))
        seen["words"] += 1
        seen["errors"] += beat["error"]

    def written(i: int) -> dict[int, int]:
        data = b"".join(beat["data"].to_bytes(size, "little")
                        for beat in beats[starts[i]:starts[i + 1]])[:todo[i]["length"]]
        return {address: byte for address, byte in enumerate(data, todo[i]["address"])
                if not fails(address // size * size)}

    class Commands(Source):
        def moves(self) -> bool:
            moved = super().moves()
            command = self.beats[self.next] if moved else {}
            if moved and command["length"]:
                start = command["address"]
                may.update(written(self.next))
                asked.append(self.next)
                ends.append(dict(tag=command["tag"], error=int(any(
                    fails(address)
                    for address in range(start, start + command["length"], size)))))
            self.taken = self.next + moved
            return moved

    class Data(Source):
        """Throws away what is left of the commands that an abort forgot."""

        def drive(self, moved: bool) -> None:
            if again:
                self.next, self.driving, moved = again.pop(), False, False
            super().drive(moved)

    def streams() -> list[Any]:
        return [Commands(dut, "command", todo, random.Random(rng.random()), stall),
                Data(dut, "data", beats, random.Random(rng.random()), stall),
                Sink(dut, "done", ("tag", "error"), check, random.Random(rng.random()), stall)]

    def forget() -> None:
        ends.clear()
        asked.clear()
        sink.pending = None
        again.append(starts[source.taken])

    again: list[int] = []
    dut.abort.value = 0
    memory = Writes(dut, rng, stall, lambda: rng.randint(*plan["latency"]), fails)
    bench = Bench(dut)
    made: list[Any] = await bench.reset(streams)
    source, data, sink = made
    issued, filled = Channel(dut, "aw", False), Channel(dut, "w", True)
    ended = Channel(dut, "b", False)
    aborts = Aborts(dut, rng, plan["aborts"], issued, ended, forget)
    await bench.run([source, data, sink, issued, filled, ended, aborts],
                    lambda: source.done and not ends and aborts.left == 0
                    and int(dut.idle.value) == 1)
    assert issued.bursts == filled.bursts == ended.bursts
    if not plan["aborts"]:
        assert memory.memory == must
    assert memory.memory.items() >= must.items() and memory.memory.items() <= may.items()
    bench.report(bursts=issued.bursts, beats=filled.beats, **seen)
