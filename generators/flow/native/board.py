"""The library's face in Python: an accelerator whose memory is a NumPy array."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .build import Native

__all__ = ["Board", "ProtocolError"]

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_U32, _U64 = ctypes.c_uint32, ctypes.c_uint64
#: board.h: function -> result, arguments after the board
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "destroy": (None, ()), "reset": (_INT, ()), "write": (_INT, (_U32, _U32)),
    "read": (_INT, (_U32, ctypes.POINTER(_U32))), "run": (_INT, (_U64,)), "irq": (_INT, ()),
    "timing": (_INT, (_U32, _U32)), "fail": (None, (_U64, _U64)), "cycles": (_U64, ()),
    "message": (ctypes.c_char_p, ())}


class ProtocolError(RuntimeError):
    """The design broke a rule of a bus, or a register refused an access."""


class Board:
    """A simulated accelerator after reset, with registers, interrupt and memory.

    ``memory``: uint8, shared, from address 0 on; beyond it the bus answers with DECERR.
    ``latency``: cycles from an address to its first beat, and from a write to its response;
    ``stall``: how often a channel waits that could move; ``seed`` of the stalls and of what
    registers hold before the reset (0: zeros). ``limit``: cycles of one :meth:`wait`.
    """

    _board: int | None = None       # closed, or not yet made

    def __init__(self, native: Native | Path, memory: NDArray[np.uint8], *, latency: int = 20,
                 stall: float = 0.0, seed: int = 1, limit: int = 1 << 16) -> None:
        if memory.dtype != np.uint8 or memory.ndim != 1 or not memory.flags.c_contiguous \
                or not memory.flags.writeable:
            raise ValueError("memory must be a writable array of bytes in one piece")
        path = native.library if isinstance(native, Native) else native
        library = ctypes.CDLL(str(path))
        self._call: dict[str, Any] = {}
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, f"board_{name}")
            function.restype, function.argtypes = result, [_POINTER, *arguments]
            self._call[name] = function
        create = library.board_create
        create.restype, create.argtypes = _POINTER, [_POINTER, _U64, _U32, _U32, _U32]
        self.memory, self.limit = memory, limit
        self._board = create(memory.ctypes.data, len(memory), latency, _permille(stall), seed)

    def read32(self, offset: int) -> int:
        """A register, through the bus."""
        value = _U32()
        self._checked("read", offset, ctypes.byref(value))
        return value.value

    def write32(self, offset: int, value: int) -> None:
        """Write a register, through the bus."""
        self._checked("write", offset, value)

    def wait(self) -> bool:
        """Run until the interrupt; False where it has not come after ``limit`` cycles."""
        return self.run(self.limit)

    def run(self, cycles: int) -> bool:
        """Run until the interrupt, ``cycles`` at most; is it there?"""
        return self._checked("run", cycles) == 1

    def reset(self) -> None:
        """Reset; what is on its way on the buses is forgotten."""
        self._checked("reset")

    def timing(self, latency: int, stall: float = 0.0) -> None:
        """Other latency and stalls from now on."""
        self._checked("timing", latency, _permille(stall))

    def fail(self, addresses: range) -> None:
        """Beats at these addresses answer with SLVERR; none with an empty range."""
        self._checked("fail", addresses.start, addresses.stop)

    @property
    def interrupt(self) -> bool:
        return self._checked("irq") == 1

    @property
    def cycles(self) -> int:
        """Cycles since the board was made."""
        return int(self._checked("cycles"))

    def close(self) -> None:
        """End the simulation; nothing else may be called any more."""
        if self._board is not None:
            self._call["destroy"](self._board)
            self._board = None

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _checked(self, name: str, *arguments: Any) -> Any:
        if self._board is None:
            raise ValueError("the board is closed")
        result = self._call[name](self._board, *arguments)
        if isinstance(result, int) and result < 0:
            raise ProtocolError(self._call["message"](self._board).decode())
        return result


def _permille(stall: float) -> int:
    if not 0 <= stall <= 0.95:
        raise ValueError(f"stall must be 0 to 0.95; got {stall:g}")
    return round(1000 * stall)
