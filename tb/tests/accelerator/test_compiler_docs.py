"""docs/compiler.md shows what its commands print."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_examples(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("examples_of_pages",
                                                  ROOT / "scripts" / "docs" / "examples.py")
    assert spec is not None and spec.loader is not None
    examples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(examples)
    pairs = examples.examples((ROOT / "docs" / "compiler.md").read_text(encoding="utf-8"))
    assert len(pairs) == 5
    for command, shown in pairs:
        assert examples.stable(examples.run(command, tmp_path)) == examples.stable(shown), command
