"""A line of progress on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

__all__ = ["Progress"]


class Progress:
    """Context manager: shows the current phase on standard error and wipes the line at the end.

    ``progress("building")`` starts a phase, of which its seconds are shown; after
    ``progress.share(done, total)`` also the percentage. Work shorter than ``interval`` seconds
    shows nothing, nor does any work when standard error is not a terminal.
    """

    def __init__(self, phase: str = "", *, interval: float = 0.2) -> None:
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self(phase)

    def __call__(self, phase: str) -> None:
        # one assignment: the thread sees the old phase or the new one, never a mixture
        self._state = (phase, time.monotonic(), "")

    def share(self, done: int, total: int) -> None:
        """``done`` of ``total`` parts of the current phase are done."""
        phase, start, _ = self._state
        self._state = (phase, start, f" {100 * done // max(total, 1)} %")

    def _line(self) -> str:
        phase, start, share = self._state
        return f"{phase}{share} ({time.monotonic() - start:.0f} s)" if phase else ""

    def _loop(self) -> None:
        while not self._stop.wait(self._interval):
            self._show(self._line())

    @staticmethod
    def _show(text: str) -> None:
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
            self._show("")
