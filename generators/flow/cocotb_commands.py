"""The commands that build and run a cocotb simulation, and the environment of a run.

cocotb's own runner does this in a process of its own, as it changes environment variables, prints,
and behaves differently under pytest. Starting that process, twice a simulation, costs as much as a
small simulation, so the commands are made here, of what cocotb documents: its libraries
(``cocotb_tools.config``) and its environment variables (``cocotb-config --help-vars``).
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError

__all__ = ["build_commands", "run_command", "run_environment"]

#: dumps all signals to the file named by +lowbit_waves=FILE (Icarus; Verilator does it itself)
_DUMPER = """module lowbit_waves;
  reg [8*1024-1:0] name;
  initial if ($value$plusargs("lowbit_waves=%s", name)) begin
    $dumpfile(name);
    $dumpvars(0, {top});
  end
endmodule
"""


def build_commands(simulator: str, top: str, folder: Path, *, arguments: Sequence[str] = (),
                   optimize: str = "-O0", waves: bool = False) -> list[list[str]]:
    """Commands that make the simulation of ``design.v`` in ``folder`` (for Verilator
    ``visible.vlt`` as well): the program ``top``, or ``sim.vvp`` for Icarus.

    ``arguments`` of the simulator, ``optimize``: the C++ compiler's option.
    """
    from cocotb_tools import config

    if simulator == "icarus":
        (folder / "commands.f").write_text("+timescale+1ns/1ps\n")
        extra = ["-f", "commands.f"]
        if waves:
            (folder / "waves.v").write_text(_DUMPER.format(top=top))
            extra += ["-s", "lowbit_waves", "waves.v"]
        return [["iverilog", "-o", "sim.vvp", "-s", top, "-g2012", *arguments, *extra, "design.v"]]
    libraries = config.libs_dir
    python = sys.executable.replace(" ", "\\ ")
    return [
        ["verilator", "-cc", "--exe", "-Mdir", str(folder), "--top-module", top, "--vpi",
         "--prefix", "Vtop", "-o", top, "-LDFLAGS",
         f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator",
         *(["--trace"] if waves else []), *arguments, "--timescale", "1ns/1ps",
         str(config.share_dir / "lib" / "verilator" / "verilator.cpp"), "visible.vlt", "design.v"],
        ["make", "-j", str(os.cpu_count() or 1), "-f", "Vtop.mk", f"VM_TRACE={int(waves)}",
         f"OPT_FAST={optimize}", f"PYTHON3={python}"]]


def run_command(simulator: str, top: str, folder: Path, *, plusargs: Sequence[str] = (),
                waves: bool = False) -> list[str]:
    """The command that runs what :func:`build_commands` left in ``folder``."""
    from cocotb_tools import config

    if simulator == "icarus":
        return ["vvp", "-m", config.lib_entry("vpi", "icarus"), str(folder / "sim.vvp"), *plusargs,
                "-vcd" if waves else "-none"]
    return [str(folder / top), *(["--trace"] if waves else []), *plusargs]


@functools.cache
def _libraries() -> str:
    """What cocotb's interface loads: Python, then cocotb's part that starts it."""
    import find_libpython
    from cocotb_tools import config

    python = os.environ.get("LIBPYTHON_LOC") or find_libpython.find_libpython()
    if python is None:
        raise UsageError("cocotb needs Python as a shared library (libpython), not found; "
                         "install with: sudo apt-get install libpython3-dev")
    return f"{python};{config.pygpi_entry_point()}"


def run_environment(simulator: str, top: str, bench: str, seed: int,
                    results: Path) -> dict[str, str]:
    """Variables that tell cocotb to run the tests of the module ``bench`` on ``top``; their
    outcome goes to ``results``."""
    # Icarus would show a port written at a clock edge to registers of that same edge
    trust = {"COCOTB_TRUST_INERTIAL_WRITES": "1"} if simulator == "verilator" else {}
    return trust | {"GPI_USERS": _libraries(), "PYGPI_PYTHON_BIN": sys.executable,
            "COCOTB_TOPLEVEL": top, "TOPLEVEL_LANG": "verilog", "COCOTB_TEST_MODULES": bench,
            "COCOTB_RANDOM_SEED": str(seed), "COCOTB_RESULTS_FILE": str(results),
            # else pytest and its plugins start, and rewrite even NumPy
            "COCOTB_REWRITE_ASSERTION_FILES": ""}
