"""A line of progress on a terminal; silent in a pipe."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

__all__ = ["Progress"]


class Progress:
    """``with Progress("synthesis") as progress: work(tick=progress.tick)``.

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
