#!/usr/bin/env python3
"""Speed and memory of the tools themselves: prints a table, and JSON with --json.

Each line is a whole process, run as a user runs it; ``best of n`` is the fastest. Seconds belong
to the machine they were taken on; compare ratios. Run after scripts/setup:
``.venv/bin/python scripts/studies/bench_speed.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

GEN = [sys.executable, "-m", "lowbit.generators"]
Figures = dict[str, Any]
HEADLINE = ["--M", "2", "--N", "64", "--K", "4"]


def timed(command: list[str], repeat: int = 1) -> tuple[float, float, str]:
    """Seconds (best of ``repeat``), peak memory in MB, and the output of a command.

    The peak is that of the largest process of the command, its children included.
    """
    best, peak, text = float("inf"), 0.0, ""
    for _ in range(repeat):
        start = time.perf_counter()
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(command, stdout=output)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read()
        best = min(best, time.perf_counter() - start)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
        peak = max(peak, usage.ru_maxrss / 1024)
    return best, peak, text


def emission(words: list[str], repeat: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.v"
        seconds, peak, _ = timed([*GEN, *words, "-o", str(output)], repeat)
        return {"seconds": round(seconds, 2), "peak_MB": round(peak),
                "verilog_KB": round(output.stat().st_size / 1000, 1)}


def simulation(words: list[str], vectors: int) -> Figures:
    """A first run that builds the model, a second one that is timed."""
    with tempfile.TemporaryDirectory() as folder:
        verify = [*GEN, "verify", *words, "--json", "--build-dir", folder]
        _, peak, text = timed([*verify, "--vectors", "200"])
        built = json.loads(text)["build_seconds"]
        seconds, again, text = timed([*verify, "--vectors", str(vectors)])
    result = json.loads(text)
    return {key: result[key] for key in ("words", "cycles", "cycles_per_second")} \
        | {"seconds": round(seconds, 2), "build_seconds": round(built, 1),
           "peak_MB": round(max(peak, again))}


def area(words: list[str]) -> Figures:
    seconds, peak, _ = timed([*GEN, "area", *words])
    return {"seconds": round(seconds, 1), "peak_MB": round(peak)}


def golden_layer() -> Figures:
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
    parser.add_argument("--only", default="", metavar="WORD", help="only lines with this word; "
                        "the others stay in the file as they are")
    args = parser.parse_args()
    library = ["--liberty", args.liberty] if args.liberty else []
    figures: Figures = {"machine": f"{os.cpu_count()} cores, Python "
                        f"{platform.python_version()}"}
    runs: dict[str, Callable[[], Figures]] = {
        "gen lut_core M2 N64 K4": lambda: emission(["lut_core", *HEADLINE], 3),
        "gen lut_core M8 N256 K4": lambda: emission(["lut_core", "--M", "8", "--N", "256"], 2),
        "gen bitmod_array 4x4 of 8x8": lambda: emission(["bitmod_array"], 2),
        "golden layer 16x384x1536 W4": golden_layer,
        "gen verify lut_core M2 N64 K4": lambda: simulation(["lut_core", *HEADLINE], 20000),
        "gen verify bitmod_tile 8x8": lambda: simulation(["bitmod_tile"], 20000),
        "gen area lut_core M2 N64 K4": lambda: area(["lut_core", *HEADLINE, *library]),
        "gen area bitmod_tile 8x8": lambda: area(["bitmod_tile", *library]),
    }
    for name in (name for name in runs if args.only in name):
        figures[name] = runs[name]()
        print(f"{name:<32}" + "  ".join(f"{k} {v}" for k, v in figures[name].items()), flush=True)
    if args.json and args.only and args.json.exists():
        # keep the figures of the others, in the order of the table
        found = json.loads(args.json.read_text()) | figures
        figures = {name: found[name] for name in ("machine", *runs) if name in found}
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
