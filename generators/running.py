"""What the designs of ``gen run`` have in common: options, the result file, the report."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CheckFailed, UsageError
from .files import write_whole
from .flow.simulate import Outcome
from .progress import Progress

__all__ = ["add_running", "check_running", "describe", "differing", "multiply", "save_result",
           "show", "simulation_figures"]

Array = NDArray[Any]

BACKENDS = ("golden", "rtl")


def add_running(parser: argparse.ArgumentParser, result: str) -> None:
    """Backend, output and report; ``result`` describes the output."""
    group = parser.add_argument_group("running")
    group.add_argument("--backend", choices=BACKENDS, metavar="|".join(BACKENDS),
                       default="golden", help="golden model, or the RTL in simulation (Verilator); "
                       "default golden")
    group.add_argument("--compare", action="store_true",
                       help="with --backend rtl: also run the golden model, and count the outputs "
                       "that differ; exit status 1 if any does")
    group.add_argument("-o", dest="output", metavar="FILE.npy", required=True, help=result)
    group.add_argument("--force", action="store_true", help="overwrite an existing file")
    group.add_argument("--build-dir", type=Path, metavar="DIR",
                       help="keep simulator builds here instead of the user's cache")
    group.add_argument("--json", action="store_true", help="print the report as JSON")


def check_running(args: argparse.Namespace) -> None:
    """Refuse options that contradict each other."""
    if args.compare and args.backend != "rtl":
        raise UsageError("--compare compares the simulated RTL with the golden model; "
                         "it needs --backend rtl")


def differing(a: Array, b: Array) -> int:
    """Elements whose bits differ."""
    kind = f"u{a.dtype.itemsize}"
    return int((np.ascontiguousarray(a).view(kind) != np.ascontiguousarray(b).view(kind)).sum())


def simulation_figures(outcome: Outcome) -> dict[str, Any]:
    """What a report says of a simulation."""
    return {"seconds": round(outcome.seconds, 3), "cycles": outcome.cycles,
            "cycles_per_second": round(outcome.cycles / outcome.seconds, 1),
            "build_seconds": round(outcome.build_seconds, 3)}


def multiply(args: argparse.Namespace, progress: Progress, golden: Callable[[], Array],
             simulated: Callable[[], tuple[Array, Outcome]]) -> tuple[Array, dict[str, Any]]:
    """The result by the backend that was asked for, and what the report says of it."""
    if args.backend == "golden":
        start = time.perf_counter()
        result = golden()
        return result, {"seconds": round(time.perf_counter() - start, 3)}
    result, outcome = simulated()
    figures = simulation_figures(outcome)
    if args.compare:
        progress("golden model")
        figures["differ"] = differing(result, golden())
    return result, figures


def describe(r: dict[str, Any], flags: str, weights: str, more: Sequence[str] = ()) -> str:
    """The report for a terminal; ``weights`` says what they are, ``more`` lines come before the
    file's."""
    if r["backend"] == "golden":
        ran = f"golden model: {r['seconds']:.2f} s"
    else:
        built = f"built in {r['build_seconds']:.1f} s" if r["build_seconds"] else "build cached"
        ran = (f"simulated RTL: {r['operations']} operations, {r['cycles']} cycles, "
               f"{r['cycles_per_second']:.0f} cycles/s, {r['seconds']:.1f} s, {built}")
    return "\n  ".join([
        f"{r['generator']} {flags}".rstrip(),
        f"({r['rows']} x {r['k']}) times ({r['k']} x {r['columns']}), weights of {weights}", ran,
        *more, f"{r['file']}: {r['dtype']} ({r['rows']}, {r['columns']})"])


def save_result(output: Path, result: Array) -> None:
    """Write the result as a .npy file, whole or not at all."""
    def save(path: Path) -> None:
        with path.open("wb") as file:
            # C order: equal results are equal files
            np.save(file, np.ascontiguousarray(result), allow_pickle=False)

    write_whole(output, save)


def show(report: dict[str, Any], text: str, *, as_json: bool) -> int:
    """Print the report; :class:`CheckFailed` when it counts outputs that differ."""
    differ = report.get("differ")
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        print(text)
        if differ is not None:
            print(f"  {differ} of {report['rows'] * report['columns']} outputs differ from the "
                  "golden model")
    if differ:
        raise CheckFailed(f"{differ} outputs differ from the golden model")
    return 0
