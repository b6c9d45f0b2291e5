"""``gen quantize``: weights to BitMoD codes, special-value selectors and two-level scales."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from lowbit.golden.bitmod.datatypes import DATA_TYPE_NAMES, get_data_type
from lowbit.golden.bitmod.quantizer import ErrorReport, QuantizedTensor, check_options, quantize
from lowbit.golden.parameters import ParameterError

from ..bitmod_file import write_tensors
from ..errors import UsageError
from ..files import check_target, write_whole

SUMMARY = "quantise weights to a BitMoD or integer data type, with an error report"

FLOAT_TYPES = ("F64", "F32", "F16", "BF16")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, help=".safetensors or .npy file; a weight matrix has "
                        "shape (output channels, inputs)")
    parser.add_argument("--dtype", required=True, metavar="NAME",
                        help=f"data type: {', '.join(DATA_TYPE_NAMES)}")
    parser.add_argument("--group-size", type=int, default=128, metavar="INT",
                        help="inputs that share a scale; where it does not divide a channel, the "
                             "last group holds what remains; default 128")
    parser.add_argument("--special-values", metavar="V,V",
                        help="special values of an FP3 or FP4 type, at most four, tried in this "
                             "order; write --special-values=-5,5 if the first is negative; "
                             "default as the type's name says (paper Table IV)")
    parser.add_argument("--scale-bits", type=int, default=8, metavar="8|16",
                        help="8: INT8 scales of groups times an FP32 scale of the channel; "
                             "16: FP16 scales; default 8")
    parser.add_argument("--tensor", action="append", metavar="NAME",
                        help="a tensor of a safetensors file, or a pattern (*, ?) of matrices; may "
                             "be repeated; default all matrices of floats")
    parser.add_argument("-o", dest="output", metavar="FILE.npz", required=True,
                        help="packed file to write")
    parser.add_argument("--force", action="store_true",
                        help="overwrite a file that gen did not write")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    dtype = get_data_type(args.dtype, _special_values(args.special_values))
    check_options(args.group_size, args.scale_bits)
    output = Path(args.output)
    if args.output == "-":
        raise UsageError("-o must name a file; a packed file is not written to standard output")
    if output.exists() and args.weights.exists() and output.samefile(args.weights):
        raise UsageError(f"-o must not be the weights' own file; got {output}")
    check_target(output, force=args.force)
    sources = _sources(args.weights, args.tensor)
    total, rows = ErrorReport(), []
    started = time.perf_counter()
    show = _progress(sum(s.size for s in sources))

    def tensors() -> Iterator[tuple[str, QuantizedTensor]]:
        done = 0
        for source in sources:
            try:
                tensor, report = quantize(source.rows, dtype, args.group_size, args.scale_bits,
                                          partial(_step, show, done, source.name))
            except ParameterError as error:
                raise UsageError(f"{source.name}: {error}") from None
            done += source.size
            rows.append({"name": source.name, "shape": list(source.shape), **report.as_dict()})
            nonlocal total
            total += report
            yield source.name, tensor

    write_whole(output, lambda path: write_tensors(path, dtype, args.group_size, args.scale_bits,
                                                   tensors()))
    seconds = time.perf_counter() - started
    result = {"file": args.output, "dtype": dtype.name, "bits": dtype.bits,
              "special_values": list(dtype.special_values), "group_size": args.group_size,
              "scale_bits": args.scale_bits, "bytes": output.stat().st_size,
              "seconds": round(seconds, 3), "total": total.as_dict(), "tensors": rows}
    print(json.dumps(result, indent=2) if args.json else _text(result))
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
    width = max(len(t["name"]) for t in (*result["tensors"], {"name": "total"}))
    lines = [f"{'tensor':<{width}}  {'shape':>13}  bits/weight  normalised MSE  special values"]
    for row in (*result["tensors"], {"name": "total", "shape": None, **result["total"]}):
        shape = "x".join(map(str, row["shape"])) if row["shape"] else ""
        groups = max(row["groups"], 1)
        share = "  ".join(f"{v} {100 * n / groups:.1f} %" for v, n in row["special_values"].items())
        lines.append(f"{row['name']:<{width}}  {shape:>13}  {row['bits_per_weight']:>11.4f}  "
                     f"{row['normalized_mse']:>14.4e}  {share}".rstrip())
    if result["total"]["zeroed_groups"]:
        lines.append(f"{result['total']['zeroed_groups']} groups are zeroed by a scale that "
                     "rounds to 0")
    lines.append(f"{result['file']}: {result['dtype']}, groups of {result['group_size']}, "
                 f"{result['scale_bits']}-bit scales, {result['bytes']} bytes, "
                 f"{result['seconds']:.1f} s")
    return "\n".join(lines)


def _step(show: Callable[[int, str], None], base: int, name: str, done: int, _: int) -> None:
    """Progress in one tensor as progress in all of them."""
    show(base + done, name)


def _progress(total: int) -> Callable[[int, str], None]:
    """Show how much is done, on a terminal only."""
    stream, shown = sys.stderr, time.monotonic()

    def show(done: int, name: str) -> None:
        nonlocal shown
        if not stream.isatty() or (done < total and time.monotonic() - shown < 0.2):
            return
        shown = time.monotonic()
        stream.write("\r\x1b[K" + (f"{100 * done // total} % {name}" if done < total else ""))
        stream.flush()
    return show


# -- reading --------------------------------------------------------------------------------------
class _Rows:
    """A matrix of a safetensors file, mapped; slicing decodes rows of it to float32 or wider."""

    def __init__(self, path: Path, entry: dict[str, Any], start: int) -> None:
        self.shape = tuple(entry["shape"])
        self._bfloat16 = entry["dtype"] == "BF16"
        storage = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}[entry["dtype"]]
        self._data = np.memmap(path, storage, "r", start + entry["data_offsets"][0], self.shape)

    def __getitem__(self, rows: slice, /) -> Any:
        part = np.asarray(self._data[rows])
        # bfloat16 is the upper half of float32
        return (part.astype(np.uint32) << 16).view(np.float32) if self._bfloat16 else part


@dataclass(frozen=True)
class _Source:
    """One matrix to quantise: ``rows`` has a shape and slices to blocks of rows."""

    name: str
    rows: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.rows.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def _sources(path: Path, patterns: list[str] | None) -> list[_Source]:
    """The matrices that ``--tensor`` asks for, by default all matrices of floats."""
    try:
        with path.open("rb") as file:
            magic = file.read(6)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if magic == b"\x93NUMPY":
        return [_npy_source(path, patterns)]
    header, start = _header(path)
    names = sorted(header)
    matrices = [n for n in names if len(header[n]["shape"]) == 2 and 0 not in header[n]["shape"]
                and header[n]["dtype"] in FLOAT_TYPES]
    if not matrices and patterns is None:
        raise UsageError(f"{path} has no matrix of {', '.join(FLOAT_TYPES)}")
    chosen = matrices if patterns is None else []
    for pattern in patterns or []:
        # a pattern finds matrices only; a name says what is meant, and is refused if it is none
        hits = [pattern] if pattern in header else fnmatch.filter(matrices, pattern)
        if not hits:
            raise UsageError(f"no tensor '{pattern}' in {path}; "
                             f"there is {', '.join(matrices[:5] or names[:5])}")
        chosen += [n for n in hits if n not in chosen]
    for name in chosen:
        shape, kind = header[name]["shape"], header[name]["dtype"]
        if len(shape) != 2 or 0 in shape:
            raise UsageError("weights must be a matrix (output channels, inputs), not empty; "
                             f"{name} has shape {tuple(shape)}")
        if kind not in FLOAT_TYPES:
            raise UsageError(f"weights must be {', '.join(FLOAT_TYPES)}; {name} is {kind}")
    return [_Source(name, _Rows(path, header[name], start)) for name in chosen]


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Tensors of a safetensors file by name, and where its data starts; the library checks it."""
    try:
        with safe_open(path, framework="np"), path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable .safetensors or .npy file: "
                         f"{' '.join(str(error).split())}") from None
    header.pop("__metadata__", None)
    return header, 8 + length


def _npy_source(path: Path, patterns: list[str] | None) -> _Source:
    if patterns:
        raise UsageError(f"--tensor names a tensor of a safetensors file; {path} is a .npy file, "
                         "which holds one array: leave --tensor out")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UsageError(f"{path} is not a readable .npy array: "
                         f"{' '.join(str(error).split())}") from None
    if array.dtype not in (np.float16, np.float32, np.float64):
        raise UsageError("weights must be float16, float32 or float64 in a .npy file; "
                         f"{path} holds {array.dtype}")
    return _Source(path.name, array)
