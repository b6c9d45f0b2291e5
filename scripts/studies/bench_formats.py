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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.generators.compare.accuracy import FORMATS, Format, distributions, squared_error
from lowbit.generators.errors import USER_ERRORS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demos"))
import minilm

Array = NDArray[Any]


def of_model(form: Format, weights: dict[str, Array], tokens: Any, heads: int,
             reference: Array) -> dict[str, float]:
    replaced, errors, energy = dict(weights), 0.0, 0.0
    for name in minilm.linear_names(weights):
        replaced[name], _ = form.quantize(weights[name])
        errors += squared_error(weights[name], replaced[name])
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
    for form in FORMATS.values():
        row: dict[str, Any] = {"format": form.name, "group": form.group}
        for name, sample in samples.items():
            values, row["bits_per_weight"] = form.quantize(sample)
            energy = float((sample.astype(np.float64) ** 2).sum())
            row[name] = squared_error(sample, values) / energy
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
