"""``gen pack``: ``gen quantize`` of one matrix to a format of the LUT core, with the words of its
weight port."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.parameters import ParameterError, Parameters, parameter, same_as

from ..errors import UsageError
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

    radix: int = same_as(LutCoreParameters, "radix", "values of a weight's digit: 2, codes of "
                         "--w-bits; 3, trits")
    w_bits: int = same_as(LutCoreParameters, "w_bits", "bits of a weight code, planes of the "
                          "stream")
    group_size: int = parameter(128, "weights of a channel that share a scale and zero point, "
                                "0 for the whole channel; a shorter last group is allowed", low=0,
                                high=(1 << 31) - 1)
    symmetric: bool = parameter(False, "odd levels symmetric about 0, no zero point")
    planes: int = parameter(1, "radix 3: matrices of trits, each with scales of its own, whose sum "
                            "is the weights", low=1, high=2)
    N: int = same_as(LutCoreParameters, "N", "columns of the core")
    K: int = same_as(LutCoreParameters, "K", "activations a table covers")
    groups: int = same_as(LutCoreParameters, "groups", "tables the core reads in a cycle")
    parallel_planes: int = same_as(LutCoreParameters, "parallel_planes", "bit-planes the core "
                                   "reads in a cycle: 1, 2 or 4")
    table: str = same_as(LutCoreParameters, "table", "half table, or the conventional full one "
                         "that takes raw patterns")
    negation: str = same_as(LutCoreParameters, "negation", "half table: fold patterns here, or in "
                            "the core's hardware, which takes raw patterns")
    unpack: str = same_as(LutCoreParameters, "unpack", "radix 3: a trit in two bits, five in a "
                          "byte, or four in five bits; sherry makes exactly one of four zero")

    def check(self) -> None:
        self.core.check()
        if self.radix == 3 and self.symmetric:
            self.refuse("symmetric", "belongs to --radix 2: trits are symmetric; leave it out")
        if self.planes > 1 and (self.radix == 2 or self.unpack == "sherry"):
            self.refuse("planes", "must be 1 unless --radix is 3 and --unpack none or trits5: "
                        "planes are sums of trits")

    @property
    def core(self) -> LutCoreParameters:
        """The core that takes the words, whatever its activations are."""
        # narrower weights are padded to whole beats of planes
        bits = -(-self.w_bits // self.parallel_planes) * self.parallel_planes
        return LutCoreParameters(a_format="int8", w_bits=bits, **{
            name: getattr(self, name) for name in (
                "radix", "N", "K", "groups", "parallel_planes", "table", "negation", "unpack")})

    @property
    def dtype(self) -> str:
        """The weight format (``gen quantize --dtype``)."""
        if self.radix == 2:
            return f"lut{self.w_bits}" + ("_sym" if self.symmetric else "")
        return "sherry" if self.unpack == "sherry" else "ternary" if self.planes == 1 else \
            f"ternary{self.planes}"


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
    kind, core = find_format(parameters.dtype), parameters.core
    with Progress("quantising") as progress:
        try:
            quantized, error = kind.quantize(tensor, QuantizeOptions(parameters.group_size),
                                             progress.share)
        except ParameterError as problem:
            raise UsageError(f"{tensor.name}: {problem}") from None
        progress("packing")
        stream = stream_entries(quantized, core)
        entries = kind.entries(quantized) | stream
        write_whole(output, lambda path: write_tensors(path, [(tensor.name, entries)]))
    tiles, beats, _ = stream["stream_words"].shape
    report: dict[str, Any] = {
        "tensor": tensor.name, "dtype": tensor.dtype, "shape": [n, k],
        "parameters": parameters.as_dict(), "format": kind.name,
        "groups_per_channel": quantized.scale.shape[1],
        **error.as_dict(),
        "tiles": tiles, "beats_per_tile": beats, "word_bits": core.beat_bits,
        "stream_bytes": stream["stream_words"].size, "file": str(output),
        "file_bytes": os.path.getsize(output), "seconds": time.perf_counter() - started}
    print(json.dumps(report, indent=2) if args.json else _describe(report, parameters))
    return 0


def _describe(report: dict[str, Any], parameters: PackParameters) -> str:
    group = f"groups of {parameters.group_size}" if parameters.group_size else "whole channels"
    n, k = report["shape"]
    if parameters.radix == 3:
        what, rest = report["format"], "scales"
        fields = "trits of two bits" if parameters.unpack == "none" else parameters.unpack
    else:
        what = f"{parameters.w_bits} bits, " + \
            ("symmetric" if parameters.symmetric else "asymmetric")
        rest = "scales and zero points"
        fields = "sign and index" if parameters.core.has_sign else "raw patterns"
    return "\n".join((
        f"tensor     {report['tensor']}, {n} x {k}, {report['dtype']}",
        f"quantised  {what}, {group}: {report['bits_per_weight']:.3f} bits a weight with {rest}",
        f"error      MSE {report['mse']:.4g}, normalised MSE {report['normalized_mse']:.4g}, "
        f"largest {report['max_error']:.4g}",
        f"stream     {report['tiles']} tiles of {report['beats_per_tile']} beats of "
        f"{report['word_bits']} bits ({fields}), {report['stream_bytes']} bytes, for "
        f"N={parameters.N} K={parameters.K} groups={parameters.groups}" + (
            f" planes={parameters.parallel_planes}" if parameters.parallel_planes > 1 else ""),
        f"written    {report['file']}, {report['file_bytes']} bytes, {report['seconds']:.2f} s"))
