"""The reference backend: weights dequantised to float32, products in float32."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from ..weights.checkpoint import GGUF_FLOATS
from ..weights.gguf_blocks import BLOCK_FORMATS, decode_rows
from ..weights.gguf_file import GgufFile
from ..weights.tensor import FLOATS, Tensor

__all__ = ["Float32", "check_type", "dequantized"]

Array = NDArray[Any]

#: weights that are decoded at a time: the decoder works in float64
PART = 1 << 20


def check_type(file: GgufFile, name: str) -> None:
    """:class:`UsageError` for a tensor whose numbers cannot be read."""
    kind = file.tensors[name].type
    if kind not in GGUF_FLOATS and kind not in BLOCK_FORMATS:
        raise UsageError(f"{file.path}: {name} is {kind}, which is not taken; gen llm reads "
                         f"{', '.join((*GGUF_FLOATS, *BLOCK_FORMATS))}")


def dequantized(file: GgufFile, name: str, rows: Any = slice(None)) -> Array:
    """Rows of a tensor (a slice or indices), float32 (rows, k); a vector is one row.

    Each weight is exact and then rounded once. :class:`UsageError` for a type that cannot be read,
    and for a scale that is not finite.
    """
    check_type(file, name)
    tensor = file.tensors[name]
    raw = file.rows(tensor)[rows]
    if tensor.type in GGUF_FLOATS:
        dtype = GGUF_FLOATS[tensor.type]
        floats = Tensor(name, dtype, np.ascontiguousarray(raw).view(FLOATS[dtype]))
        return floats[:].astype(np.float32, copy=False)
    out = np.empty((len(raw), tensor.shape[-1]), np.float32)
    step = math.ceil(PART / tensor.shape[-1])
    try:
        for at in range(0, len(raw), step):
            out[at:at + step] = decode_rows(tensor.type, raw[at:at + step]).dequantize()
    except ParameterError as error:
        raise UsageError(f"{file.path}: {name}: {error}") from None
    return out


class Float32:
    """Products as NumPy has them. A weight is dequantised when first used, and kept: four bytes
    a weight."""

    activations: type[np.float16] | type[np.float32] = np.float32

    def __init__(self, file: GgufFile, calls: tuple[tuple[str, ...], ...],
                 target: Path | None = None) -> None:
        if target is not None:
            raise UsageError("--target belongs to the backends that are an accelerator: golden, "
                             "cycles, rtl")
        self.file = file
        self._kept: dict[str, Array] = {}
        for name in {name for names in calls for name in names}:
            check_type(file, name)

    def linear(self, names: tuple[str, ...], x: Array) -> tuple[Array, ...]:
        """See :class:`~lowbit.generators.llm.linears.Linears`."""
        return tuple(x @ self._weights(name).T for name in names)

    def report(self) -> dict[str, Any]:
        return {"weight_bytes": sum(w.nbytes for w in self._kept.values())}

    def _weights(self, name: str) -> Array:
        if name not in self._kept:
            self._kept[name] = dequantized(self.file, name)
        return self._kept[name]
