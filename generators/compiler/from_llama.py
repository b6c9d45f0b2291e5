"""Models of the Llama architecture, from GGUF or safetensors.

A block is a norm, query, key and value, attention, its output, an addition, a norm, gate and up,
silu(gate) * up, down, an addition; after the last a norm and the output head, which may be the
embedding. Every matrix of a block must be there, and none besides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError
from .dialect import results
from .model import Builder, Model
from .sources import GgufSource, SafetensorsSource, Source

__all__ = ["is_llama", "llama"]


@dataclass(frozen=True)
class _Names:
    """Names of tensors; {} is the number of a block, and then its part."""

    block: str
    parts: tuple[str, ...]      #: norm, q, k, v, o, norm, gate, up, down
    embedding: str
    norm: str
    head: str

    def of(self, block: int) -> list[str]:
        return [self.block.format(block, part) for part in self.parts]


GGUF = _Names("blk.{}.{}.weight", (
    "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up",
    "ffn_down"), "token_embd.weight", "output_norm.weight", "output.weight")
SAFETENSORS = _Names("model.layers.{}.{}.weight", (
    "input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
    "self_attn.o_proj", "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj",
    "mlp.down_proj"), "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight")
#: tensors that are no layers and that the host may need
HOSTS = re.compile(r"rope_freqs\.weight|.*\.rotary_emb\.inv_freq")


def is_llama(source: Source) -> bool:
    """Does a safetensors file name its tensors as Llama does?"""
    return SAFETENSORS.of(0)[1] in source.names


def llama(source: Source, architecture: str = "llama") -> Model:
    """:class:`UsageError` for another architecture, a matrix that is missing, unknown, or of a
    size or format that does not fit."""
    if isinstance(source, GgufSource):
        architecture = str(source.file.value("general.architecture"))
    if architecture != "llama":
        raise UsageError(f"{source.path} is of the architecture {architecture!r}; gen compile "
                         "takes llama and bert")
    names = GGUF if isinstance(source, GgufSource) else SAFETENSORS
    count = 0
    while names.of(count)[1] in source.names:
        count += 1
    if not count:
        raise UsageError(f"{source.path} has no tensor {names.of(0)[1]}")
    _check_names(source, names, count)
    rows, width = source.matrix(names.embedding)
    build = Builder([results(width)])
    x = build.arguments[0]
    for block in range(count):
        norm, *attention, norm2, gate, up, down = names.of(block)
        h = build.rmsnorm(x, norm, width)
        shapes = [source.shape(name) for name in attention]
        qkv = [build.linear(name, h, shape)
               for name, shape in zip(attention[:3], shapes, strict=False)]
        mixed = build.host("attention", qkv, shapes[3].k)
        o = build.linear(attention[3], mixed, shapes[3])
        x = build.host("add", [x, o], width, activation=False)
        h = build.rmsnorm(x, norm2, width)
        wide = [source.shape(name) for name in (gate, up, down)]
        if wide[0].n != wide[1].n or wide[2].k != wide[0].n:
            raise UsageError(f"{down} must have as many inputs as {gate} and {up} have outputs; "
                             f"got {wide[2].k}, {wide[0].n} and {wide[1].n}")
        gated = build.silu_mul(build.linear(gate, h, wide[0]), build.linear(up, h, wide[1]),
                               wide[0].n)
        y = build.linear(down, gated, wide[2])
        x = build.host("add", [x, y], width, activation=False)
    head = names.head if names.head in source.names else names.embedding
    shape = source.shape(head)
    if shape.n != rows:
        raise UsageError(f"{head} must have an output for each of {rows} tokens; got {shape.n}")
    scores = build.linear(head, build.rmsnorm(x, names.norm, width), shape)
    return Model(source.path.name, "llama", build.module("llama", [scores]), source.load)


def _check_names(source: Source, names: _Names, count: int) -> None:
    known = {name for block in range(count) for name in names.of(block)}
    known |= {names.embedding, names.norm, names.head}
    bases = {name.removesuffix(".weight") for name in known}
    for name in sorted(known - {names.head} - set(source.names)):
        raise UsageError(f"{source.path} has no tensor {name}")
    parts = set() if not isinstance(source, SafetensorsSource) else \
        {f"{base}.{part}" for base, some in source.layers.parts.items() if base in bases
         for part in some}
    for name in source.names:
        if name not in known | parts and not HOSTS.fullmatch(name):
            raise UsageError(f"{source.path} has {name}, which is not of the Llama architecture "
                             "that gen compile knows")
