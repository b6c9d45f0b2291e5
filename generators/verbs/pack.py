"""``gen pack``: ``gen quantize --dtype lutB`` of one matrix, with the words of a core's port."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowbit.golden.parameters import Parameters, parameter

from ..families.lut.stream import stream_entries
from ..files import data_target, write_whole
from ..options import add_parameters, take_parameters
from ..progress import Progress
from ..weights.checkpoint import open_tensor
from ..weights.file import write_tensors
from ..weights.formats import QuantizeOptions, find_format

SUMMARY = "gen quantize for the LUT core, with the words of its weight port"


@dataclass(frozen=True, kw_only=True)
class PackParameters(Parameters):
    """How weights are quantised, and the core that they are packed for."""

    w_bits: int = parameter(4, "bits of a weight code, planes of the stream", low=1, high=8)
    group_size: int = parameter(128, "weights of a channel that share a scale and zero point, "
                                "0 for the whole channel; a shorter last group is allowed", low=0,
                                high=(1 << 31) - 1)
    symmetric: bool = parameter(False, "odd levels symmetric about 0, no zero point")
    N: int = parameter(64, "columns of the core", low=1, high=4096)
    K: int = parameter(4, "activations a table covers", low=2, high=6,
                       source="LUT Tensor Core, section 3.1")
    groups: int = parameter(1, "tables the core reads in a cycle", low=1, high=64)
    parallel_planes: int = parameter(1, "bit-planes the core reads in a cycle: 1, 2 or 4", low=1,
                                     high=4)
    table: str = parameter("half", "half table, or the conventional full one that takes raw "
                           "patterns", choices=("half", "full"))
    negation: str = parameter("offline", "half table: fold patterns here, or in the core's "
                              "hardware, which takes raw patterns", choices=("offline", "hardware"))

    def check(self) -> None:
        if self.parallel_planes == 3:
            self.refuse("parallel_planes", "must be 1, 2 or 4")
        if self.table == "full" and self.negation == "hardware":
            self.refuse("negation", "hardware needs --table half: a full table has no sign")

    @property
    def raw(self) -> bool:
        """Whether the words hold raw patterns instead of signs and folded indices."""
        return self.table == "full" or self.negation == "hardware"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, help=".safetensors or .npy file; weights (n, k)")
    parser.add_argument("--tensor", help="name of the tensor in a safetensors file")
    add_parameters(parser, PackParameters)
    parser.add_argument("-o", dest="output", metavar="FILE.npz", required=True,
                        help="tensor file to write")
    parser.add_argument("--force", action="store_true",
                        help="overwrite a file that gen did not write")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    parameters = take_parameters(args, PackParameters)
    assert isinstance(parameters, PackParameters)
    output = data_target(args.output, [args.weights], force=args.force)
    started = time.perf_counter()
    tensor = open_tensor(args.weights, args.tensor)
    n, k = tensor.shape
    kind = find_format(f"lut{parameters.w_bits}" + ("_sym" if parameters.symmetric else ""))
    with Progress("quantising") as progress:
        quantized, error = kind.quantize(tensor, QuantizeOptions(parameters.group_size),
                                         progress.share)
        progress("packing")
        stream = stream_entries(quantized, K=parameters.K, groups=parameters.groups,
                                N=parameters.N, raw=parameters.raw,
                                planes=parameters.parallel_planes)
        entries = kind.entries(quantized) | stream
        write_whole(output, lambda path: write_tensors(path, [(tensor.name, entries)]))
    tiles, beats, _ = stream["stream_words"].shape
    report: dict[str, Any] = {
        "tensor": tensor.name, "dtype": tensor.dtype, "shape": [n, k],
        "parameters": parameters.as_dict(), "groups_per_channel": quantized.scale.shape[1],
        **error.as_dict(),
        "tiles": tiles, "beats_per_tile": beats, "word_bits": parameters.N * parameters.groups
        * parameters.K * parameters.parallel_planes, "stream_bytes": stream["stream_words"].size,
        "file": str(output), "file_bytes": os.path.getsize(output),
        "seconds": time.perf_counter() - started}
    print(json.dumps(report, indent=2) if args.json else _describe(report, parameters))
    return 0


def _describe(report: dict[str, Any], parameters: PackParameters) -> str:
    kind = "symmetric" if parameters.symmetric else "asymmetric"
    group = f"groups of {parameters.group_size}" if parameters.group_size else "whole channels"
    n, k = report["shape"]
    fields = "raw patterns" if parameters.raw else "sign and index"
    return "\n".join((
        f"tensor     {report['tensor']}, {n} x {k}, {report['dtype']}",
        f"quantised  {parameters.w_bits} bits, {kind}, {group}: "
        f"{report['bits_per_weight']:.3f} bits a weight with scales and zero points",
        f"error      MSE {report['mse']:.4g}, normalised MSE {report['normalized_mse']:.4g}, "
        f"largest {report['max_error']:.4g}",
        f"stream     {report['tiles']} tiles of {report['beats_per_tile']} beats of "
        f"{report['word_bits']} bits ({fields}), {report['stream_bytes']} bytes, for "
        f"N={parameters.N} K={parameters.K} groups={parameters.groups}" + (
            f" planes={parameters.parallel_planes}" if parameters.parallel_planes > 1 else ""),
        f"written    {report['file']}, {report['file_bytes']} bytes, {report['seconds']:.2f} s"))
