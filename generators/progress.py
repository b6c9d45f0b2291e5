"""A progress line on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Elapsed", "progress"]


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


class Elapsed:
    """``with Elapsed("synthesis") as progress: work(tick=progress.tick)``.

    Writes ``synthesis ... 12 s`` on standard error where that is a terminal and wipes it at the
    end. :meth:`tick` may be called from several threads, as often as convenient.
    """

    def __init__(self, text: str):
        self.text = text
        self._start = self._last = time.monotonic()
        self._shown = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def tick(self) -> None:
        """Show the time that has passed; a few times a second are written."""
        now = time.monotonic()
        with self._lock:
            if now - self._last < 0.25 or not sys.stderr.isatty():
                return
            self._last, self._shown = now, True
            sys.stderr.write(f"\r{self.text} ... {now - self._start:.0f} s\x1b[K")
            sys.stderr.flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
