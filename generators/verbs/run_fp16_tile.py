"""``gen run fp16_tile``: a product of FP16 matrices on the baseline, golden or simulated RTL."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lowbit.golden.baselines.gemm import Gemm, Operands
from lowbit.golden.baselines.parameters import Fp16TileParameters

from ..files import data_target
from ..flow.gemm import simulate_fp16
from ..operands import fp16_codes
from ..options import add_parameters, take_parameters
from ..progress import Progress
from ..registry import Generator
from ..running import add_running, check_running, describe, multiply, save_result, show

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_parameters(parser, generator.parameter_class())
    group = parser.add_argument_group("operands")
    for option, shape, what in (("--a", "(rows, k)", "activations"),
                                ("--w", "(cols, k)", "weights")):
        group.add_argument(option, type=Path, required=True, metavar="FILE.npy",
                           help=f"{what} {shape}, float16, or uint16 as raw codes")
    add_running(parser, "result (rows, cols): float32, or float16 with --acc fp16; products are "
                "added in ascending order of k")


def _report(p: Fp16TileParameters, gemm: Gemm, backend: str) -> dict[str, Any]:
    return {"generator": p.generator, "parameters": p.as_dict(), "backend": backend,
            "rows": gemm.rows, "columns": gemm.columns, "k": gemm.k,
            "operations": len(gemm.blocks)}


def run(args: argparse.Namespace) -> int:
    check_running(args)
    output = data_target(args.output, [args.a, args.w], force=args.force)
    p = take_parameters(args, Fp16TileParameters)
    assert isinstance(p, Fp16TileParameters)
    gemm = Gemm(p, Operands(fp16_codes(args.a, "--a", "(rows, k)"),
                            fp16_codes(args.w, "--w", "(cols, k)")))
    with Progress("golden model") as progress:
        result, figures = multiply(
            args, progress, lambda: gemm.run(progress.share),
            lambda: simulate_fp16(p, gemm.operands, build_dir=args.build_dir, progress=progress))
    save_result(output, result)
    report = {**_report(p, gemm, args.backend), "dtype": str(result.dtype), **figures,
              "file": str(output)}
    return show(report, describe(report, p.flags(), f"fp16, sums in {p.acc}"), as_json=args.json)
