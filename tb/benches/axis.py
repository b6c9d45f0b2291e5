"""Any bench of a design with streams, through AXI4-Stream interfaces around that design.

``gen verify DESIGN.json`` of a design with ``--wrap axis`` runs it: the bench of the design itself
gets, in place of the simulated module, one that looks like the design without its wrapper. Behind
each of its streams is what a bus would have there, a queue and a sender or receiver of bus beats,
with pauses of their own. The manifest says where the fields lie.
"""

from __future__ import annotations

import importlib
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge, Timer

from lowbit.golden.frames import Frame, Place
from lowbit.tb.benches.streams import Beat, Mood, load_plan

__all__ = ["Unwrapped", "frame_of"]


def frame_of(facts: dict[str, Any]) -> Frame:
    """The layout that a manifest tells of: an entry of ``wrap.streams``."""
    fields = tuple(Place(field["name"], field["element_width"], field["count"], field["signed"],
                         field["offset"]) for field in facts["fields"])
    return Frame(fields, facts["frame_bytes"], facts["beats"], facts["frames"])


class Port:
    """A port that is not there: what is written to it, or what a function gives."""

    def __init__(self, width: int = 1, read: Callable[[], int] | None = None,
                 written: Callable[[int], None] = lambda value: None) -> None:
        self.width, self.read, self.written, self.now = width, read, written, 0

    def __len__(self) -> int:
        return self.width

    @property
    def value(self) -> int:
        return self.now if self.read is None else self.read()

    @value.setter
    def value(self, value: int) -> None:
        self.now = int(value)
        self.written(self.now)


class Stream:
    """One stream: ports as those of the design, bus beats at its interface.

    :meth:`step` is called at every rising edge, before the bench wakes: what it reads are values
    from before the edge.
    """

    def __init__(self, dut: Any, facts: dict[str, Any], rng: random.Random) -> None:
        self.frame, self.name = frame_of(facts), facts["stream"]
        self.rng, self.mood = rng, Mood(rng, rng.choice((0.0, 0.3)))
        start = f"{facts['interface']}_t"
        self.data, self.tvalid, self.tready = (getattr(dut, start + pin)
                                               for pin in ("data", "valid", "ready"))
        self.keep, self.last = (getattr(dut, start + pin, None) for pin in ("keep", "last"))
        self.queue: deque[Beat] = deque()
        self.depth = max(4, 2 * self.frame.frames)
        self.widths = {field["name"]: field["element_width"] * field["count"]
                       for field in facts["fields"]} | ({"last": 1} if facts["tlast"] == "last"
                                                        else {})
        self.ports: dict[str, Port] = {}
        self.resets = False

    def reset(self, active: bool) -> None:
        self.resets = active
        if active:
            self.queue.clear()


