"""What the processes of one test run make once and share."""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

__all__ = ["FOLDER", "shared"]

#: the variable that names the folder of the run (tests/conftest.py makes it, and removes it)
FOLDER = "LOWBIT_TEST_RUN"

T = TypeVar("T")


def shared(key: str, make: Callable[[], T]) -> T:
    """What ``make()`` gives, or gave to the first process of this run that asked for ``key``.

    Outside of a test run it is made. A later run makes it again: its sources may be others.
    """
    if (folder := os.environ.get(FOLDER)) is None:
        return make()
    path = Path(folder) / hashlib.sha256(key.encode()).hexdigest()[:24]
    if path.exists():
        found: T = pickle.loads(path.read_bytes())
        return found
    made = make()
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(pickle.dumps(made))
    Path(file.name).replace(path)
    return made
