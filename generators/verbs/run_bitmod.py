"""``gen run bitmod_tile|bitmod_array``: a layer of BitMoD weights, golden or simulated RTL."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lowbit.golden.bitmod.datatypes import DATA_TYPE_NAMES, get_data_type
from lowbit.golden.bitmod.gemm import Gemm, Operands
from lowbit.golden.bitmod.parameters import BitmodTileParameters

from ..bitmod_operands import is_packed, packed_operands, raw_operands
from ..errors import UsageError
from ..files import data_target
from ..flow.gemm import simulate_bitmod
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

__all__ = ["configure", "run"]

Array = NDArray[Any]


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    # --channel-scale is here the scales themselves
    add_parameters(parser, generator.parameter_class(), without=("channel_scale",))
    group = parser.add_argument_group("design parameters that have another name here")
    group.add_argument("--no-channel-scale", dest="channel_scale", action="store_false",
                       default=argparse.SUPPRESS, help="a design without the multiplier for the "
                       "channels' second-level scales")
    group = parser.add_argument_group("operands")
    group.add_argument("--a", type=Path, required=True, metavar="FILE.npy",
                       help="activations (rows, k), float16, or uint16 as raw codes")
    group.add_argument("--codes", type=Path, required=True, metavar="FILE",
                       help="weights: a packed file of gen quantize (.npz), or the raw form: codes "
                       "(cols, k), uint8 (.npy), with the options below")
    group.add_argument("--tensor", metavar="NAME",
                       help="tensor of a packed file that holds several")
    group.add_argument("--dtype", metavar="NAME",
                       help=f"data type of the codes: "
                       f"{', '.join(n for n in DATA_TYPE_NAMES if not n.endswith('_asym'))}; a "
                       "packed file names its own")
    group.add_argument("--sv", type=Path, metavar="FILE.npy",
                       help="special value of each group (cols, groups), a float, of FP3 and FP4 "
                       "types; at most four different ones")
    group.add_argument("--scale-codes", type=Path, metavar="FILE.npy",
                       help="scale code of each group (cols, groups), uint8")
    group.add_argument("--group-size", type=positive, metavar="G",
                       help="weights along k that share a scale code; the last group of a channel "
                       "may be shorter")
    group.add_argument("--channel-scale", dest="delta", type=Path, metavar="FILE.npy",
                       help="second-level scale of each channel (cols,), float32; default none: "
                       "the result is the sum of scale code times group sum")
    add_running(parser, "result (rows, cols): float32, or float16 with --out fp16")


def _operands(args: argparse.Namespace) -> Operands:
    raw = {"--sv": args.sv, "--scale-codes": args.scale_codes, "--group-size": args.group_size,
           "--channel-scale": args.delta}
    if is_packed(args.codes):
        given = [option for option, value in raw.items() if value is not None]
        if given:
            raise UsageError("a packed file brings its own scales and special values; leave "
                             f"{', '.join(given)} out")
        return packed_operands(args.a, args.codes, args.tensor, args.dtype)
    if args.tensor is not None:
        raise UsageError("--tensor names a tensor of a packed file; --codes is an array")
    needed = {"--dtype": args.dtype, **raw}
    missing = [option for option in ("--dtype", "--scale-codes", "--group-size")
               if needed[option] is None]
    if missing:
        raise UsageError(f"--codes with an array needs {', '.join(missing)}")
    return raw_operands(args.a, args.codes, get_data_type(args.dtype), args.group_size,
                        args.scale_codes, args.sv, args.delta)


def _report(p: BitmodTileParameters, gemm: Gemm, result: Array, backend: str) -> dict[str, Any]:
    x = gemm.operands
    return {"generator": p.generator, "parameters": p.as_dict(), "backend": backend,
            "rows": gemm.rows, "columns": gemm.columns, "k": gemm.k, "weights": x.dtype.name,
            "group_size": x.group_size, "special_values": list(gemm.register_file),
            "channel_scale": x.channel_scale is not None, "operations": gemm.cycles.blocks,
            "model_cycles": gemm.stream_cycles,
            "model_utilization": round(gemm.cycles.utilization, 4), "dtype": str(result.dtype)}


def _describe(r: dict[str, Any], flags: str) -> str:
    scales = ", channel scales" if r["channel_scale"] else ""
    return describe(r, flags, f"{r['weights']}, groups of {r['group_size']}{scales}",
                    [f"cycle model: {r['model_cycles']} cycles, "
                     f"{100 * r['model_utilization']:.1f} % of the multiply-accumulates possible "
                     "in them"])


def run(args: argparse.Namespace) -> int:
    check_running(args)
    output = data_target(args.output, [args.a, args.codes, args.sv, args.scale_codes, args.delta],
                         force=args.force)
    p = take_parameters(args, args.generator.parameter_class())
    assert isinstance(p, BitmodTileParameters)
    gemm = Gemm(p, _operands(args))
    with Progress("golden model") as progress:
        result, figures = multiply(
            args, progress, lambda: gemm.run(progress.share),
            lambda: simulate_bitmod(p, gemm.operands, build_dir=args.build_dir,
                                    progress=progress))
    save_result(output, result)
    report = {**_report(p, gemm, result, args.backend), **figures, "file": str(output)}
    return show(report, _describe(report, p.flags()), as_json=args.json)
