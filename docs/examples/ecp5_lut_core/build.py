"""The bitstream for the board: `python build.py -o DIR` writes DIR/ulx3s.bit and its sources.

Yosys, nextpnr-ecp5 and ecppack, all from `pip install .[fpga]`. Load it with
`openFPGALoader -b ulx3s DIR/ulx3s.bit`.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from host import BAUD, PARAMETERS
from top import StreamsOverUart

from lowbit.generators.errors import USER_ERRORS, CheckFailed
from lowbit.generators.flow.fpga import find_device
from lowbit.generators.flow.fpga.names import Names
from lowbit.generators.flow.fpga.route import check_tools, route, run_tool
from lowbit.generators.flow.fpga.synthesis import synthesize
from lowbit.generators.progress import Progress
from lowbit.generators.verilog.emit import emit_component
from lowbit.hdl.lut.core import LutCore

HERE = Path(__file__).resolve().parent
CLOCK_MHZ = 25
#: the board's device; nextpnr needs the package that is on it
DEVICE = replace(find_device("ecp5-85k"), part="LFE5U-85F-6CABGA381",
                 options=("--85k", "--package", "CABGA381", "--speed", "6"))


def verilog(divisor: int = CLOCK_MHZ * 1_000_000 // BAUD) -> str:
    """The board's top and all below it. ``divisor``: clock cycles of a bit on the UART's line."""
    core = emit_component(StreamsOverUart(LutCore(PARAMETERS), divisor), top="uart_lut_core",
                          purpose="LUT tensor core behind a UART")
    return core.verilog + "\n" + (HERE / "ulx3s.v").read_text()


def build(folder: Path, seed: int, progress: Progress) -> str:
    """Write the bitstream; what it takes, in a line."""
    check_tools(DEVICE)
    folder.mkdir(exist_ok=True)
    progress("synthesis")
    netlist = synthesize(verilog(), "ulx3s", DEVICE, folder)
    progress("place and route")
    placed = route(DEVICE, folder, Names(netlist), seed=seed, clock_mhz=CLOCK_MHZ,
                   options=["--lpf", str(HERE / "ulx3s.lpf"), "--textcfg", "ulx3s.config"])
    progress("bitstream")
    status, log = run_tool(DEVICE.tools.package, "ecppack",
                           ["--compress", "ulx3s.config", "ulx3s.bit"], folder)
    if status or not (folder / "ulx3s.bit").exists():
        raise CheckFailed(f"ecppack failed: {(log.strip().splitlines() or ['no message'])[-1]}")
    used = ", ".join(f"{count} {name}" for name, count in placed.used.items() if count)
    path = f"\n  slowest path: {placed.path.start} to {placed.path.end}" if placed.path else ""
    return (f"{folder / 'ulx3s.bit'}: {(folder / 'ulx3s.bit').stat().st_size} bytes; {used}; "
            f"{placed.fmax:.1f} MHz ({CLOCK_MHZ} MHz needed); "
            f"{sum(os.times()[:4]):.0f} s of processor time{path}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        with Progress() as progress:
            line = build(args.o, args.seed, progress)
    except (*USER_ERRORS, CheckFailed) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1 if isinstance(error, CheckFailed) else 2
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
