#!/usr/bin/env python3
"""Areas of whole accelerators, part by part, for ``gen estimate``.

    scripts/studies/bench_whole.py [--liberty FILE] [--json FILE] [--designs "--w-bits 2" ...]

Each part of the frame is flattened and mapped alone with the plain recipe, memories left out: they
are bits. Of modules that hold parts, only what is their own is mapped. The core is mapped module by
module, which shows where its area is; constants and unused outputs do not cross modules, so it is
not smaller than flat. Each figure has the SHA-256 of its Verilog: with ``--json`` and an older
record in FILE, of the same tools and library, only what has changed is mapped again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_accel import STUB
from measure import Design, Measure, children, grouped

from lowbit.generators.compare.measurements import area_cache, parse
from lowbit.generators.flow import liberty
from lowbit.generators.flow.yosys import yosys_version
from lowbit.generators.verilog.emit import emit
from lowbit.golden.accelerator.parameters import AccelParameters

#: parts of the frame by their modules
PARTS = {"accel_registers": "registers", "accel_fetch": "fetch", "accel_dispatch": "dispatch",
         "accel_load": "load", "accel_store": "store", "accel_frame_reads": "DMA, reads",
         "accel_frame_writes": "DMA, writes", "accel_frame_share": "sharing of reads",
         "accel_results": "ports of the result buffer", "accel_engine_weights": "feed of weights",
         "accel_engine_activations": "feed of activations", "accel_engine_scales": "feed of scales",
         "accel_engine_partials": "feed of partial sums",
         "accel_engine_results": "feed of results"}
#: modules that hold them, of which only what is their own counts
HOLD = ("accel_engine", "accel_frame", "accel")
#: parts of the core by patterns of their modules
CORE = {"lut_core_table_unit": "tables", "lut_column": "columns", "lut_lane_scaler": "group scales",
        "lut_lane": "lanes", "lut_core_drain": "drain", "lut_core": "rest"}
DESIGNS = ("--w-bits 2", "--w-bits 4")


def bodies(verilog: str) -> dict[str, str]:
    """The text of each module."""
    return {name: text for text, name in
            re.findall(r"^(module (\w+) .*?^endmodule\n)", verilog, re.M | re.S)}


def with_children(verilog: str, top: str) -> str:
    """A module and all below it, in the order of the file; nothing that depends on the rest."""
    inside, wanted = children(verilog), {top}
    todo = [top]
    while todo:
        for child in inside[todo.pop()]:
            if child not in wanted:
                wanted.add(child)
                todo.append(child)
    text = "\n".join(text for name, text in bodies(verilog).items() if name in wanted)
    return text + STUB if "lowbit_ram #(" in text else text


def alone(verilog: str, top: str) -> str:
    """A module, and in place of what it holds something that no logic of its own goes away for."""
    found, stubs = bodies(verilog), []
    for child in children(verilog)[top]:
        head = found[child][:found[child].index(");") + 2].replace("output reg", "output wire")
        ports = re.findall(r"(input|output) +wire *(?:\[\d+:0\])? +(\w+)", head)
        seen = ", ".join(name for way, name in ports if way == "input")
        stubs.append("\n".join([head, *(f"  assign {name} = {{64{{^{{{seen}}}}}}};"
                                        for way, name in ports if way == "output"),
                                "endmodule\n"]))
    return "\n".join([found[top], *stubs])


Known = dict[str, dict[str, Any]]


def hash_of(verilog: str) -> str:
    return hashlib.sha256(verilog.encode()).hexdigest()


def part(measure: Measure, known: Known, name: str, verilog: str, top: str) -> dict[str, Any]:
    """A part of the frame, flat."""
    sha256 = hash_of(verilog)
    if sha256 in known:
        return known[sha256]
    found = measure(Design(f"{name} ({top})", verilog, top), "plain")
    return dict(part=name, um2=round(found["area"]),
                gate_equivalents=round(found["gate_equivalents"]),
                flip_flops=found["flip_flops"], sha256=sha256)


def core(measure: Measure, known: Known, verilog: str) -> dict[str, Any]:
    """The core, module by module, and where in it the area is."""
    sha256 = hash_of(verilog)
    if sha256 in known:
        return known[sha256]
    found = measure(Design("LUT core (lut_core)", verilog, "lut_core"), "plain", flatten=False)
    inside = grouped(found["modules"], children(verilog), "lut_core", CORE)
    return dict(part="LUT core", um2=round(found["area"]),
                gate_equivalents=round(found["gate_equivalents"]),
                flip_flops=found["flip_flops"], sha256=sha256,
                inside={name: round(area) for name, area in inside.items() if area})


def between(measure: Measure, known: Known, verilog: str) -> dict[str, Any]:
    """What modules that hold parts have for themselves."""
    texts = [alone(verilog, module) for module in HOLD]
    sha256 = hash_of("".join(texts))
    if sha256 in known:
        return known[sha256]
    areas = [measure(Design(f"{module}, its own", text, module), "plain", flatten=False)
             for module, text in zip(HOLD, texts, strict=True)]
    um2 = sum(area["modules"][module] for module, area in zip(HOLD, areas, strict=True))
    whole = areas[0]
    return dict(part="between the parts", um2=round(um2),
                gate_equivalents=round(um2 / whole["area"] * whole["gate_equivalents"]),
                flip_flops=None, sha256=sha256)


def design(measure: Measure, known: Known, flags: str) -> dict[str, Any]:
    """All parts of an accelerator."""
    p = parse(f"accel {flags}")
    assert isinstance(p, AccelParameters)
    emitted = emit(replace(p, memory="blackbox"))
    verilog = emitted.verilog
    rows = [part(measure, known, name, with_children(verilog, module), module)
            for module, name in PARTS.items()]
    rows.append(between(measure, known, verilog))
    rows.append(core(measure, known, with_children(verilog, "lut_core")))
    memories = [dict(name=m["name"], bits=m["banks"] * m["depth"] * m["width"])
                for m in emitted.manifest["memories"]]
    return dict(design=f"accel {flags}".rstrip(), core=p.core.flags(), parts=rows,
                memories=memories, um2=sum(row["um2"] for row in rows),
                gate_equivalents=sum(row["gate_equivalents"] for row in rows))


def recorded(path: Path | None, conditions: dict[str, Any]) -> Known:
    """Parts of an older record of the same conditions by their hashes."""
    if path is None or not path.exists():
        return {}
    old = json.loads(path.read_text(encoding="utf-8"))
    if old["conditions"] != conditions:
        return {}
    return {one["sha256"]: one for row in old["designs"] for one in row["parts"]}


def show(row: dict[str, Any]) -> None:
    print(f"{row['design']}: {row['um2']:,} µm², {row['gate_equivalents']:,} GE, and "
          f"{sum(m['bits'] for m in row['memories']):,} bits of memory")
    for one in row["parts"]:
        print(f"  {one['part']:34} {one['um2']:9,} µm² {one['gate_equivalents']:8,} GE "
              f"{100 * one['um2'] / row['um2']:5.1f} %")
    inside = row["parts"][-1]["inside"]
    print("  inside the core: " + ", ".join(
        f"{name} {100 * area / sum(inside.values()):.1f} %" for name, area in inside.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    shared = os.environ.get("LOWBIT_SHARED") or Path(__file__).resolve().parents[3] / "shared"
    parser.add_argument("--liberty", type=Path, nargs="+",
                        default=[Path(shared) / "pdk" / "sky130hd_tt.lib.gz"])
    parser.add_argument("--designs", nargs="+", default=DESIGNS, metavar="FLAGS",
                        help="flags of gen accel, each design's in quotes")
    parser.add_argument("--cache", type=Path, default=area_cache())
    parser.add_argument("--json", type=Path, help="write the record there")
    args = parser.parse_args()
    library = liberty.load(args.liberty)
    measure = Measure(library, args.cache,
                      say=lambda text: print(text, file=sys.stderr, flush=True))
    conditions = {"yosys": f"pyosys {yosys_version()}", "libraries": library.describe(),
                  "recipe": "plain", "flatten": "parts of the frame each alone, early; the core "
                                                "module by module"}
    known, rows = recorded(args.json, conditions), []
    for flags in args.designs:
        rows.append(design(measure, known, flags))
        show(rows[-1])
    if args.json:
        args.json.write_text(json.dumps({"conditions": conditions, "designs": rows}, indent=1)
                             + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
