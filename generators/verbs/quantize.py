"""``gen quantize``: weights to the codes and scales of any weight format, with the error."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowbit.golden.error_report import ErrorReport
from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from ..families.lut.formats import format_of
from ..files import data_target, write_whole
from ..options import integer
from ..progress import Progress
from ..weights.checkpoint import open_matrices
from ..weights.file import write_tensors
from ..weights.formats import QuantizeOptions, find_format, format_names
from ..weights.kept import NPY_CODES, kept_names, load_kept

SUMMARY = "quantise weights to a format of any core, with an error report"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, help=".safetensors, .safetensors.index.json "
                        "(shards), .gguf or .npy file; a weight matrix has shape (output "
                        "channels, inputs)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dtype", metavar="NAME",
                      help="weight format: " + ", ".join(format_names()))
    what.add_argument("--keep", action="store_true",
                      help="take the file's own codes, nothing rounded: GGUF, GPTQ, "
                      "AWQ, compressed-tensors, .npy of ml_dtypes (gen inspect lists them)")
    parser.add_argument("--npy-type", choices=NPY_CODES, metavar="|".join(NPY_CODES),
                        help="with --keep: what the bytes of a .npy file are, which does not say")
    parser.add_argument("--gptq-zeros", choices=("v1", "v2"), metavar="v1|v2",
                        help="with --keep: a GPTQ file stores zero points z - 1 (v1) or z (v2); "
                        "default as its configuration says")
    parser.add_argument("--group-size", type=integer, default=128, metavar="INT",
                        help="inputs that share a scale; where it does not divide a channel, the "
                             "last group holds what remains; default 128; 0: the whole channel "
                             "(LUT formats)")
    parser.add_argument("--special-values", metavar="V,V",
                        help="special values of an FP3 or FP4 type, at most four, tried in this "
                             "order; write --special-values=-5,5 if the first is negative; "
                             "default as the type's name says (paper Table IV)")
    parser.add_argument("--scale-bits", type=integer, metavar="8|16",
                        help="BitMoD formats; 8: INT8 scales of groups times an FP32 scale of the "
                             "channel; 16: FP16 scales; default 8")
    parser.add_argument("--tensor", action="append", metavar="NAME",
                        help="a tensor of a safetensors file, or a pattern (*, ?) of matrices; may "
                             "be repeated; default all matrices of floats (with --keep: of codes)")
    parser.add_argument("-o", dest="output", metavar="FILE.npz", required=True,
                        help="tensor file to write")
    parser.add_argument("--force", action="store_true",
                        help="overwrite a file that gen did not write")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    if args.keep:
        return _keep(args)
    kind = find_format(args.dtype)
    options = QuantizeOptions(args.group_size, _special_values(args.special_values),
                              args.scale_bits)
    if args.group_size < 0:
        raise UsageError(f"--group-size must be 0 or more; got {args.group_size}")
    kind.check(options)
    output = data_target(args.output, [args.weights], force=args.force)
    sources = open_matrices(args.weights, args.tensor)
    total, rows = ErrorReport(), []
    started = time.perf_counter()

    def tensors(progress: Progress) -> Iterator[tuple[str, dict[str, Any]]]:
        nonlocal total
        for number, source in enumerate(sources, 1):
            progress(f"quantising {source.name}, {number} of {len(sources)},")
            try:
                tensor, report = kind.quantize(source, options, progress.share)
            except ParameterError as error:
                raise UsageError(f"{source.name}: {error}") from None
            rows.append({"name": source.name, "shape": list(source.shape), **report.as_dict()})
            total += report
            yield source.name, kind.entries(tensor)

    with Progress() as progress:
        write_whole(output, lambda path: write_tensors(path, tensors(progress)))
    seconds = time.perf_counter() - started
    result = {"file": args.output, "dtype": kind.name, "bits": kind.bits,
              "group_size": kind.block or args.group_size, "bytes": output.stat().st_size,
              "seconds": round(seconds, 3), "total": total.as_dict(), "tensors": rows}
    print(json.dumps(result, indent=2) if args.json else _text(result))
    return 0


def _keep(args: argparse.Namespace) -> int:
    """Write the file's own codes."""
    for flag, value in (("--special-values", args.special_values), ("--scale-bits",
                                                                    args.scale_bits)):
        if value is not None:
            raise UsageError(f"{flag} belongs to --dtype; --keep changes no value")
    output = data_target(args.output, [args.weights], force=args.force)
    names = kept_names(args.weights, args.tensor)
    rows: list[dict[str, Any]] = []

    def tensors(progress: Progress) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, name in enumerate(names, 1):
            progress(f"reading {name or args.weights}, {number} of {len(names)},")
            kept = load_kept(args.weights, name, npy_type=args.npy_type,
                             gptq_zeros=args.gptq_zeros)
            kind, w = format_of(kept.weights), kept.weights
            meaning = "minima" if w.minimum is not None else \
                "levels of a floating type" if w.levels is not None else "zero points"
            rows.append({"name": kept.name, "source": kept.format, "dtype": kind.name,
                         "shape": list(w.codes.shape), "bits": w.bits, "group_size": w.group_size,
                         "meaning": meaning, "act_order": w.order is not None,
                         "notes": kept.notes})
            yield kept.name, kind.entries(w)

    with Progress() as progress:
        write_whole(output, lambda path: write_tensors(path, tensors(progress)))
    result = {"file": args.output, "bytes": output.stat().st_size, "tensors": rows}
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    for row in rows:
        group = f"groups of {row['group_size']}" if row["group_size"] else "whole channels"
        print(f"{row['name']}: {row['source']}, {row['shape'][0]} x {row['shape'][1]}, "
              f"{row['bits']}-bit codes, {group}, {row['meaning']}: {row['dtype']}")
        for note in row["notes"]:
            print(f"  {note}")
    print(f"{args.output}: the file's own codes, {result['bytes']} bytes")
    return 0


def _special_values(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise UsageError("--special-values must be numbers separated by commas; "
                         f"got {text}") from None


def _text(result: dict[str, Any]) -> str:
    rows = [*result["tensors"], {"name": "total", "shape": None, **result["total"]}]
    width = max(len(row["name"]) for row in rows)
    special = "  special values" if result["total"]["special_values"] else ""
    lines = [f"{'tensor':<{width}}  {'shape':>13}  bits/weight  normalised MSE  largest error"
             f"{special}"]
    for row in rows:
        shape = "x".join(map(str, row["shape"])) if row["shape"] else ""
        groups = max(row["groups"], 1)
        share = "  ".join(f"{v} {100 * n / groups:.1f} %" for v, n in row["special_values"].items())
        lines.append(f"{row['name']:<{width}}  {shape:>13}  {row['bits_per_weight']:>11.4f}  "
                     f"{row['normalized_mse']:>14.4e}  {row['max_error']:>13.4e}  "
                     f"{share}".rstrip())
    if result["total"]["zeroed_groups"]:
        lines.append(f"{result['total']['zeroed_groups']} groups are zeroed by a scale that "
                     "rounds to 0")
    size = result["group_size"]
    lines.append(f"{result['file']}: {result['dtype']}, "
                 f"{f'groups of {size}' if size else 'whole channels'}, "
                 f"{result['bytes']} bytes, {result['seconds']:.1f} s")
    return "\n".join(lines)
