"""A Llama-architecture GGUF model: its shape, from the file's own metadata, and its tensors.

What the forward pass does not know is refused by name: another architecture, a scaled RoPE,
experts, a bias, a tensor that is missing, unknown or of another shape. Nothing is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UsageError
from ..weights.gguf_file import GgufFile

__all__ = ["LlamaConfig", "EMBEDDING", "FREQUENCIES", "OUTPUT", "OUTPUT_NORM", "layer_names"]

EMBEDDING, OUTPUT, OUTPUT_NORM = "token_embd.weight", "output.weight", "output_norm.weight"
#: what each RoPE frequency is divided by (Llama 3.1 and later), float32 (head size / 2,)
FREQUENCIES = "rope_freqs.weight"


def layer_names(layer: int, *parts: str) -> tuple[str, ...]:
    """Tensors of a block: ``layer_names(3, "attn_q")`` is ``("blk.3.attn_q.weight",)``."""
    return tuple(f"blk.{layer}.{part}.weight" for part in parts)


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of a model, in elements; heads are equally large."""

    layers: int
    width: int               #: of the residual stream
    wide: int                #: of the feed-forward part
    heads: int
    kv_heads: int            #: divides heads
    head_size: int           #: even
    vocabulary: int
    context: int             #: positions that the model was made for
    rope_base: float
    epsilon: float           #: of the norms
    tied: bool               #: the output head is the embedding

    @classmethod
    def of(cls, file: GgufFile) -> LlamaConfig:
        """The model of a file; :class:`UsageError` says what of it this program does not run."""
        if (architecture := str(file.value("general.architecture"))) != "llama":
            raise UsageError(f"{file.path} is of the architecture {architecture!r}; "
                             "gen llm runs llama")
        get = _Reader(file)
        heads, width = get.size("attention.head_count"), get.size("embedding_length")
        kv_heads = get.size("attention.head_count_kv", heads)
        head_size = get.size("attention.key_length", width // heads)
        if EMBEDDING not in file.tensors:
            raise UsageError(f"{file.path} has no tensor {EMBEDDING}")
        config = cls(get.size("block_count"), width, get.size("feed_forward_length"), heads,
                     kv_heads, head_size, file.tensors[EMBEDDING].shape[0],
                     get.size("context_length"), get.positive("rope.freq_base", 10000.0),
                     get.positive("attention.layer_norm_rms_epsilon"), OUTPUT not in file.tensors)
        for key, expected in (("attention.value_length", head_size),
                              ("rope.dimension_count", head_size), ("expert_count", 0)):
            if (found := get(key, expected)) != expected:
                raise UsageError(f"{file.path}: llama.{key} must be {expected}; got {found}")
        if (scaling := get("rope.scaling.type", "none")) != "none":
            raise UsageError(f"{file.path} scales its RoPE ({scaling}), which gen llm does not do")
        if heads % kv_heads or head_size % 2:
            raise UsageError(f"{file.path}: {heads} heads must be a multiple of {kv_heads} key "
                             f"heads, of an even size; got {head_size}")
        config._check(file)
        return config

    @property
    def head(self) -> str:
        """The tensor of the output head."""
        return EMBEDDING if self.tied else OUTPUT

    def calls(self) -> tuple[tuple[str, ...], ...]:
        """The weights that a forward pass multiplies by, in order; those that share their input
        together. The last is the output head."""
        out: list[tuple[str, ...]] = []
        for layer in range(self.layers):
            out += [layer_names(layer, "attn_q", "attn_k", "attn_v"),
                    layer_names(layer, "attn_output"),
                    layer_names(layer, "ffn_gate", "ffn_up"), layer_names(layer, "ffn_down")]
        return (*out, (self.head,))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor that a forward pass uses; matrices are (outputs, inputs)."""
        width, wide = self.width, self.wide
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        parts: dict[str, tuple[int, ...]] = {
            "attn_norm": (width,), "attn_q": (queries, width), "attn_k": (keys, width),
            "attn_v": (keys, width), "attn_output": (width, queries), "ffn_norm": (width,),
            "ffn_gate": (wide, width), "ffn_up": (wide, width), "ffn_down": (width, wide)}
        shapes = {f"blk.{layer}.{part}.weight": shape for layer in range(self.layers)
                  for part, shape in parts.items()}
        shapes[EMBEDDING] = shapes[self.head] = self.vocabulary, width
        return shapes | {OUTPUT_NORM: (width,)}

    def _check(self, file: GgufFile) -> None:
        if self.layers > len(file.tensors):     # before a list of them all is made
            raise UsageError(f"{file.path} has {len(file.tensors)} tensors, too few for "
                             f"{self.layers} blocks")
        shapes = self.shapes()
        if FREQUENCIES in file.tensors:
            shapes[FREQUENCIES] = (self.head_size // 2,)
        for name, shape in shapes.items():
            if name not in file.tensors:
                raise UsageError(f"{file.path} has no tensor {name}")
            if file.tensors[name].shape != shape:
                raise UsageError(f"{file.path}: {name} must have the shape {shape}; "
                                 f"got {file.tensors[name].shape}")
        if unknown := [name for name in file.tensors if name not in shapes]:
            raise UsageError(f"{file.path} has {unknown[0]}, which gen llm does not know "
                             f"({len(unknown)} such tensors)")


class _Reader:
    """Metadata of the architecture, checked."""

    def __init__(self, file: GgufFile) -> None:
        self.file, self.path = file, file.path

    def __call__(self, key: str, default: Any = None) -> Any:
        value = self.file.value(f"llama.{key}")
        if value is None and default is None:
            raise UsageError(f"{self.path} has no metadatum llama.{key}")
        if isinstance(value, (list, np.ndarray)):
            raise UsageError(f"{self.path}: llama.{key} must be one value for all blocks")
        return default if value is None else value

    def size(self, key: str, default: int | None = None) -> int:
        value = self(key, default)
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"{self.path}: llama.{key} must be an integer, 1 or more; got {value}")
        return value

    def positive(self, key: str, default: float | None = None) -> float:
        value = self(key, default)
        if not isinstance(value, float) or not 0 < value < float("inf"):
            raise UsageError(f"{self.path}: llama.{key} must be a number above 0; got {value}")
        return value
