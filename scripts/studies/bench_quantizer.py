"""Speed and memory of ``gen quantize``'s quantiser: weights a second and peak memory.

    python scripts/studies/bench_quantizer.py [--rows 4096] [--columns 4096] [--dtype NAME ...]

One thread; the best of several runs in processor time and in wall-clock time (they differ when
the machine is shared). Memory is what the process needs beyond the tensor itself, from the
kernel's count of the peak.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time

import numpy as np

from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.quantizer import quantize


def peak() -> int:
    """Peak resident memory of this process in bytes."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=4096)
    parser.add_argument("--group-size", type=int, default=128)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dtype", nargs="+", default=["bitmod4", "bitmod3", "fp4", "fp3", "int6",
                                                       "int4_asym"])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((args.rows, args.columns), dtype=np.float32)
    base, results = peak(), []
    for name in args.dtype:
        dtype = get_data_type(name)
        cpu, wall = [], []
        for _ in range(args.runs):
            c, w = time.process_time(), time.perf_counter()
            quantize(weights, dtype, args.group_size)
            cpu.append(time.process_time() - c)
            wall.append(time.perf_counter() - w)
        results.append({"dtype": name, "million_weights_per_second": weights.size / min(cpu) / 1e6,
                        "wall_clock": weights.size / min(wall) / 1e6,
                        "memory_over_tensor": (peak() - base) / weights.nbytes + 1})
    if args.json:
        print(json.dumps({"numpy": np.__version__, "machine": platform.machine(),
                          "shape": weights.shape, "results": results}, indent=2))
        return
    print(f"{args.rows} x {args.columns} float32, groups of {args.group_size}, "
          f"NumPy {np.__version__}, {platform.machine()}")
    print(f"{'type':<10}{'Mweights/s (CPU)':>18}{'(wall clock)':>14}{'peak / tensor':>15}")
    for r in results:
        print(f"{r['dtype']:<10}{r['million_weights_per_second']:>18.1f}{r['wall_clock']:>14.1f}"
              f"{r['memory_over_tensor']:>15.2f}")


if __name__ == "__main__":
    main()
