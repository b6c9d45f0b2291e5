"""The accuracy bars of docs/numerics.md section 4, on a small part of the study's draws
(scripts/studies/bench_accuracy.py)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PATH = Path(__file__).resolve().parents[3] / "scripts" / "studies" / "bench_accuracy.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scripts_bench_accuracy", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_defaults_keep_the_bars(bench: ModuleType) -> None:
    lines = [*bench.random_rows(1024, 1), *bench.difficult_rows(1)]
    assert {r["a_format"] for r in lines} == set(bench.TYPES) and len(lines) > 80
    assert not [r for r in lines if bench.missed(r)]
    assert not [r for r in bench.integers(256, 1) if r["differ"]]


def test_a_narrow_guard_misses_them(bench: ModuleType) -> None:
    """The measure can fail: 20 bits are not enough for FP32 sums, nor 12 for FP16 sums."""
    data = bench.Data(np.random.default_rng(1), "fp16", bench.RANDOM["10 % times 10"], 16, 64)
    bar = bench.rms(data.error(data.sequential_fp32(), np.float32))
    assert bench.rms(data.error(data.core("fp16"), np.float32)) < bar
    assert bench.rms(data.error(data.core("fp16", guard=20), np.float32)) > 2 * bar
    bar = bench.rms(data.error(data.sequential_fp16(), np.float16))
    assert bench.rms(data.error(data.core("fp16", acc="fp16"), np.float16)) < bar
    narrow = data.core("fp16", acc="fp16", guard=11, table_round=5)
    assert bench.rms(data.error(narrow, np.float16)) > bar
