"""Tables of FPGA figures from their record. Used by figures.py."""

from __future__ import annotations

from typing import Any

from tables import number, table

from lowbit.generators.options import ArgumentParser, add_parameters, take_parameters
from lowbit.generators.registry import find
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.lut.parameters import LutCoreParameters

__all__ = ["RECORDED", "RESULTS"]

Json = Any

#: result file -> the command that writes it
RESULTS = {"fpga.json": "studies/bench_fpga.py --json"}


def fpga(r: Json) -> str:
    """Resources and clock of each design on each device."""
    c = r["conditions"]
    seeds = len(c["seeds"])
    rows = []
    for x in r["designs"]:
        cells = (number(x["xc7"][name], 0) for name in ("lut", "ff", "carry", "dsp"))
        rows.append((f"`{x['design']}`", "xc7", *cells, "", "", ""))
        for device in c["devices"]:
            found = x["devices"].get(device)
            if found is None:
                continue
            if "error" in found:
                rows.append(("", device, *7 * ("too small",)))
                continue
            clocks = [clock for clock in found["fmax_of_seeds"].values() if clock is not None]
            rows.append(("", device, *(number(_used(found, name), 0)
                                       for name in ("LUT", "FF", "carry", "DSP", "RAM")),
                         number(found["fmax_mhz"], 1),
                         f"{min(clocks):.1f} – {max(clocks):.1f}" if len(clocks) > 1
                         else "one seed" if seeds > 1 else ""))
    tools = "; ".join(f"{name}: {d['part']}, {d['nextpnr']}" for name, d in c["devices"].items())
    return (f"{c['yosys']}; {tools}; {c['clock_mhz']:g} MHz asked for, "
            + (f"the median of {seeds} seeds, and their range" if seeds > 1 else "one seed")
            + ":\n\n" + table(("design", "device", "LUT", "FF", "carry", "DSP", "RAM", "MHz",
                               "of seeds"), rows))


def work(r: Json) -> str:
    """Products a second of the LUT core beside those of direct products of the same shape."""
    rows = []
    for bits in (2, 4):
        for x in r["designs"]:
            p = _parameters(x["design"])
            if isinstance(p, LutCoreParameters):    # a plane of the weights a cycle
                cycles = bits
            elif isinstance(p, DotCoreParameters) and p.w_format == f"int{bits}":
                cycles = 1
            else:
                continue
            for device, found in x["devices"].items():
                if "error" not in found:
                    rate = p.M * p.N * p.K * found["fmax_mhz"] / cycles
                    rows.append((bits, f"`{x['design']}`", device,
                                 number(p.M * p.N * p.K / cycles, 0), number(rate, 0),
                                 number(rate / _used(found, "LUT"), 2)))
    return table(("bits of a weight", "design", "device", "products a cycle",
                  "million products/s", "of them a LUT"), rows)


def _used(found: Json, resource: str) -> int:
    return int(found["resources"].get(resource, {}).get("used", 0))


def _parameters(words: str) -> Any:
    name, *flags = words.split()
    parser, cls = ArgumentParser(), find(name).parameter_class()
    add_parameters(parser, cls)
    return take_parameters(parser.parse_args(flags), cls)


#: table -> result file and its text
RECORDED = {"fpga": ("fpga.json", fpga), "fpga work": ("fpga.json", work)}
