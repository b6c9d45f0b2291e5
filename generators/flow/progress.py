"""A line of progress on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

__all__ = ["Progress"]


class Progress:
    """Context manager: shows the current phase and its seconds on standard error, then clears it.

    ``progress("building")`` starts a phase.
    """

    def __init__(self) -> None:
        self._phase, self._start = "", time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def __call__(self, phase: str) -> None:
        with self._lock:
            self._phase, self._start = phase, time.monotonic()

    def _loop(self) -> None:
        while not self._stop.wait(0.2):
            with self._lock:
                text = f"{self._phase} ({time.monotonic() - self._start:.0f} s)"
            if self._phase:
                sys.stderr.write(f"\r\x1b[K{text}")
                sys.stderr.flush()

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._thread = threading.Thread(target=self._loop, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
