"""Where the reference vectors lie; tb/vectors/README.md says what they are."""

from __future__ import annotations

from pathlib import Path

__all__ = ["VECTORS"]

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
