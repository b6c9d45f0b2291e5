#!/usr/bin/env python3
"""Speed and memory of the tools themselves: prints a table, and JSON with --json.

Each line is a whole process, run as a user runs it; ``best of n`` is the fastest. Seconds belong
to the machine they were taken on; compare ratios. Run after scripts/setup:
``.venv/bin/python scripts/bench_speed.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

GEN = [sys.executable, "-m", "lowbit.generators"]
HEADLINE = ["--M", "2", "--N", "64", "--K", "4"]


def timed(command: list[str], repeat: int = 1) -> tuple[float, float, str]:
    """Seconds (best of ``repeat``), peak memory in MB, and the output of a command."""
    best, peak, text = float("inf"), 0.0, ""
    for _ in range(repeat):
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        text, _ = process.communicate()
        best = min(best, time.perf_counter() - start)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
        # the largest child so far; commands run in the order of their size
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return best, peak, text


def emission(words: list[str], repeat: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.v"
        seconds, peak, _ = timed([*GEN, *words, "-o", str(output)], repeat)
        return {"seconds": round(seconds, 2), "peak_MB": round(peak),
                "verilog_KB": round(output.stat().st_size / 1000, 1)}


def simulation(words: list[str], vectors: int) -> dict[str, Any]:
    timed([*GEN, "verify", *words, "--vectors", "200", "--json"])     # build the model
    seconds, _, text = timed([*GEN, "verify", *words, "--vectors", str(vectors), "--json"])
    result = json.loads(text)
    return {key: result[key] for key in ("words", "cycles", "cycles_per_second") if key in result} \
        | {"seconds": round(seconds, 2)}


def golden_layer() -> dict[str, Any]:
    """The golden model of a 16 x 384 x 1536 layer with 4-bit weights."""
    from lowbit.golden.lut.gemm import gemm
    from lowbit.golden.lut.parameters import LutCoreParameters
    rng = np.random.default_rng(0)
    a = rng.standard_normal((16, 384)).astype(np.float16).view(np.uint16)
    q = rng.integers(0, 16, (1536, 384), dtype=np.uint8)
    figures = {}
    for datapath in ("aligned", "float"):
        start = time.perf_counter()
        gemm(LutCoreParameters(datapath=datapath), a, q, 4)
        figures[f"{datapath}_seconds"] = round(time.perf_counter() - start, 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--liberty", help="liberty file for the area runs (default: embedded)")
    args = parser.parse_args()
    library = ["--liberty", args.liberty] if args.liberty else []
    figures: dict[str, Any] = {"machine": f"{os.cpu_count()} cores, Python "
                               f"{platform.python_version()}"}
    for name, run in (
            ("gen lut_core M2 N64 K4", lambda: emission(["lut_core", *HEADLINE], 3)),
            ("gen lut_core M8 N256 K4",
             lambda: emission(["lut_core", "--M", "8", "--N", "256"], 2)),
            ("golden layer 16x384x1536 W4", golden_layer),
            ("gen verify lut_core M2 N64 K4",
             lambda: simulation(["lut_core", *HEADLINE], 20000)),
            ("gen area lut_core M2 N64 K4", lambda: dict(zip(
                ("seconds", "peak_MB"), (round(x, 1) for x in timed(
                    [*GEN, "area", "lut_core", *HEADLINE, *library])[:2]), strict=True)))):
        figures[name] = run()
        print(f"{name:<32}" + "  ".join(f"{k} {v}" for k, v in figures[name].items()), flush=True)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
