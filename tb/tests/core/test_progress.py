"""The line of progress: on a terminal phase, share and seconds; in a pipe nothing."""

from __future__ import annotations

import io
import time

import pytest

from lowbit.generators.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def wait_for(screen: io.StringIO, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in screen.getvalue():
        assert time.monotonic() < deadline, screen.getvalue()
        time.sleep(0.001)


def test_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with Progress("emitting", interval=0.001) as progress:
        wait_for(screen, "\r\x1b[Kemitting (0 s)")
        progress("quantising")
        time.sleep(0.3)
        progress.share(1, 8)
        wait_for(screen, "\r\x1b[Kquantising 12 % (0 s, about 2 s left)")
        progress.share(0, 0)
        wait_for(screen, "quantising 0 %")
        progress("building")
        wait_for(screen, "\r\x1b[Kbuilding (0 s)")
    assert screen.getvalue().endswith("\r\x1b[K")
    screen.truncate(0)
    time.sleep(0.01)
    assert screen.getvalue() == "", "the thread still writes"


def test_wiped_by_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)

    def fail() -> None:
        with Progress("building", interval=0.001):
            wait_for(screen, "building")
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, interval in ((io.StringIO(), 0.001), (Terminal(), 10.0)):
        monkeypatch.setattr("sys.stderr", stream)
        with Progress("building", interval=interval) as progress:
            progress.share(1, 2)
            time.sleep(0.01)
        assert stream.getvalue().replace("\r\x1b[K", "") == ""
