"""A run of units cut into bursts that stay inside aligned windows."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ..common.field import Field, flag
from ..common.struct import StructComponent, signals

__all__ = ["BurstSplitter"]


class BurstSplitter(StructComponent):
    """Runs of consecutive units in, bursts out, one a cycle.

    A burst ends where the run does or an aligned window of ``window`` units (a power of two): no
    burst crosses a multiple of the window, and with a window that divides 4 KiB none crosses one
    of those. The first burst of a run shows in the cycle after the run was taken; the next run is
    taken in the cycle after its last burst at the earliest.

    The registers hold what is left of the run: its ``last`` unit, counted from the beginning of
    the window that the next burst is in. So the number of whole windows before the end is in the
    upper bits, and a step subtracts one from them.

    Parameters
    ----------
    address_bits:
        of the address of a unit.
    count_bits:
        of the number of units of a run.
    window:
        units of a window.
    extra:
        what goes along with a run, by name.

    Ports
    -----
    run:
        stream in: ``address``, ``last`` (units less one), and ``extra``.
    burst:
        stream out: ``address``, ``last`` (units less one), ``final`` of the run, and ``extra``.
        It waits unchanged until it is taken, but for ``drop``.
    drop:
        no run is taken from the next cycle on, what is left of one is forgotten.
    busy:
        there is something left of a run.
    """

    def __init__(self, address_bits: int, count_bits: int, window: int,
                 extra: dict[str, Field]) -> None:
        if window < 2 or window & window - 1:
            raise ValueError(f"window must be a power of two; got {window}")
        self.window_bits = window.bit_length() - 1
        if not self.window_bits < min(address_bits, count_bits + 1):
            raise ValueError(f"window must be smaller than a run; got {window}")
        self.extra = data.StructLayout(extra)
        address = Field(address_bits, "address of the first unit", name="unsigned")
        run = {"address": address, "last": Field(count_bits, "units less one", name="unsigned")}
        burst = {"address": address,
                 "last": Field(self.window_bits, "units less one", name="unsigned"),
                 "final": flag("last burst of the run")}
        super().__init__({"run": In(stream.Signature(data.StructLayout(run | extra))),
                          "burst": Out(stream.Signature(data.StructLayout(burst | extra))),
                          "drop": In(1), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        run, burst, k = self.run.payload, self.burst.payload, self.window_bits
        # open is "not busy", but for reset, in which nothing is taken
        is_open = Signal(name="open")
        window = Signal(len(run.address) - k, reset_less=True)
        first = Signal(k, reset_less=True)
        windows = Signal(max(1, len(run.last) + 1 - k), reset_less=True)
        last = Signal(k, reset_less=True)
        extra = signals(self.extra, "held", reset_less=True)
        takes = Signal()
        steps = Signal()
        stays = Signal()
        m.d.comb += [
            self.run.ready.eq(is_open), takes.eq(self.run.valid & is_open),
            self.burst.valid.eq(self.busy), steps.eq(self.busy & self.burst.ready),
            stays.eq((takes | (self.busy & ~(steps & burst.final))) & ~self.drop),
            burst.address.eq(Cat(first, window)), burst.final.eq(windows == 0),
            burst.last.eq(Mux(burst.final, last, 2**k - 1) - first)]
        m.d.comb += [burst[name].eq(extra[name]) for name, _ in self.extra]
        m.d.sync += [self.busy.eq(stays), is_open.eq(~stays & ~self.drop)]
        with m.If(takes):
            m.d.sync += [Cat(first, window).eq(run.address),
                         Cat(last, windows).eq(run.last + run.address[:k])]
            m.d.sync += [extra[name].eq(run[name]) for name, _ in self.extra]
        with m.Elif(steps):
            m.d.sync += [first.eq(0), window.eq(window + 1), windows.eq(windows - 1)]
        return m
