#!/usr/bin/env python3
"""Error of the weight formats of four bits and fewer, on distributions and on a model.

    .venv/bin/python scripts/studies/bench_formats.py [--no-model] [--json]

For each format the normalised mean square error (sum of squared errors over sum of squares) of
Gaussian weights and of Student's t with 5 and 3 degrees of freedom (128 x 4096, seed 0), and of all
36 matrices of all-MiniLM-L6-v2, with the cosine of its sentence embeddings to those of the FP32
model. Every format has the group and the scale that it is defined with, else groups of 128 with
8-bit scales of two levels (BitMoD) or FP32 scales (OliVe).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.generators.errors import USER_ERRORS
from lowbit.golden import olive
from lowbit.golden.bitmod import quantizer as bitmod
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.block_formats import BLOCK_KINDS
from lowbit.golden.block_formats import quantize as quantize_blocks

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demos"))
import minilm

Array = NDArray[Any]
GROUP = 128
BITMOD = ("int4", "int4_asym", "bitmod4", "fp4", "flint4", "int3", "int3_asym", "bitmod3", "fp3")


@dataclass(frozen=True)
class Format:
    """``quantize``: weights to the weights that their codes stand for, and bits a weight."""

    name: str
    group: int
    quantize: Callable[[Array], tuple[Array, float]]


def of_bitmod(name: str) -> Format:
    def quantize(weights: Array) -> tuple[Array, float]:
        tensor, _ = bitmod.quantize(weights, get_data_type(name), GROUP)
        return tensor.dequantize(), tensor.bits_per_weight()
    return Format(name, GROUP, quantize)


def of_block(name: str) -> Format:
    kind = BLOCK_KINDS[name]
    return Format(name, kind.block, lambda weights: (
        quantize_blocks(weights, name).dequantize().astype(np.float32),
        kind.bits + 8 / kind.block + (32 / weights.size if name == "nvfp4" else 0)))


def of_olive(weights: Array) -> tuple[Array, float]:
    tensor = olive.quantize(weights, GROUP)
    return tensor.dequantize().astype(np.float32), tensor.stored_bits / weights.size


FORMATS = [of_block("mxint8"), *(of_bitmod(name) for name in BITMOD[:5]), of_block("mxfp4"),
           of_block("nvfp4"), Format("olive4", GROUP, of_olive),
           *(of_bitmod(name) for name in BITMOD[5:])]


def distributions() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    shape = (128, 4096)
    return {"gaussian": rng.standard_normal(shape).astype(np.float32),
            "t5": rng.standard_t(5, shape).astype(np.float32),
            "t3": rng.standard_t(3, shape).astype(np.float32)}


def error(weights: Array, values: Array) -> float:
    exact = weights.astype(np.float64)
    return float(((values - exact) ** 2).sum())


def of_model(form: Format, weights: dict[str, Array], tokens: Any, heads: int,
             reference: Array) -> dict[str, float]:
    replaced, errors, energy = dict(weights), 0.0, 0.0
    for name in minilm.linear_names(weights):
        replaced[name], _ = form.quantize(weights[name])
        errors += error(weights[name], replaced[name])
        energy += float((weights[name].astype(np.float64) ** 2).sum())
    ours = minilm.embed(replaced, tokens, heads).astype(np.float64)
    cosines = np.einsum("ij,ij->i", ours, reference)
    return {"minilm": errors / energy, "cosine_mean": float(cosines.mean()),
            "cosine_lowest": float(cosines.min())}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--no-model", action="store_true", help="distributions only")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    args = parser.parse_args()
    samples = distributions()
    try:
        if not args.no_model:
            folder = minilm.model_folder()
            text = Path(__file__).resolve().parents[2] / "docs/data/sentences.txt"
            sentences = [line for line in text.read_text().splitlines() if line.strip()]
            tokens, heads = minilm.tokenize(folder, sentences), minilm.heads_of(folder)
            weights = dict(minilm.load_weights(folder))
            reference = minilm.embed(weights, tokens, heads).astype(np.float64)
    except USER_ERRORS as problem:
        print(f"bench_formats: {problem}", file=sys.stderr)
        return 2
    rows = []
    for form in FORMATS:
        row: dict[str, Any] = {"format": form.name, "group": form.group}
        for name, sample in samples.items():
            values, row["bits_per_weight"] = form.quantize(sample)
            row[name] = error(sample, values) / float((sample.astype(np.float64) ** 2).sum())
        if not args.no_model:
            row |= of_model(form, weights, tokens, heads, reference)
        rows.append(row)
        if not args.json:
            print(f"{form.name:<10}{row['bits_per_weight']:>7.3f}" + "".join(
                f"{row[name]:>11.3e}" for name in (*samples, "minilm") if name in row)
                + (f"{row['cosine_mean']:>10.6f}" if "cosine_mean" in row else ""), flush=True)
    if args.json:
        print(json.dumps({"distributions": {name: list(x.shape) for name, x in samples.items()},
                          "model": None if args.no_model else "all-MiniLM-L6-v2",
                          "numpy": np.__version__, "formats": rows}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
