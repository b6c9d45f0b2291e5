"""The forward pass against the definition of a Llama model, in float64 and one number at a time.

The reference keeps no keys and values, turns pairs of channels as complex numbers, takes one head
and one position after the other, and reads the weights with the format's own package.
"""

from __future__ import annotations

import cmath
import math
import re

import numpy as np
import pytest

from lowbit.generators.errors import UsageError
from lowbit.generators.llm import float32, llama
from lowbit.generators.llm.config import LlamaConfig
from lowbit.generators.llm.linears import multiply, open_linears
from lowbit.generators.llm.llama import Cache, Llama, silu
from lowbit.generators.llm.score import divergence, likelihood, text_likelihoods
from lowbit.generators.weights.gguf_file import GgufFile

from .tiny import BASE, CONTEXT, EPSILON, HEAD_SIZE, HEADS, KV_HEADS, LAYERS, Tiny, library

TOKENS = [7, 300, 12, 12, 0, 255, 41, 19, 3, 308, 77]


def normed(x, weight):
    return x / math.sqrt(sum(v * v for v in x) / len(x) + EPSILON) * weight


def turned(vector, position, base, factors):
    out = []
    for i in range(len(vector) // 2):
        angle = position * base ** (-2 * i / len(vector)) / factors[i]
        z = complex(vector[2 * i], vector[2 * i + 1]) * cmath.exp(1j * angle)
        out += [z.real, z.imag]
    return np.array(out)


def scores_of(tokens, w, base=BASE):
    """Scores of what follows ``tokens``, float64 (vocabulary,)."""
    factors = w.get("rope_freqs.weight", np.ones(HEAD_SIZE // 2))
    x = [w["token_embd.weight"][token] for token in tokens]
    for layer in range(LAYERS):
        b = {part: w[f"blk.{layer}.{part}.weight"] for part in (
            "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate",
            "ffn_up", "ffn_down")}
        h = [normed(row, b["attn_norm"]) for row in x]
        mixed: list[list[float]] = [[] for _ in tokens]
        for head in range(HEADS):
            kv = head * KV_HEADS // HEADS
            own = slice(head * HEAD_SIZE, (head + 1) * HEAD_SIZE)
            shared = slice(kv * HEAD_SIZE, (kv + 1) * HEAD_SIZE)
            q = [turned((b["attn_q"] @ row)[own], p, base, factors) for p, row in enumerate(h)]
            k = [turned((b["attn_k"] @ row)[shared], p, base, factors) for p, row in enumerate(h)]
            v = [(b["attn_v"] @ row)[shared] for row in h]
            for p in range(len(tokens)):
                e = [math.exp(q[p] @ k[s] / math.sqrt(HEAD_SIZE)) for s in range(p + 1)]
                mixed[p] += list(sum(e[s] / sum(e) * v[s] for s in range(p + 1)))
        x = [row + b["attn_output"] @ np.array(m) for row, m in zip(x, mixed, strict=True)]
        for p, row in enumerate(x):
            h = normed(row, b["ffn_norm"])
            gate = np.array([g / (1 + math.exp(-g)) for g in b["ffn_gate"] @ h])
            x[p] = row + b["ffn_down"] @ (gate * (b["ffn_up"] @ h))
    return w.get("output.weight", w["token_embd.weight"]) @ normed(x[-1], w["output_norm.weight"])


def opened(path, linears=None):
    file = GgufFile(path)
    config = LlamaConfig.of(file)
    return Llama(file, config, linears or open_linears("float32", file, config.calls()))


@pytest.mark.parametrize("change", [{}, {"tied": False, "seed": 2}, {"base": 10000.0, "seed": 3},
                                    {"frequencies": True, "seed": 4}])
def test_scores_are_the_definition_s(tmp_path, change):
    tiny = Tiny(**change)
    model = opened(tiny.write(tmp_path / "m.gguf"))
    for count in (1, 2, len(TOKENS)):
        expected = scores_of(TOKENS[:count], tiny.weights, tiny.base)
        scores = model.forward(TOKENS[:count], Cache(model.config, CONTEXT))
        assert scores.dtype == np.float32
        assert np.abs(scores - expected).max() < 3e-6 * np.abs(expected).max()


def test_scores_after_every_token(tmp_path, monkeypatch):
    """Rows in parts of a few; and what follows from them: likelihoods, and a divergence."""
    monkeypatch.setattr(llama, "ROWS", 4)
    tiny = Tiny()
    model = opened(tiny.write(tmp_path / "m.gguf"))
    expected = np.array([scores_of(TOKENS[:i + 1], tiny.weights) for i in range(len(TOKENS))])
    scores = model.forward(TOKENS, Cache(model.config, CONTEXT), every=True)
    assert scores.shape == expected.shape
    assert np.abs(scores - expected).max() < 3e-6 * np.abs(expected).max()
    logs = text_likelihoods(model, TOKENS)
    shares = [np.exp(row) / sum(math.exp(x) for x in row) for row in expected]
    np.testing.assert_allclose(np.exp(logs), shares, rtol=1e-4)
    mean = -sum(math.log(row[token]) for row, token in zip(shares, TOKENS[1:], strict=False)) / 10
    assert likelihood(logs, TOKENS) == pytest.approx(mean, rel=1e-5)
    other = text_likelihoods(opened(Tiny(seed=2).write(tmp_path / "n.gguf")), TOKENS)
    apart = sum(p * math.log(p / math.exp(q)) for row, theirs in zip(shares, other, strict=True)
                for p, q in zip(row, theirs, strict=True)) / len(TOKENS)
    assert divergence(other, logs) == pytest.approx(apart, rel=1e-4)
    assert divergence(logs, logs) == 0
    for wrong in ([7], [7] * (CONTEXT + 1)):
        with pytest.raises(UsageError, match=rf"2\.\.{CONTEXT} tokens; got {len(wrong)}"):
            text_likelihoods(model, wrong)


@pytest.mark.parametrize("form", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q5_1"])
def test_other_formats(tmp_path, form):
    tiny = Tiny(forms={"token_embd.weight": form, "blk.0.attn_q.weight": form,
                       "blk.1.ffn_down.weight": form})
    model = opened(tiny.write(tmp_path / "m.gguf"))
    expected = scores_of(TOKENS, tiny.weights)
    scores = model.forward(TOKENS, Cache(model.config, CONTEXT))
    assert np.abs(scores - expected).max() < 3e-6 * np.abs(expected).max()


@pytest.mark.parametrize("parts", [[1] * len(TOKENS), [4, 1, 1, 5], [10, 1]])
def test_cache_is_no_change(tiny, parts):
    """Tokens that come in parts, down to one at a time, end with the scores of all at once."""
    model = opened(tiny[1])
    at_once = model.forward(TOKENS, Cache(model.config, CONTEXT))
    cache, at = Cache(model.config, len(TOKENS)), 0
    for part in parts:
        scores = model.forward(TOKENS[at:at + part], cache)
        at += part
    assert cache.filled == len(TOKENS)
    assert np.allclose(scores, at_once, rtol=0, atol=2e-6 * np.abs(at_once).max())


def test_long_prompts_go_in_parts(tiny, monkeypatch):
    model = opened(tiny[1])
    at_once = model.forward(TOKENS, Cache(model.config, CONTEXT))
    monkeypatch.setattr(llama, "ROWS", 4)
    seen = []
    scores = model.forward(TOKENS, Cache(model.config, CONTEXT), lambda *part: seen.append(part))
    assert seen == [(i, 3 * LAYERS) for i in range(1, 3 * LAYERS + 1)]
    assert np.allclose(scores, at_once, rtol=0, atol=2e-6 * np.abs(at_once).max())


def test_weights_are_decoded_in_parts(tiny, monkeypatch):
    model = opened(tiny[1])
    at_once = model.forward(TOKENS, Cache(model.config, CONTEXT))
    monkeypatch.setattr(float32, "PART", 1000)
    assert np.array_equal(opened(tiny[1]).forward(TOKENS, Cache(model.config, CONTEXT)), at_once)


def test_no_room(tiny):
    model = opened(tiny[1])
    with pytest.raises(UsageError, match="11 tokens do not fit in the 10 positions"):
        model.forward(TOKENS, Cache(model.config, 10))


class Half:
    """A backend as the accelerator is: float16 in, what it was asked kept."""

    activations = np.float16

    def __init__(self, weights):
        self.weights, self.asked, self.largest = weights, [], 0.0

    def linear(self, names, x):
        assert x.dtype == np.float16 and np.isfinite(x).all()
        self.asked.append(names)
        self.largest = max(self.largest, float(np.abs(x).max()))
        return tuple((x.astype(np.float64) @ self.weights[name].T).astype(np.float32)
                     for name in names)

    def report(self):
        return {}


def test_a_backend_of_float16(tiny):
    """Activations rounded once: close to float32, not equal. The calls are those announced."""
    model = opened(tiny[1], Half(tiny[0].weights))
    scores = model.forward(TOKENS, Cache(model.config, CONTEXT))
    expected = scores_of(TOKENS, tiny[0].weights)
    assert 1e-5 < np.abs(scores - expected).max() / np.abs(expected).max() < 5e-3
    assert tuple(model.linears.asked) == model.config.calls()


@pytest.mark.parametrize("size", [1e-30, 1e-6, 2.0**-8, 1.0, 65504.0, 65520.0, 1e6, 1e30])
def test_rows_outside_of_float16(size):
    """Any size of a row gives the precision of float16, beside an ordinary row that is as it
    was and a row of zeros."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (3, 64)).astype(np.float32)
    x[0, 5] = 1
    x[0] *= np.float32(size)
    x[2] = 0
    weights = rng.standard_normal((7, 64))
    half = Half({"w": weights})
    (y,) = multiply(half, ("w",), x)
    exact = x.astype(np.float64) @ weights.T
    assert np.abs(y[0] - exact[0]).max() < 64 * 2.0**-11 * size * 3
    assert np.array_equal(y[1], half.linear(("w",), x[1:2].astype(np.float16))[0][0])
    assert not y[2].any()
    assert half.largest <= 65504


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_activations_that_are_not_finite(bad):
    with pytest.raises(UsageError, match="the input of w is not finite"):
        multiply(Half({}), ("w",), np.array([[1, bad]], np.float32))


def test_damaged_weights(tmp_path):
    """A norm that is NaN, and weights so large that float32 overflows: a line, no warning."""
    for value in (math.nan, 3e38):
        path = Tiny(tensors={"blk.1.ffn_norm.weight": np.full(64, value, np.float32)}
                    ).write(tmp_path / "m.gguf")
        model = opened(path)
        with pytest.raises(UsageError, match="not finite"):
            model.forward(TOKENS, Cache(model.config, CONTEXT))


def test_silu_of_large_numbers():
    x = np.array([-1e30, -200, -1, 0, 1, 200, 1e30], np.float32)
    with np.errstate(over="raise", invalid="raise"):
        assert np.allclose(silu(x), [0, 0, -1 / (1 + math.e), 0, 1 / (1 + 1 / math.e), 200, 1e30])


@pytest.mark.parametrize(("change", "why"), [
    ({"architecture": "qwen2"}, "is of the architecture 'qwen2'; gen llm runs llama"),
    ({"metadata": {"llama.block_count": None}}, "has no metadatum llama.block_count"),
    ({"metadata": {"llama.block_count": 3}}, "has no tensor blk.2.attn_norm.weight"),
    ({"metadata": {"llama.block_count": 1}}, r"has blk.1.\w+.weight, which gen llm does not know "
                                             r"\(9 such tensors\)"),
    ({"metadata": {"llama.block_count": 4000000000}}, "too few for 4000000000 blocks"),
    ({"metadata": {"llama.attention.head_count": 0}}, "head_count must be an integer, 1 or more"),
    ({"metadata": {"llama.attention.head_count": [2, 2]}}, "head_count must be one value"),
    ({"metadata": {"llama.attention.head_count": 8}}, r"attn_k.weight must have the shape \(16, "),
    ({"metadata": {"llama.attention.head_count_kv": 3}}, "4 heads must be a multiple of 3"),
    ({"metadata": {"llama.attention.layer_norm_rms_epsilon": 0.0}}, "must be a number above 0"),
    ({"metadata": {"llama.rope.dimension_count": 32}}, "rope.dimension_count must be 16; got 32"),
    ({"metadata": {"llama.rope.scaling.type": "yarn"}}, "scales its RoPE"),
    ({"metadata": {"llama.expert_count": 8}}, "expert_count must be 0; got 8"),
    ({"tensors": {"blk.0.attn_q.bias": np.zeros(64, np.float32)}}, "has blk.0.attn_q.bias"),
    ({"tensors": {"blk.0.ffn_up.weight": None}}, "has no tensor blk.0.ffn_up.weight"),
    ({"tensors": {"output_norm.weight": np.ones(63, np.float32)}},
     r"output_norm.weight must have the shape \(64,\)"),
    ({"tensors": {"token_embd.weight": None}}, "has no tensor token_embd.weight")])
def test_models_that_are_refused(tmp_path, change, why):
    path = Tiny(**change).write(tmp_path / "m.gguf")
    with pytest.raises(UsageError, match=why) as error:
        LlamaConfig.of(GgufFile(path))
    assert re.search(r"m\.gguf", str(error.value)) and "\n" not in str(error.value)


def test_vocabulary_is_the_embedding_s(tiny):
    assert opened(tiny[1]).config.vocabulary == library().get_vocab_size()
