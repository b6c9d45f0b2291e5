"""Timing constraints of a design from its manifest (SDC as OpenSTA and OpenROAD read it).

The one place that writes SDC: of emitted Verilog, and of netlists with the same ports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PERIOD_NS", "SHARE", "period_of", "sdc_text"]

#: clock period without --clock, ns
PERIOD_NS = 10.0
#: of the period that what is outside takes of a path from or to a port
SHARE = 0.2


def period_of(manifest: Mapping[str, Any], period_ns: float | None = None) -> float:
    """The period to aim at, ns: the one given, else the manifest's (``--clock``), else 10."""
    if period_ns is not None:
        return period_ns
    clock = manifest["clock"] or {}
    period: float = clock.get("target_ns", PERIOD_NS)
    return period


def sdc_text(manifest: Mapping[str, Any], period_ns: float | None = None, *,
             share: float = SHARE, unit_ns: float = 1.0, mark: str = "") -> str:
    """The clock, and delays of inputs and outputs as a part of its period.

    ``period_ns`` as :func:`period_of` takes it; ``share``: the part of the period that is lost
    outside; ``unit_ns``: the library's unit of time. ``mark``: comment of the first line, default
    what made the design. A design without registers gets a clock that no port carries, so
    that its paths from input to output have (1 - 2 share) of the period. The reset is an input as
    any other: even where it is asynchronous, its release is synchronous to the clock.
    """
    period = period_of(manifest, period_ns) / unit_ns
    unit = "nanoseconds" if unit_ns == 1 else f"{unit_ns:g} ns"
    top, clock = manifest["top"], manifest["clock"]
    lines = [
        f"# {mark or '{generated}: {command}'.format_map(manifest)}",
        f"# Clock and ports of {top}. Times are in {unit}: scale clk_period where "
        "the library's are not.",
        f"current_design {top}", "",
        f"set clk_name {clock['port'] if clock else 'virtual_clock'}",
        *([f"set clk_port_name {clock['port']}"] if clock else []),
        f"set clk_period {period:g}", f"set clk_io_pct {share:g}", ""]
    if clock:
        lines += [
            "set clk_port [get_ports $clk_port_name]",
            "create_clock -name $clk_name -period $clk_period $clk_port", "",
            "set non_clock_inputs [lsearch -inline -all -not -exact [all_inputs] $clk_port]"]
    else:
        lines += ["# no registers: a clock that no port carries",
                  "create_clock -name $clk_name -period $clk_period", "",
                  "set non_clock_inputs [all_inputs]"]
    lines += [
        "set_input_delay [expr {$clk_period * $clk_io_pct}] -clock $clk_name $non_clock_inputs",
        "set_output_delay [expr {$clk_period * $clk_io_pct}] -clock $clk_name [all_outputs]"]
    return "\n".join([*lines, ""])
