"""``gen inspect``: the tensors of a model's file, and what a core can take."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from ..weights.kept import list_tensors
from ..weights.listing import Listing

SUMMARY = "list a model's tensors: format, shape, bits a weight, what a core can take"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help=".gguf, .safetensors, .safetensors.index.json of "
                        "shards, or .npy file")
    parser.add_argument("--all", action="store_true",
                        help="a line for every tensor, instead of one for those of a kind")
    parser.add_argument("--json", action="store_true",
                        help="print every tensor as JSON")


def run(args: argparse.Namespace) -> int:
    tensors = list_tensors(args.file)
    if args.json:
        report = {"file": str(args.file), "tensors": [asdict(t) for t in tensors]}
        print(json.dumps(report, indent=2))
    else:
        print(_text(tensors, str(args.file), every=args.all))
    return 0


def _kind(name: str) -> str:
    """A name with its numbers taken out: the layers of a model share it."""
    return ".".join("*" if part.isdigit() else part for part in name.split("."))


def _text(tensors: list[Listing], file: str, *, every: bool) -> str:
    counts: Counter[tuple[object, ...]] = Counter()
    first: dict[tuple[object, ...], Listing] = {}
    for t in tensors:
        name = t.name if every else _kind(t.name)
        key = name, t.format, t.shape, t.group_size, t.takes
        counts[key] += 1
        first.setdefault(key, t)
    head = ["tensor", "count", "format", "shape", "bits", "group", "a core can take"]
    table = [head] + [
        [str(key[0]), str(count), t.format, "x".join(map(str, t.shape)) or "scalar",
         f"{t.bits_per_weight:.3f}", str(t.group_size or "-"), t.takes]
        for (key, count), t in zip(counts.items(), first.values(), strict=True)]
    if every:
        for row in table:
            del row[1]
    widths = [max(len(row[i]) for row in table) for i in range(len(head) - 1)]
    lines = []
    for row in table:
        cells = [cell.ljust(w) if name in ("tensor", "format") else cell.rjust(w)
                 for name, cell, w in zip(head, row, widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]))
    kept = sum(t.keep for t in tensors)
    lines.append(f"{file}: {len(tensors)} tensors, {kept} with codes that gen quantize --keep "
                 "takes")
    return "\n".join(lines)
