"""A tiny random Llama model as a GGUF file, by the format's own writer, and what is in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quants
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

LAYERS, WIDTH, HEADS, KV_HEADS, WIDE, CONTEXT = 2, 64, 4, 2, 96, 64
HEAD_SIZE = WIDTH // HEADS
EPSILON, BASE = 0.02, 50.0      # far from the usual ones, so that a wrong one shows
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
USER_DEFINED = "<extra>"
TEMPLATE = ("{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou help.<|im_end|>\n'"
            " }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
            "'<|im_end|>' + '\n'}}{{ '<|im_start|>assistant\n' }}")
CORPUS = 4 * ["The cat sat on the mat, and the other cat sat there.", "123 12 cats' hats",
              "user system assistant\nYou help.", "naïve café 🐈 🐈 🐈",
              "   spaces\t\ttabs\n\n\nlines"]


@cache
def library(pre: str = "smollm") -> Tokenizer:
    """A trained tokenizer of the library, control tokens and all: the reference. Not to be
    changed."""
    made = Tokenizer(models.BPE())
    cut = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = cut if pre == "gpt-2" else pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), cut])
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=330, show_progress=False, special_tokens=[*CONTROL, USER_DEFINED],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in CONTROL])
    return made


@dataclass
class Tiny:
    """What the file is to hold; change it before :meth:`write`."""

    architecture: str = "llama"
    pre: str = "smollm"         #: gpt-2 too
    seed: int = 1
    tied: bool = True
    base: float = BASE
    frequencies: bool = False
    forms: dict[str, str] = field(default_factory=dict)     #: tensor -> format, not the usual one
    metadata: dict[str, Any] = field(default_factory=dict)  #: replaces or (None) removes
    tensors: dict[str, Any] = field(default_factory=dict)   #: the same
    weights: dict[str, Any] = field(default_factory=dict)   #: float64, as they are in the file

    def write(self, path: Path) -> Path:
        writer = GGUFWriter(path, self.architecture)
        for key, value in (self._metadata() | self.metadata).items():
            add(writer, key, value)
        for name, values in (self._tensors() | self.tensors).items():
            if values is None:
                continue
            if values.dtype == np.int8:     # a type that is not taken
                writer.add_tensor(name, values)
                continue
            form = self.forms.get(name, "F32" if values.ndim == 1 else
                                  "Q8_0" if name == "token_embd.weight" else "Q4_1")
            kind = GGMLQuantizationType[form]
            raw = quants.quantize(values, kind)
            self.weights[name] = quants.dequantize(raw, kind).astype(np.float64)
            writer.add_tensor(name, raw, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def _metadata(self) -> dict[str, Any]:
        model = json.loads(library(self.pre).to_str())["model"]
        tokens = sorted(model["vocab"], key=model["vocab"].get)
        return {"llama.block_count": LAYERS, "llama.context_length": CONTEXT,
                "llama.embedding_length": WIDTH, "llama.feed_forward_length": WIDE,
                "llama.attention.head_count": HEADS, "llama.attention.head_count_kv": KV_HEADS,
                "llama.rope.freq_base": self.base,
                "llama.attention.layer_norm_rms_epsilon": EPSILON,
                "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": self.pre,
                "tokenizer.ggml.tokens": tokens,
                "tokenizer.ggml.token_type": [3 if token in CONTROL else 4 if token == USER_DEFINED
                                              else 1 for token in tokens],
                "tokenizer.ggml.merges": [" ".join(pair) for pair in model["merges"]],
                "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
                "tokenizer.chat_template": TEMPLATE}

    def _tensors(self) -> dict[str, Any]:
        rng = np.random.default_rng(self.seed)
        vocabulary = library(self.pre).get_vocab_size()

        def random(*shape: int) -> Any:
            return rng.standard_normal(shape).astype(np.float32) * np.float32(shape[-1] ** -0.5)

        def norm() -> Any:
            return rng.uniform(0.5, 1.5, WIDTH).astype(np.float32)

        out = {"token_embd.weight": random(vocabulary, WIDTH)}
        for layer in range(LAYERS):
            parts = {"attn_norm": norm(), "attn_q": random(WIDTH, WIDTH),
                     "attn_k": random(KV_HEADS * HEAD_SIZE, WIDTH),
                     "attn_v": random(KV_HEADS * HEAD_SIZE, WIDTH),
                     "attn_output": random(WIDTH, WIDTH), "ffn_norm": norm(),
                     "ffn_gate": random(WIDE, WIDTH), "ffn_up": random(WIDE, WIDTH),
                     "ffn_down": random(WIDTH, WIDE)}
            out |= {f"blk.{layer}.{part}.weight": values for part, values in parts.items()}
        out["output_norm.weight"] = norm()
        if not self.tied:
            out["output.weight"] = random(vocabulary, WIDTH)
        if self.frequencies:
            out["rope_freqs.weight"] = rng.uniform(1, 8, HEAD_SIZE // 2).astype(np.float32)
        return out


def add(writer: GGUFWriter, key: str, value: Any) -> None:
    """One metadatum of the type that models have it in; None is left out."""
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif value is not None:
        writer.add_array(key, value)
