"""The accuracy bars of docs/numerics.md section 4, on a small part of the study's draws
(scripts/studies/bench_accuracy.py)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

STUDIES = Path(__file__).resolve().parents[3] / "scripts" / "studies"


def load(name: str) -> ModuleType:
    """A study as a module; it may import others of its folder."""
    spec = importlib.util.spec_from_file_location(f"scripts_{name}", STUDIES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(STUDIES))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(STUDIES))
    return module


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    return load("bench_accuracy")


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


def test_direct_core_keeps_the_bars(bench: ModuleType) -> None:
    """A small part of scripts/studies/bench_dot_accuracy.py; fewer bits of an activation miss."""
    rows = {name: bench.ROWS[name] for name in ("gaussian", "10 % times 40")}
    study = load("bench_dot_accuracy")
    for a_format, w_format, acc in (("fp16", "int4", "fp32"), ("fp16", "int4", "fp16"),
                                    ("fp16", "ternary", "fp32"), ("bf16", "int4", "fp16")):
        default, shorter, _ = study.line(a_format, w_format, acc, 512, 1, (64,), rows)
        assert default <= 1
        assert acc == "fp32" or shorter > 1
