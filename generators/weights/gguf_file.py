"""The container of GGUF files: names, types, shapes and bytes of tensors, and metadata.

Read here and not by the format's Python package: that builds an object for every word of the
vocabulary (seconds before the first tensor), loops for ever over damaged counts, and brings a
network client along. Everything is checked against the file's length before it is used. Metadata
are passed over, and decoded one by one when asked for.

Layout (version 2 and 3, little-endian): magic, version, counts of tensors and of metadata; each
metadatum a name, a type, a value; each tensor a name, dimensions (fastest first), a type, an
offset into the data, which begins at the next multiple of the alignment.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..files import check_source
from .gguf_values import Cursor

__all__ = ["GGUF_MAGIC", "GgufFile", "GgufTensor", "TYPES"]

Array = NDArray[Any]

GGUF_MAGIC = b"GGUF"
#: type number -> (name, weights of a block, bytes of a block)
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4),
    27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36)}
MAX_DIMENSIONS = 4


@dataclass(frozen=True)
class GgufTensor:
    """One tensor; ``shape`` slowest first, so that a weight matrix is (n, k)."""

    name: str
    type: str
    shape: tuple[int, ...]
    start: int               #: of its bytes in the file
    row_bytes: int           #: of the fastest dimension


class GgufFile:
    """The checked header of a GGUF file; ``tensors`` by name, metadata by :meth:`value`.

    :class:`UsageError` for a file that is truncated, damaged, big-endian or of an old version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_source(path)
        self.tensors: dict[str, GgufTensor] = {}
        #: key -> type of its value, where that begins
        self._metadata: dict[str, tuple[int, int]] = {}
        try:
            self.data: Array = np.memmap(path, np.uint8, "r")
            self._read(Cursor(self.data))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
        except (ValueError, struct.error) as error:
            # also of an empty file, and of names that are no UTF-8
            why = "a name is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise UsageError(f"{path} is not a readable GGUF file: {why}") from None

    def _read(self, cursor: Cursor) -> None:
        if cursor.take(4) != GGUF_MAGIC:
            raise ValueError("it does not begin with GGUF")
        version = cursor.number("I")
        if version not in (2, 3):
            hint = "; big-endian files are not read" if version & 0xFFFF == 0 else \
                "; this program reads 2 and 3"
            raise ValueError(f"its version is {version}{hint}")
        count, metadata = cursor.number("Q"), cursor.number("Q")
        for _ in range(metadata):
            key, kind = cursor.text(), cursor.number("I")
            self._metadata[key] = kind, cursor.at
            cursor.skip_value(kind)
        alignment = 32
        if self._metadata.get("general.alignment", (0,))[0] == 4:       # of type uint32
            alignment = self.value("general.alignment")
            if alignment < 1 or alignment & (alignment - 1):
                raise ValueError(f"its alignment must be a power of two; got {alignment}")
        found = [self._tensor(cursor) for _ in range(count)]
        start = -(-cursor.at // alignment) * alignment
        for name, kind, shape, offset in found:
            if name in self.tensors:
                raise ValueError(f"two tensors are named {name}")
            if kind not in TYPES:
                raise ValueError(f"{name} has the unknown type {kind}")
            form, block, size = TYPES[kind]
            if shape[-1] % block:
                raise ValueError(f"{name} has rows of {shape[-1]}, which blocks of {block} ({form})"
                                 " do not divide")
            row = shape[-1] // block * size
            end = start + offset + math.prod(shape[:-1]) * row
            if end > len(self.data):
                raise ValueError(f"it is truncated: {name} ends at byte {end} of "
                                 f"{len(self.data)}")
            self.tensors[name] = GgufTensor(name, form, shape, start + offset, row)

    @staticmethod
    def _tensor(cursor: Cursor) -> tuple[str, int, tuple[int, ...], int]:
        name, dimensions = cursor.text(), cursor.number("I")
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise ValueError(f"{name} has {dimensions} dimensions")
        shape = tuple(cursor.number("Q") for _ in range(dimensions))[::-1]
        return name, cursor.number("I"), shape, cursor.number("Q")

    def value(self, key: str) -> Any:
        """The metadatum ``key``, None where the file has none: bool, int, float, str, a NumPy array
        of numbers, a list of strings.

        :class:`UsageError` for a string that is no UTF-8.
        """
        if key not in self._metadata:
            return None
        kind, at = self._metadata[key]
        try:
            return Cursor(self.data, at).value(kind)
        except UnicodeDecodeError:
            raise UsageError(f"{self.path} is not a readable GGUF file: {key} is no "
                             "UTF-8") from None

    def rows(self, tensor: GgufTensor) -> Array:
        """The tensor's bytes as they are in the file: uint8 (rows, bytes of a row), mapped."""
        count = math.prod(tensor.shape[:-1])
        part = self.data[tensor.start:tensor.start + count * tensor.row_bytes]
        return part.reshape(count, tensor.row_bytes)
