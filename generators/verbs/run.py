"""``gen run GENERATOR``: a user's own GEMM through the golden model or the simulated RTL."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from ..registry import Generator
from . import run_bitmod, run_fp16_tile, run_lut_core

SUMMARY = "multiply matrices on a design: golden model or simulated RTL"
TAKES_GENERATOR = True

#: generator -> module with configure(parser, generator) and run(args)
GENERATORS = {"lut_core": run_lut_core, "bitmod_tile": run_bitmod, "bitmod_array": run_bitmod,
              "fp16_tile": run_fp16_tile}


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    if generator.name not in GENERATORS:
        raise UsageError(f"gen run multiplies matrices on {', '.join(GENERATORS)}; "
                         f"{generator.name} is none of them (gen verify simulates it)")
    GENERATORS[generator.name].configure(parser, generator)


def run(args: argparse.Namespace) -> int:
    return GENERATORS[args.generator.name].run(args)