class Sender(Stream):
    """Beats that a bench puts at an input: they wait, and leave as bus beats."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ports = {name: Port(width) for name, width in self.widths.items()}
        self.ports |= {"valid": Port(), "ready": Port(read=self._ready)}
        self.bus: deque[tuple[int, int, int]] = deque()
        self.driving = False
        self.tvalid.value = 0

    def _ready(self) -> int:
        return int(self.tready.value) if self.resets else int(len(self.queue) < self.depth)

    def reset(self, active: bool) -> None:
        super().reset(active)
        if active:
            self.bus.clear()
            self.driving = False
            self.tvalid.value = 0

    def step(self) -> None:
        if self.resets:
            return
        if self.driving and int(self.tready.value):
            self.bus.popleft()
            self.driving = False
        if self.ports["valid"].now and self._ready():
            self.queue.append({name: self.ports[name].now for name in self.widths})
        if not self.bus and self.queue:
            self._pack()
        if not self.driving:
            self.driving = bool(self.bus) and not self.mood.idle()
            self.tvalid.value = int(self.driving)
            data, keep, last = self.bus[0] if self.driving else (
                self.rng.getrandbits(len(self.data)), 1, self.rng.getrandbits(1))
            self.data.value = data
            if self.keep is not None:
                self.keep.value = keep
            if self.last is not None:
                self.last.value = last

    def _pack(self) -> None:
        """Bus beats of the oldest frame, or of some that share one."""
        bits, size = 8 * self.frame.bus_bytes, self.frame.size
        data = keep = last = count = 0
        while self.queue and count < self.frame.frames and not last:
            beat = self.queue.popleft()
            data |= self._filled(self.frame.pack(beat)) << 8 * size * count
            keep |= ((1 << size) - 1) << size * count
            last, count = beat.get("last", 0), count + 1
        data |= self.rng.getrandbits(8 * size * self.frame.frames) >> 8 * size * count \
            << 8 * size * count
        parts = self.frame.beats
        self.bus += [(data >> i * bits & (1 << bits) - 1, keep, last if i == parts - 1 else 0)
                     for i in range(parts)]

    def _filled(self, data: int) -> int:
        """Anything where a frame has no field."""
        filler = self.rng.getrandbits(8 * self.frame.size)
        every = {place.name: (1 << place.element_width * place.count) - 1
                 for place in self.frame.fields}
        used = sum(Place(place.name, place.element_width, place.count, False).spread(
            every[place.name]) << 8 * place.offset for place in self.frame.fields)
        return data & used | filler & ~used


class Receiver(Stream):
    """Beats that a bench takes at an output, made of the bus beats that came."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ports = {name: Port(width, read=self._reader(name))
                      for name, width in self.widths.items()}
        self.ports |= {"ready": Port(), "valid": Port(read=self._valid)}
        self.part, self.parts = 0, 0
        self.held: tuple[int, int] | None = None
        self.taking = False
        self.tready.value = 0

    def _reader(self, name: str) -> Callable[[], int]:
        return lambda: self.queue[0][name]

    def _valid(self) -> int:
        return int(self.tvalid.value) if self.resets else int(bool(self.queue))

    def reset(self, active: bool) -> None:
        super().reset(active)
        self.part, self.parts, self.held = 0, 0, None

    def step(self) -> None:
        if self.resets:
            return
        if self.queue and self.ports["ready"].now:
            self.queue.popleft()
        if int(self.tvalid.value):
            assert self.last is not None
            beat = int(self.data.value), int(self.last.value)
            assert self.held in (None, beat), f"a bus beat of {self.name} changed while it waited"
            self.held = None if self.taking else beat
            if self.taking:
                self._take(*beat)
        else:
            assert self.held is None, f"tvalid of {self.name} fell before its beat was taken"
        self.taking = len(self.queue) < self.depth and not self.mood.idle()
        self.tready.value = int(self.taking)

    def _take(self, data: int, last: int) -> None:
        frame = self.frame
        self.parts |= data << 8 * frame.bus_bytes * self.part
        self.part += 1
        if self.part < frame.beats:
            assert not last, f"tlast of {self.name} within a frame"
            return
        data, self.part, self.parts = self.parts, 0, 0
        assert "last" in self.widths or last, f"a frame of {self.name} without tlast"
        fields = frame.unpack(data)
        assert data == frame.pack(fields), \
            f"what fills a frame of {self.name} is neither 0 nor a sign"
        self.queue.append(fields | ({"last": last} if "last" in self.widths else {}))


class Unwrapped:
    """The module of a design behind AXI4-Stream interfaces, as a bench of that design sees it."""

    def __init__(self, dut: Any, plan: dict[str, Any]) -> None:
        self._dut, manifest = dut, plan["manifest"]
        rng = random.Random(plan["seed"])
        #: a bench must not expect the cycles of the design itself
        self.is_buffered = True
        self.clk = dut.aclk
        self._streams: list[Sender | Receiver] = []
        self._ports: dict[str, Port] = {}
        for facts in manifest["wrap"]["streams"]:
            kind = Sender if facts["direction"] == "input" else Receiver
            stream = kind(dut, facts, random.Random(rng.random()))
            self._streams.append(stream)
            self._ports |= {f"{stream.name}_{name}": port for name, port in stream.ports.items()}
        reset = manifest["reset"]
        if reset["kind"] == "async":
            self._ports["rst_n"] = Port(written=lambda value: self._reset(1 - value))
        else:
            self._ports["rst"] = Port(written=self._reset)
        cocotb.start_soon(self._run())

    def __getattr__(self, name: str) -> Any:
        if name in self._ports:
            return self._ports[name]
        if name.startswith(("s_axis_", "m_axis_", "aresetn")):
            raise AttributeError(name)
        return getattr(self._dut, name)

    def _reset(self, active: int) -> None:
        self._dut.aresetn.value = 1 - active
        for stream in self._streams:
            stream.reset(bool(active))

    async def _run(self) -> None:
        edge = RisingEdge(self.clk)
        while True:
            await edge
            for stream in self._streams:
                stream.step()


@cocotb.test()
async def through_axis(dut: Any) -> None:
    """The tests of the design's own bench."""
    plan = load_plan()
    module = importlib.import_module(plan["bench"])
    tests = [found.func for found in vars(module).values() if hasattr(found, "generate_tests")]
    assert len(tests) == 1, f"{plan['bench']} has {len(tests)} tests"
    design = Unwrapped(dut, plan)
    await Timer(1, "ns")        # its streams wait for the first edge before the bench does
    await tests[0](design)
