"""An accelerator in the address space of a machine: ``/dev/mem``, or a file of UIO."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

__all__ = ["Mapped", "map_file"]


class Mapped:
    """Registers as 32-bit words of a buffer, and memory that the device sees as well.

    ``registers``, ``memory``: of :func:`map_file`, or any writable buffer. The memory must be
    coherent with the device's (uncached, say): nothing here flushes a cache. ``publish`` is called
    before each write to a register, ``notice`` after each read, for a platform that must do so.
    """

    def __init__(self, registers: Any, memory: NDArray[np.uint8], *,
                 publish: Callable[[], None] = lambda: None,
                 notice: Callable[[], None] = lambda: None) -> None:
        self._words = np.frombuffer(registers, "<u4")
        if not self._words.flags.writeable:
            raise UsageError("the buffer of registers must be writable")
        self.memory, self._publish, self._notice = memory, publish, notice

    def read32(self, offset: int) -> int:
        value = int(self._words[offset // 4])
        self._notice()
        return value

    def write32(self, offset: int, value: int) -> None:
        self._publish()
        self._words[offset // 4] = value


def map_file(path: str, address: int, size: int) -> NDArray[np.uint8]:
    """``size`` bytes of a device file from ``address`` (whole pages) on."""
    if address % mmap.PAGESIZE:
        raise UsageError(f"an address in {path} must be a multiple of {mmap.PAGESIZE}; "
                         f"got {address:#x}")
    try:
        handle = os.open(path, os.O_RDWR | os.O_SYNC)
    except OSError as error:
        raise UsageError(f"cannot open {path}: {error.strerror}") from None
    try:
        mapped = mmap.mmap(handle, size, mmap.MAP_SHARED, offset=address)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot map {size} bytes of {path} from {address:#x}: {error}") from None
    finally:
        os.close(handle)
    return np.frombuffer(mapped, np.uint8)
