#!/usr/bin/env python3
"""Areas of the accelerator around its memories: control and bus, and what scaling groups costs.

    scripts/studies/bench_accel.py --liberty FILE [--json FILE] [--parts control core]

``control``: fetch, dispatch, load, store, the DMA engines and the registers of the default design
with 8-bit weights, each flattened, memories left out (black boxes); in gate equivalents, the bar is
25,000. The exponent scan (an arithmetic unit of load) and the FP16 rounding of store stand apart.
``core``: the core of that design for groups of 32, module by module: the share of its group scale
units; the bar is 35 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lowbit.generators.flow.synthesis import synthesize
from lowbit.generators.measuring import find_library
from lowbit.generators.verilog.emit import emit
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.hdl.fabric.bank import MODEL

#: modules of the frame and what they are; they come before a bar of gate equivalents
CONTROL = {"accel_registers": "registers", "accel_fetch": "fetch", "accel_dispatch": "dispatch",
           "accel_load": "load", "accel_store": "store", "accel_frame_reads": "DMA, reads",
           "accel_frame_writes": "DMA, writes", "accel_frame_share": "sharing of reads",
           "accel_results": "ports of the result buffer"}
#: arithmetic inside of them
ARITHMETIC = {"accel_load_exponents": "exponent scan", "fp32_to_fp16": "FP16 rounding"}
BARS = {"control": 25_000, "scale": 0.35}
#: in a memory's place: what comes out must depend on what goes in, or its logic would go away;
#: the few gates count
STUB = MODEL[MODEL.index("module"):MODEL.index("  reg [WIDTH")]
STUB = STUB.replace("output reg ", "output wire")
STUB += "  assign read_data = write_data ^ (^{write, write_address, read, read_address});\n"
STUB += "endmodule\n"


def control(library: Any) -> list[dict[str, Any]]:
    """Gate equivalents of each part."""
    p = AccelParameters(w_bits=8, memory="blackbox")
    verilog = emit(p).verilog + "\n" + STUB
    rows = []
    for module, name in (CONTROL | ARITHMETIC).items():
        times = p.chains if module in ARITHMETIC and module != "accel_load_exponents" else 1
        found = synthesize(verilog, module, library)
        rows.append(dict(part=name, gate_equivalents=round(times * found.gate_equivalents),
                         flip_flops=times * found.flip_flops,
                         arithmetic=module in ARITHMETIC))
        print(f"  {name}: {rows[-1]['gate_equivalents']:,} GE", file=sys.stderr, flush=True)
    return rows


def core(library: Any) -> dict[str, Any]:
    """Area of the core and of its group scale units."""
    p = AccelParameters(w_bits=8, max_group=32)
    found = synthesize(emit(p.core).verilog, "lut_core", library, flatten=False)
    scales = sum(m.instances * m.area for m in found.modules
                 if m.name.startswith("lut_lane_scaler"))
    return dict(flags=p.core.flags(), gate_equivalents=round(found.gate_equivalents),
                scale_units=round(scales / found.area * found.gate_equivalents),
                share=round(scales / found.area, 4))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--liberty", type=Path, action="append", default=[])
    parser.add_argument("--parts", nargs="+", choices=("control", "core"),
                        default=["control", "core"])
    parser.add_argument("--json", type=Path, help="write the record there")
    args = parser.parse_args()
    library = find_library(args.liberty)
    record: dict[str, Any] = {"library": list(library.names)}
    if "control" in args.parts:
        rows = record["control"] = control(library)
        inside = sum(row["gate_equivalents"] for row in rows if row["arithmetic"])
        whole = sum(row["gate_equivalents"] for row in rows if not row["arithmetic"])
        record["control_gate_equivalents"] = whole - inside
        for row in rows:
            print(f"{row['part']:28} {row['gate_equivalents']:8,} GE  {row['flip_flops']:6,} flip-"
                  f"flops{'  (arithmetic, inside one above)' if row['arithmetic'] else ''}")
        print(f"control, DMA and registers without arithmetic: {whole - inside:,} GE "
              f"(bar {BARS['control']:,}); with it {whole:,}")
    if "core" in args.parts:
        found = record["core"] = core(library)
        print(f"core {found['gate_equivalents']:,} GE, group scale units "
              f"{found['scale_units']:,} GE: {100 * found['share']:.1f} % (bar 35 %)")
    if args.json:
        args.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
