"""A family is its own files and one line: the example of docs/adding_a_family.md, in a copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs" / "example_family"
LAYERS = ("golden", "hdl", "generators", "tb")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the example's files, all of them new, and its line in the registry."""
    root = tmp_path_factory.mktemp("project")
    for layer in LAYERS:
        shutil.copytree(ROOT / layer, root / layer,
                        ignore=shutil.ignore_patterns("__pycache__", "tests", "support"))
    shutil.copytree(ROOT / "src", root / "src", symlinks=True)
    for path in EXAMPLE.rglob("*.py"):
        target = root / path.relative_to(EXAMPLE)
        assert not target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    registry = root / "generators" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    assert text.count('    "accelerator",\n)') == 1
    registry.write_text(text.replace('    "accelerator",\n)', '    "accelerator",\n    "mac",\n)'),
                        encoding="utf-8")
    return root


def gen(copy: Path, folder: Path, *words: str, status: int = 0) -> str:
    done = subprocess.run([sys.executable, "-P", "-m", "lowbit.generators", *words], cwd=folder,
                          env=os.environ | {"PYTHONPATH": str(copy / "src")}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_it_emits_verifies_runs_and_measures(copy: Path, tmp_path: Path) -> None:
    assert "multiply-accumulate unit" in gen(copy, tmp_path, "list")
    gen(copy, tmp_path, "mac", "--bits", "6", "-o", "mac.v")
    manifest = json.loads((tmp_path / "mac.json").read_text())
    assert {port["name"] for port in manifest["ports"]} >= {"operand_a", "result_values"}
    assert "PASSED" in gen(copy, tmp_path, "verify", "mac.json", "--vectors", "300")
    report = json.loads(gen(copy, tmp_path, "area", "mac", "--no-timing", "--json"))
    assert report["gate_equivalents"] > 100

    rng = np.random.default_rng(0)
    a, w = rng.integers(-128, 128, (3, 17)), rng.integers(-128, 128, (4, 17))
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "w.npy", w)
    report = json.loads(gen(copy, tmp_path, "run", "mac", "--a", "a.npy", "--w", "w.npy",
                            "--backend", "rtl", "--compare", "--json", "-o", "y.npy"))
    assert report["differ"] == 0 and report["operations"] == 12
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), a @ w.T)
    assert "--a must be integers -32..31" in gen(
        copy, tmp_path, "run", "mac", "--bits", "6", "--a", "a.npy", "--w", "w.npy",
        "-o", "z.npy", status=2)


def test_a_wrong_design_fails(copy: Path, tmp_path: Path) -> None:
    """The example's bench can fail."""
    path = copy / "hdl" / "mac" / "mac.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("Mux(busy, total, 0) +", "Mux(busy, total, 0) -"),
                    encoding="utf-8")
    try:
        assert "FAILED" in gen(copy, tmp_path, "verify", "mac", status=1)
    finally:
        path.write_text(text, encoding="utf-8")
