"""The host's part of a Llama model in NumPy, float32: everything but the matrix products.

For rows x of one position each, a block is (weights of the norms are per channel)::

    h = norm(x);  q, k, v = h Wq, h Wk, h Wv;  q, k rotated by their position
    x = x + attention(q, all k and v so far) Wo
    h = norm(x);  x = x + (silu(h Wgate) * (h Wup)) Wdown

The rotation (RoPE) turns neighbouring channels (2i, 2i + 1) of a head by position *
base**(-2i / head size): the order that GGUF files of this architecture store Wq and Wk in.
Several query heads share a key head: head j reads key head j * kv_heads // heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..weights.gguf_file import GgufFile
from .config import EMBEDDING, FREQUENCIES, OUTPUT_NORM, LlamaConfig, layer_names
from .float32 import dequantized
from .linears import Linears, multiply

__all__ = ["Cache", "Llama"]

Array = NDArray[Any]

#: rows of a prompt that go through the model together: bounds the memory of the scores
ROWS = 256


class Cache:
    """Keys and values of the positions so far, float32 (kv heads, positions, head size) a layer."""

    def __init__(self, config: LlamaConfig, positions: int) -> None:
        shape = config.layers, config.kv_heads, positions, config.head_size
        self.keys, self.values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.filled = 0

    @property
    def positions(self) -> int:
        """How many there is room for."""
        return self.keys.shape[2]


class Llama:
    """A model on a backend. Its own weights are the norms and, row by row, the embedding."""

    def __init__(self, file: GgufFile, config: LlamaConfig, linears: Linears) -> None:
        self.file, self.config, self.linears = file, config, linears
        norms = [name for name in config.shapes() if name.endswith("_norm.weight")]
        self._norms = {name: dequantized(file, name)[0] for name in norms}
        pairs = np.arange(config.head_size // 2)
        self._frequencies = config.rope_base ** (-2.0 * pairs / config.head_size)
        if FREQUENCIES in file.tensors:
            self._frequencies /= dequantized(file, FREQUENCIES)[0]

    def forward(self, tokens: Sequence[int], cache: Cache,
                progress: Callable[[int, int], None] = lambda done, total: None, *,
                every: bool = False) -> Array:
        """Append tokens to the positions in ``cache``; scores of the next token, float32
        (vocabulary,); with ``every`` those after each of the tokens, (tokens, vocabulary).

        ``progress(done, total)`` counts blocks. :class:`UsageError` past the end of the cache and
        for numbers that are not finite; ``IndexError`` for a token that is not in the vocabulary.
        """
        if not 0 < len(tokens) <= cache.positions - cache.filled:
            raise UsageError(f"{len(tokens)} tokens do not fit in the {cache.positions} positions, "
                             f"of which {cache.filled} are filled")
        # what is not finite is refused where it would be multiplied
        with np.errstate(all="ignore"):
            x = self._hidden(tokens, cache, progress)
            scores = multiply(self.linears, (self.config.head,),
                              self._norm(OUTPUT_NORM, x if every else x[-1:]))[0]
        if not np.isfinite(scores).all():
            raise UsageError(f"{self.file.path}: the model's scores are not finite; its weights "
                             "are damaged")
        return scores if every else scores[0]

    def _hidden(self, tokens: Sequence[int], cache: Cache,
                progress: Callable[[int, int], None]) -> Array:
        """What the last block gives for each of the tokens, float32 (tokens, width)."""
        out = np.empty((len(tokens), self.config.width), np.float32)
        parts = [tokens[at:at + ROWS] for at in range(0, len(tokens), ROWS)]
        total = len(parts) * self.config.layers
        for i, part in enumerate(parts):
            x = dequantized(self.file, EMBEDDING, np.asarray(part))
            turn = self._turn(cache.filled, len(part))
            for layer in range(self.config.layers):
                x = x + self._attention(layer, x, turn, cache)
                x = x + self._feed_forward(layer, x)
                progress(i * self.config.layers + layer + 1, total)
            cache.filled += len(part)
            out[i * ROWS:i * ROWS + len(part)] = x
        return out

    def _norm(self, name: str, x: Array) -> Array:
        mean = np.mean(x * x, axis=1, keepdims=True)
        return x / np.sqrt(mean + np.float32(self.config.epsilon)) * self._norms[name]

    def _turn(self, start: int, rows: int) -> tuple[Array, Array]:
        """Cosine and sine of the rotations of positions, (rows, 1, head size / 2)."""
        angle = np.arange(start, start + rows)[:, None, None] * self._frequencies
        return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)

    def _attention(self, layer: int, x: Array, turn: tuple[Array, Array], cache: Cache) -> Array:
        c, rows, start = self.config, len(x), cache.filled
        end, group = start + rows, c.heads // c.kv_heads
        (norm,) = layer_names(layer, "attn_norm")
        q, k, v = (y.reshape(rows, -1, c.head_size) for y in multiply(
            self.linears, layer_names(layer, "attn_q", "attn_k", "attn_v"), self._norm(norm, x)))
        keys, values = cache.keys[layer], cache.values[layer]
        keys[:, start:end] = rotated(k, turn).swapaxes(0, 1)
        values[:, start:end] = v.swapaxes(0, 1)
        # (kv heads, query heads of each, rows, ...)
        heads = rotated(q, turn).swapaxes(0, 1).reshape(c.kv_heads, group, rows, c.head_size)
        scores = heads @ keys[:, None, :end].swapaxes(2, 3) / np.float32(np.sqrt(c.head_size))
        # a row sees the positions up to its own
        scores[..., np.arange(end) > np.arange(start, end)[:, None]] = -np.inf
        mixed = softmax(scores) @ values[:, None, :end]
        mixed = mixed.reshape(c.heads, rows, c.head_size).swapaxes(0, 1).reshape(rows, -1)
        return multiply(self.linears, layer_names(layer, "attn_output"), mixed)[0]

    def _feed_forward(self, layer: int, x: Array) -> Array:
        (norm,) = layer_names(layer, "ffn_norm")
        gate, up = multiply(self.linears, layer_names(layer, "ffn_gate", "ffn_up"),
                            self._norm(norm, x))
        return multiply(self.linears, layer_names(layer, "ffn_down"), silu(gate) * up)[0]


def rotated(x: Array, turn: tuple[Array, Array]) -> Array:
    """Heads (rows, heads, head size), neighbouring channels turned by their angle."""
    cosine, sine = turn
    even, odd = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2], out[..., 1::2] = even * cosine - odd * sine, even * sine + odd * cosine
    return out


def softmax(x: Array) -> Array:
    """Along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def silu(x: Array) -> Array:
    """x / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    return x * np.where(x < 0, e, np.float32(1)) / (1 + e)
