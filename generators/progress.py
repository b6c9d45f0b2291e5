"""A progress line on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

__all__ = ["progress"]


def progress(label: str, total: int, *, interval: float = 0.2) -> Callable[[int], None]:
    """A function that shows ``done`` of ``total`` on stderr, at most every ``interval`` seconds.

    The line is wiped when ``total`` is reached. Short work shows nothing.
    """
    stream = sys.stderr
    if not stream.isatty():
        return lambda done: None
    shown = started = time.monotonic()

    def report(done: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if done >= total:
            if shown != started:
                stream.write("\r\x1b[K")
                stream.flush()
        elif now - shown >= interval:
            shown = now
            stream.write(f"\r\x1b[K{label} {100 * done // total} %")
            stream.flush()
    return report
