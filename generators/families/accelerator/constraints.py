"""Timing constraints of an emitted accelerator, for open flows (SDC as OpenSTA reads it)."""

from __future__ import annotations

from ...verilog.emit import Emitted

__all__ = ["constraints"]

#: without --clock
PERIOD_NS = 10.0
#: of the period that what is outside takes of a path from or to a port
SHARE = 0.2


def constraints(emitted: Emitted) -> str:
    """The clock, and delays of inputs and outputs as a part of its period."""
    clock = emitted.manifest["clock"]
    period = clock.get("target_ns", PERIOD_NS)
    lines = [
        f"# Clock and ports of {emitted.top}. Times are in nanoseconds: scale clk_period where "
        "the library's are not.",
        f"current_design {emitted.top}", "",
        f"set clk_name {clock['port']}",
        f"set clk_port_name {clock['port']}",
        f"set clk_period {period:g}", f"set clk_io_pct {SHARE:g}", "",
        "set clk_port [get_ports $clk_port_name]",
        "create_clock -name $clk_name -period $clk_period $clk_port", "",
        "set non_clock_inputs [lsearch -inline -all -not -exact [all_inputs] $clk_port]",
        "set_input_delay [expr {$clk_period * $clk_io_pct}] -clock $clk_name $non_clock_inputs",
        "set_output_delay [expr {$clk_period * $clk_io_pct}] -clock $clk_name [all_outputs]"]
    return "\n".join([*lines, ""])
