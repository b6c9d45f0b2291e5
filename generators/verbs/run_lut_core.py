"""``gen run lut_core``: a GEMM of the user's own through the golden model or the simulated RTL."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lowbit.golden.lut.gemm import Gemm, Operands
from lowbit.golden.lut.parameters import LutCoreParameters

from ..errors import UsageError
from ..files import data_target
from ..flow.gemm import simulate_gemm
from ..flow.simulate import Outcome
from ..operands import packed_operands, read_operands
from ..options import add_parameters, positive, take_parameters
from ..progress import Progress
from ..registry import Generator
from ..running import (
    add_running,
    check_running,
    describe,
    multiply,
    save_result,
    show,
)

Array = NDArray[Any]


def _bits(text: str) -> int:
    value = positive(text)
    if value > 8:
        raise argparse.ArgumentTypeError(f"must be 1..8; got {text}")
    return value


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    # --w-bits and --zero-point are here the weights' own
    add_parameters(parser, generator.parameter_class(), without=("w_bits", "zero_point"))
    group = parser.add_argument_group("design parameters that have another name here")
    group.add_argument("--planes", dest="w_bits", type=_bits, metavar="INT",
                       default=argparse.SUPPRESS,
                       help="bit-planes of the widest weights that the design takes (--w-bits of "
                       "gen lut_core); 1..8; default 4, or those of the weights if they have more")
    group.add_argument("--no-zero-point", dest="zero_point", action="store_false",
                       default=argparse.SUPPRESS, help="a design without headroom for the "
                       "zero-point term")
    group = parser.add_argument_group("operands")
    group.add_argument("--a", type=Path, required=True, metavar="FILE.npy",
                       help="activations (rows, k) of --a-format: int8, int16, float16, or raw "
                       "codes: uint16 for bf16 and fp16, uint8 for fp8")
    group.add_argument("--w", type=Path, metavar="FILE.npy",
                       help="weight codes q (cols, k), uint8, below 2**B")
    group.add_argument("--w-bits", dest="bits", type=_bits, metavar="B",
                       help="bits of a weight code, bit-planes that run; 1..8")
    group.add_argument("--zero-point", dest="zero", type=Path, metavar="FILE.npy",
                       help="zero points z (cols,) or (cols, groups), uint8, below 2**B: the "
                       "result is the sum of a*(q' - z') and not of a*q', where q' = "
                       "2q - (2**B - 1) and z' = 2z - (2**B - 1)")
    group.add_argument("--scale", type=Path, metavar="FILE.npy",
                       help="scales s (cols,) or (cols, groups), float32: the result is "
                       "dequantised, the sum of s*a*(q - z)")
    group.add_argument("--group-size", type=positive, metavar="G",
                       help="weights along k that share a zero point and a scale; the last group "
                       "may be shorter; default all")
    group.add_argument("--packed", type=Path, metavar="FILE.npz",
                       help="weights, zero points and scales from gen pack, in place of --w, "
                       "--w-bits, --zero-point, --scale and --group-size")
    add_running(parser, "result (rows, cols): int64, or float32 for floating results and with "
                "--scale")


def _operands(args: argparse.Namespace, a_format: str) -> Operands:
    own = {"--w": args.w, "--w-bits": args.bits, "--zero-point": args.zero,
           "--scale": args.scale, "--group-size": args.group_size}
    if args.packed is not None:
        given = [option for option, value in own.items() if value is not None]
        if given:
            raise UsageError(f"--packed brings its own weights; leave {', '.join(given)} out")
        return packed_operands(a_format, args.a, args.packed)
    missing = [option for option in ("--w", "--w-bits") if own[option] is None]
    if missing:
        raise UsageError(f"gen run needs {' and '.join(missing)}, or --packed")
    return read_operands(a_format, args.a, args.w, args.bits, args.zero, args.scale,
                         args.group_size)


def _report(p: LutCoreParameters, x: Operands, gemm: Gemm, result: Array,
            backend: str) -> dict[str, Any]:
    tiles = -(-gemm.rows // p.M) * -(-gemm.columns // p.N)
    return {"generator": p.generator, "parameters": p.as_dict(), "backend": backend,
            "rows": gemm.rows, "columns": gemm.columns, "k": x.codes.shape[1], "bits": x.bits,
            "group_size": x.group_size, "zero_point": x.zero is not None,
            "scale": x.scale is not None, "operations": tiles * len(gemm.blocks),
            "dtype": str(result.dtype)}


def _describe(r: dict[str, Any], flags: str) -> str:
    group = f", groups of {r['group_size']}" if r["group_size"] else ""
    parts = [name for name, key in (("zero points", "zero_point"), ("scales", "scale")) if r[key]]
    return describe(r, flags, f"{r['bits']} bits{group}{''.join(f', {part}' for part in parts)}")


def run(args: argparse.Namespace) -> int:
    check_running(args)
    output = data_target(args.output, [args.a, args.w, args.zero, args.scale, args.packed],
                         force=args.force)
    p = take_parameters(args, LutCoreParameters)
    assert isinstance(p, LutCoreParameters)
    operands = _operands(args, p.a_format)
    if operands.bits > p.w_bits:
        if hasattr(args, "w_bits"):
            raise UsageError(f"--planes must be at least the {operands.bits} bits of the weights; "
                             f"got {p.w_bits}")
        p = replace(p, w_bits=operands.bits)
    with Progress("golden model") as progress:
        gemm = Gemm(p, operands)

        def golden() -> Array:
            return gemm.result(gemm.run(lambda done: progress.share(done, len(gemm.blocks))))

        def simulated() -> tuple[Array, Outcome]:
            blocks, outcome = simulate_gemm(p, operands, build_dir=args.build_dir,
                                            progress=progress)
            return gemm.result(blocks), outcome

        result, figures = multiply(args, progress, golden, simulated)
    save_result(output, result)
    report = {**_report(p, operands, gemm, result, args.backend), **figures, "file": str(output)}
    return show(report, _describe(report, p.flags()), as_json=args.json)
