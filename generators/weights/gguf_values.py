"""Values in the header of a GGUF file: a cursor that reads forward, and metadata by their type.

A metadatum is a number of a type, a value of that type; an array is a type, a count, that many
values. Nothing is believed before it is compared with the file's length.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cursor"]

Array = NDArray[Any]

#: metadata type -> little-endian NumPy type; 8 is a string, 9 an array
SCALARS = {0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "?",
           10: "<u8", 11: "<i8", 12: "<f8"}
STRING, ARRAY = 8, 9
MAX_NESTING = 4


class Cursor:
    """Reads bytes ``data`` (uint8) from ``at`` on; ``ValueError`` past the end."""

    def __init__(self, data: Array, at: int = 0) -> None:
        self.data, self.at = data, at

    def skip(self, count: int) -> None:
        if count > len(self.data) - self.at:
            raise ValueError("it ends in its header")
        self.at += count

    def take(self, count: int) -> bytes:
        self.skip(count)
        return self.data[self.at - count:self.at].tobytes()

    def number(self, code: str) -> int:
        value: int = struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]
        return value

    def text(self) -> str:
        return self.take(self.number("Q")).decode()

    def skip_value(self, kind: int, depth: int = 0) -> None:
        if kind in SCALARS:
            self.skip(np.dtype(SCALARS[kind]).itemsize)
        elif kind == STRING:
            self.skip(self.number("Q"))
        elif kind == ARRAY and depth < MAX_NESTING:
            kind, count = self.number("I"), self.number("Q")
            if kind in SCALARS:
                self.skip(count * np.dtype(SCALARS[kind]).itemsize)
                return
            for _ in range(count):
                self.skip_value(kind, depth + 1)
        else:
            raise ValueError(f"a metadatum has the unknown type {kind}")

    def value(self, kind: int) -> Any:
        """A value that :meth:`skip_value` takes: bool, int, float, str, a NumPy array of numbers,
        or a list of strings or of arrays."""
        if kind in SCALARS:
            return self._numbers(kind, 1)[0].item()
        if kind == STRING:
            return self.text()
        kind, count = self.number("I"), self.number("Q")
        if kind in SCALARS:
            return self._numbers(kind, count)
        return [self.value(kind) for _ in range(count)]

    def _numbers(self, kind: int, count: int) -> Array:
        dtype = np.dtype(SCALARS[kind])
        return np.frombuffer(self.take(count * dtype.itemsize), dtype)
