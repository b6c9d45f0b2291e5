"""A JSON file that the package has, made from records of docs/results: written, or compared."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["write_or_check"]

ROOT = Path(__file__).resolve().parents[2]


def write_or_check(doc: str | None, target: Path, make: Callable[[], Any], script: str) -> int:
    """The command line of ``script``: exit status 1 where ``--check`` finds the file out of date.
    """
    parser = argparse.ArgumentParser(description=(doc or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args()
    text = json.dumps(make(), indent=1) + "\n"
    if not args.check:
        target.write_text(text, encoding="utf-8")
        return 0
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        print(f"{target.relative_to(ROOT)} is not what docs/results says; run "
              f"scripts/docs/{script}")
        return 1
    return 0
