"""Where the reference vectors lie: beside the repository, or where LOWBIT_SHARED says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["needed", "shared"]


def shared(*parts: str) -> Path | None:
    """Path of a file in the shared folder, None where it is not there (the test is skipped)."""
    root = os.environ.get("LOWBIT_SHARED")
    folder = Path(root) if root else Path(__file__).resolve().parents[3] / "shared"
    path = folder.joinpath(*parts)
    return path if path.exists() else None


def needed(*parts: str) -> Path:
    """Path of a file in the shared folder; the calling test is skipped where it is not there."""
    path = shared(*parts)
    if path is None:
        pytest.skip(f"no ../shared/{'/'.join(parts)}")
    return path
