"""``gen llm`` on the tiny model: what it prints, and what it refuses."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from lowbit.generators.cli import main
from lowbit.generators.llm.generate import generate
from lowbit.generators.llm.tokenizer import Tokenizer
from lowbit.generators.weights.gguf_file import GgufFile

from .test_llama import opened
from .tiny import Tiny, library


def gen(capsys, *words):
    """(exit status, standard output, standard error)."""
    status = main(["llm", *map(str, words)])
    out = capsys.readouterr()
    return status, out.out, out.err


def test_text(tiny, capsys):
    """The text of the tokens, then the report; nothing on standard error in a pipe."""
    status, out, err = gen(capsys, tiny[1], "--prompt", "The cat", "--raw", "--tokens", 9)
    tokenizer = Tokenizer(GgufFile(tiny[1]))
    tokens = generate(opened(tiny[1]), library().encode("The cat").ids, 9, ends=tokenizer.ends)
    text = tokenizer.decode(tokens.tokens)
    assert (status, err) == (0, "")
    assert out.startswith(text + "\n")
    assert re.fullmatch(r"  \d+ tokens of prompt \(raw\) in [\d.]+ s, 9 generated in [\d.]+ s, "
                        r"[\d.]+ tokens/s; cut at --tokens\n  backend float32\n"
                        r"  weight bytes [\d,]+\n", out[len(text) + 1:])


def test_json(tiny, capsys):
    words = tiny[1], "--prompt", "The cat", "--tokens", 5, "--json"
    report = json.loads(gen(capsys, *words)[1])
    assert (report["form"], report["backend"], report["stopped"]) == ("chatml", "float32", "limit")
    assert report["text"] == Tokenizer(GgufFile(tiny[1])).decode(report["tokens"])
    assert len(report["tokens"]) == 5 and report["decode_steps"] == 4

    def sampled(seed):
        return json.loads(gen(capsys, *words, "--temperature", 1.5, "--seed", seed)[1])["tokens"]

    assert sampled(1) == sampled(1) != sampled(2)


def test_damaged(tiny, tmp_path, capsys):
    """Bytes of the header changed at random: a line, or some text, but nothing else."""
    data, rng = tiny[1].read_bytes(), np.random.default_rng(6)
    path, refused = tmp_path / "damaged.gguf", 0
    for _ in range(150):
        copy = bytearray(data)
        # the model's and the tokenizer's metadata, a good part of which is names of keys
        for at in rng.integers(0, 900, 2):
            copy[at] = rng.integers(0, 256)
        path.write_bytes(copy)
        status, _, err = gen(capsys, path, "--prompt", "The cat", "--tokens", 1)
        assert (status, err.count("\n")) in ((0, 0), (2, 1)), err
        refused += status == 2
    assert refused > 50


def test_text_comes_token_by_token(tiny, monkeypatch, capsys):
    pieces = []

    class Out:
        encoding = "utf-8"

        def write(self, text):
            pieces.append(text)

        def flush(self):
            pass

        def isatty(self):
            return False

    monkeypatch.setattr("sys.stdout", Out())
    assert main(["llm", str(tiny[1]), "--prompt", "cat", "--tokens", "6"]) == 0
    assert len(pieces) > 4


@pytest.mark.parametrize(("words", "why"), [
    ("", "required: model, --prompt"), ("m.gguf", "required: --prompt"),
    ("m.gguf --prompt", "--prompt expected one argument"),
    ("m.gguf --prompt x --tokens 0", "--tokens must be at least 1; got 0"),
    ("m.gguf --prompt x --backend gpu", "--backend invalid choice: 'gpu'"),
    ("m.gguf --prompt x --temperature warm", "--temperature must be a number; got warm"),
    ("m.gguf --prompt x --temperature -1", "--temperature must be 0 or more; got -1"),
    ("m.gguf --prompt x --top-k -1", "--top-k must be 0 or more; got -1"),
    ("m.gguf --prompt x --seed -1", "--seed must be 0 or more; got -1"),
    ("none.gguf --prompt x", "cannot read none.gguf: No such file"),
    ("w.npy --prompt x", "w.npy is no GGUF file (npy?)"),
    ("text --prompt x", "text is no GGUF file"),
    ("zip --prompt x", "zip is a zip archive or a pickle"),
    ("empty --prompt x", "empty is no GGUF file"),
    ("short.gguf --prompt x", "short.gguf is not a readable GGUF file: it is truncated"),
    ("header.gguf --prompt x", "header.gguf is not a readable GGUF file: it ends in its header"),
    ("qwen.gguf --prompt x", "qwen.gguf is of the architecture 'qwen2'; gen llm runs llama"),
    ("iq.gguf --prompt x", "iq.gguf: blk.0.ffn_up.weight is I8, which is not taken; gen llm reads"),
    ("norm.gguf --prompt x", "norm.gguf: output_norm.weight is I8, which is not taken"),
    ("spm.gguf --prompt x", "spm.gguf has a tokenizer of the kind 'llama'"),
    ("few.gguf --prompt x", "few.gguf has 330 tokens and an embedding of 400"),
    ("m.gguf --prompt=", "--prompt must not be empty"),
    (f"m.gguf --prompt {'x' * 64} --raw", "the prompt has 64 tokens; the model's context has 64"),
    ("inf.gguf --prompt x", "blk.1.attn_q.weight is not finite")])
def test_refused(tmp_path, monkeypatch, capsys, words, why):
    """One line, status 2."""
    monkeypatch.chdir(tmp_path)
    Tiny().write(tmp_path / "m.gguf")
    data = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "short.gguf").write_bytes(data[:-500])
    (tmp_path / "header.gguf").write_bytes(data[:900])
    (tmp_path / "text").write_text("once upon a time")
    (tmp_path / "empty").write_text("")
    (tmp_path / "zip").write_bytes(b"PK\x03\x04" + bytes(100))
    np.save(tmp_path / "w.npy", np.ones(3))
    files = {"qwen": Tiny(architecture="qwen2"),
             "iq": Tiny(tensors={"blk.0.ffn_up.weight": np.ones((96, 64), np.int8)}),
             "norm": Tiny(tensors={"output_norm.weight": np.ones(64, np.int8)}),
             "spm": Tiny(metadata={"tokenizer.ggml.model": "llama"}),
             "few": Tiny(tensors={"token_embd.weight": np.ones((400, 64), np.float32)}),
             "inf": Tiny(tensors={"blk.0.ffn_down.weight": np.full((64, 96), np.inf, np.float32)},
                         forms={"blk.0.ffn_down.weight": "F32"})}
    for name, made in files.items():
        if f"{name}.gguf" in words:
            made.write(tmp_path / f"{name}.gguf")
    status, out, err = gen(capsys, *words.split())
    assert (status, out) == (2, "")
    assert err.startswith("gen: ") and err.count("\n") == 1 and why in err
