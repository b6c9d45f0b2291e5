"""``gen run GENERATOR``: a user's own matrix product, golden model or simulated RTL."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckFailed, UsageError
from ..family import Generator
from ..files import data_target, write_whole
from ..options import add_parameters, take_parameters
from ..progress import Progress
from ..registry import GENERATORS as ALL
from ..running import BACKENDS, run_workload

SUMMARY = "multiply matrices on a design: golden model or simulated RTL"
TAKES_GENERATOR = True

GENERATORS = [name for name, generator in ALL.items() if generator.operands]

Array = NDArray[Any]


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    if generator.name not in GENERATORS:
        raise UsageError(f"gen run multiplies matrices on {', '.join(GENERATORS)}; "
                         f"{generator.name} is none of them (gen verify simulates it)")
    add_parameters(parser, generator.parameter_class())
    options = generator.operand_options()
    options.add(parser)
    group = parser.add_argument_group("running")
    group.add_argument("--backend", choices=BACKENDS, metavar="|".join(BACKENDS),
                       default="golden", help="golden model, or the RTL in simulation (Verilator); "
                       "default golden")
    group.add_argument("--compare", action="store_true",
                       help="with --backend rtl: also run the golden model, and count the outputs "
                       "that differ; exit status 1 if any does")
    group.add_argument("-o", dest="output", metavar="FILE.npy", required=True,
                       help=options.result)
    group.add_argument("--force", action="store_true", help="overwrite an existing file")
    group.add_argument("--build-dir", type=Path, metavar="DIR",
                       help="keep simulator builds here instead of the user's cache")
    group.add_argument("--json", action="store_true", help="print the report as JSON")


def _save(output: Path, result: Array) -> None:
    """Write the result as a .npy file, whole or not at all."""
    def save(path: Path) -> None:
        with path.open("wb") as file:
            # C order: equal results are equal files
            np.save(file, np.ascontiguousarray(result), allow_pickle=False)

    write_whole(output, save)


def run(args: argparse.Namespace) -> int:
    if args.compare and args.backend != "rtl":
        raise UsageError("--compare compares the simulated RTL with the golden model; "
                         "it needs --backend rtl")
    options = args.generator.operand_options()
    output = data_target(args.output, options.files(args), force=args.force)
    parameters = take_parameters(args, args.generator.parameter_class())
    with Progress("golden model") as progress:
        done = run_workload(options.read(args, parameters), backend=args.backend,
                            compare=args.compare, build_dir=args.build_dir, progress=progress)
    _save(output, done.result)
    if args.json:
        print(json.dumps({**done.as_dict(), "file": str(output)}, indent=2))
    else:
        print(f"{done}\n  {output}: {done.result.dtype} {done.result.shape}")
    if done.differ:
        raise CheckFailed(f"{done.differ} outputs differ from the golden model")
    return 0
