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
    rows = {name: bench.ROWS[name] for name in ("gaussian", "10 % times 40")}
    lines = [*bench.random_rows(2048, 1, rows), *bench.difficult_rows(1)]
    assert {r["a_format"] for r in lines} == set(bench.TYPES) and len(lines) > 60
    assert not [r for r in lines if bench.missed(r)]
    assert not [r for r in bench.integers(256, 1) if r["differ"]]


def test_narrow_widths_miss_them(bench: ModuleType) -> None:
    """The measure can fail: fewer bits of an entry, or of an accumulator, are too few."""
    for acc, like, narrow in (("fp32", np.float32, (dict(entry_width=24), dict(acc_width=26))),
                              ("fp16", np.float16, (dict(entry_width=12), dict(acc_width=16)))):
        data = bench.Data(np.random.default_rng(1), "fp16", bench.ROWS["10 % times 10"], 16, 64)
        bar = bench.rms(data.error(getattr(data, f"sequential_{acc}")(), like))
        assert bench.rms(data.error(data.core("fp16", acc=acc), like)) < bar
        for widths in narrow:
            assert bench.rms(data.error(data.core("fp16", acc=acc, **widths), like)) > bar
