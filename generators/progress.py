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
    ``progress.share(done, total)`` also the percentage, and how long it will take if it goes on as
    it went. Work shorter than ``interval`` seconds
    shows nothing, nor does any work when standard error is not a terminal.
    """

    def __init__(self, phase: str = "", *, interval: float = 0.2) -> None:
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self(phase)

    def __call__(self, phase: str) -> None:
        # one assignment: the thread sees the old phase or the new one, never a mixture
        self._state: tuple[str, float, tuple[int, int] | None] = (phase, time.monotonic(), None)

    def share(self, done: int, total: int) -> None:
        """``done`` of ``total`` parts of the current phase are done."""
        phase, start, _ = self._state
        self._state = (phase, start, (done, max(total, 1)))

    def _line(self) -> str:
        phase, start, share = self._state
        seconds = time.monotonic() - start
        if not phase or share is None:
            return f"{phase} ({seconds:.0f} s)" if phase else ""
        done, total = share
        left = f", about {seconds * (total - done) / done:.0f} s left" if done else ""
        return f"{phase} {100 * done // total} % ({seconds:.0f} s{left})"

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
