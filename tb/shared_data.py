"""Where the independent reference vectors lie: beside the repository, or where LOWBIT_SHARED says."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["shared"]


def shared(*parts: str) -> Path | None:
    """Path of a file in the shared folder, None where it is not there (the test is skipped)."""
    root = os.environ.get("LOWBIT_SHARED")
    folder = Path(root) if root else Path(__file__).resolve().parents[2] / "shared"
    path = folder.joinpath(*parts)
    return path if path.exists() else None
