"""Tiny random models as files: Llama as GGUF and as safetensors, BERT as safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quants
from safetensors.numpy import save_file

__all__ = ["LAYERS", "WIDE", "WIDTH", "bert_file", "llama_gguf", "llama_safetensors", "target_file"]

LAYERS, WIDTH, KEYS, WIDE, TOKENS = 2, 64, 32, 96, 72
SHAPES = {"attn_norm": (WIDTH,), "attn_q": (WIDTH, WIDTH), "attn_k": (KEYS, WIDTH),
          "attn_v": (KEYS, WIDTH), "attn_output": (WIDTH, WIDTH), "ffn_norm": (WIDTH,),
          "ffn_gate": (WIDE, WIDTH), "ffn_up": (WIDE, WIDTH), "ffn_down": (WIDTH, WIDE)}
HUGGING = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj",
           "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
           "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
           "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def _random(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {name: (rng.standard_normal(shape) / 8).astype(np.float32)
            for name, shape in shapes.items()}


def llama_gguf(path: Path, *, architecture: str = "llama", forms: Mapping[str, str] = {},
               shapes: Mapping[str, tuple[int, ...] | None] = {}) -> Path:
    """``forms`` and ``shapes`` of tensors that are not the usual ones; None leaves one out."""
    all_shapes: dict[str, tuple[int, ...] | None] = {"token_embd.weight": (TOKENS, WIDTH)}
    for layer in range(LAYERS):
        all_shapes |= {f"blk.{layer}.{part}.weight": shape for part, shape in SHAPES.items()}
    all_shapes |= {"output_norm.weight": (WIDTH,), **shapes}
    writer = GGUFWriter(path, architecture)
    for name, values in _random({k: v for k, v in all_shapes.items() if v}).items():
        usual = "F32" if values.ndim == 1 else "Q8_0" if name.startswith("token") else "Q4_1"
        kind = GGMLQuantizationType[forms.get(name, usual)]
        writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _compressed(name: str, n: int, k: int) -> dict[str, Any]:
    """A layer of compressed-tensors, 4 bits in groups of 32, symmetric."""
    rng = np.random.default_rng(n)
    base = name.removesuffix(".weight")
    return {f"{base}.weight_packed": rng.integers(-1 << 31, 1 << 31, (n, k // 8), np.int32),
            f"{base}.weight_scale": rng.random((n, k // 32)).astype(np.float16),
            f"{base}.weight_shape": np.array([n, k], np.int64)}


def llama_safetensors(path: Path, *, compressed: bool = False) -> Path:
    """Floats, or blocks of layers of compressed-tensors."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (TOKENS, WIDTH), "model.norm.weight": (WIDTH,),
        "lm_head.weight": (TOKENS, WIDTH)}
    for layer in range(LAYERS):
        shapes |= {f"model.layers.{layer}.{HUGGING[part]}.weight": shape
                   for part, shape in SHAPES.items()}
    tensors = _random(shapes)
    for name, shape in shapes.items():
        if compressed and "_proj" in name:
            del tensors[name]
            tensors |= _compressed(name, *shape)
    save_file(tensors, path)
    return path


def bert_file(path: Path) -> Path:
    """Floats, biases and norms too."""
    parts = {"attention.self.query": (WIDTH, WIDTH), "attention.self.key": (WIDTH, WIDTH),
             "attention.self.value": (WIDTH, WIDTH), "attention.output.dense": (WIDTH, WIDTH),
             "intermediate.dense": (WIDE, WIDTH), "output.dense": (WIDTH, WIDE)}
    shapes: dict[str, tuple[int, ...]] = {"embeddings.word_embeddings.weight": (TOKENS, WIDTH)}
    for layer in range(LAYERS):
        for part, shape in parts.items():
            shapes[f"encoder.layer.{layer}.{part}.weight"] = shape
            shapes[f"encoder.layer.{layer}.{part}.bias"] = shape[:1]
    save_file(_random(shapes), path)
    return path


def target_file(path: Path, **parameters: Any) -> Path:
    """A manifest of a small accelerator with 8 bit-planes."""
    small = dict(N=32, chains=2, axi_data=64, a_kib=8, w_kib=16, s_kib=4, p_kib=2, w_bits=8)
    path.write_text(json.dumps({"generator": "accel", "parameters": small | parameters}))
    return path
