"""What the ports of a component do, cycle by cycle: Amaranth's simulator, for the pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.sim import Simulator

__all__ = ["Trace", "record"]

#: Of each cycle: ``NAME_valid`` and ``NAME_ready`` of each stream, ``NAME_beat`` (beats taken
#: before it) and, while a beat is offered, ``NAME_FIELD`` of its fields.
Trace = list[dict[str, int]]


def record(dut: wiring.Component, streams: Mapping[str, Sequence[Mapping[str, int]]],
           enough: Callable[[Trace], bool],
           before: Sequence[Mapping[str, int]] = ()) -> tuple[Trace, list[int]]:
    """(trace, words of the ``result`` stream): every beat of ``streams`` is offered as soon as
    the one before it is taken, results are always taken, until ``enough``.

    ``before``: port values of the cycles before the first beat.
    """
    trace: Trace = []
    words: list[int] = []

    async def bench(ctx: Any) -> None:
        for values in before:
            for name, value in values.items():
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
        result = getattr(dut, "result")     # noqa: B009
        ctx.set(result.ready, 1)
        taken = dict.fromkeys(streams, 0)
        while not enough(trace):
            now = {"result_beat": len(words)}
            for name, beats in streams.items():
                port, at = getattr(dut, name), taken[name]
                now[f"{name}_beat"] = at
                ctx.set(port.valid, int(at < len(beats)))
                for field, value in beats[min(at, len(beats) - 1)].items():
                    ctx.set(Value.cast(port.payload[field]).as_unsigned(), value)
                    now[f"{name}_{field}"] = value
            for name in (*streams, "result"):
                port = getattr(dut, name)
                now |= {f"{name}_valid": ctx.get(port.valid), f"{name}_ready": ctx.get(port.ready)}
            now["result_last"] = ctx.get(result.payload.last)
            trace.append(now)
            for name in streams:
                taken[name] += now[f"{name}_valid"] & now[f"{name}_ready"]
            if now["result_valid"]:
                words.append(ctx.get(Value.cast(result.payload["values"]).as_unsigned()))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return trace, words
