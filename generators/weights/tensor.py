"""A matrix of floats in a file, decoded exactly a few rows at a time.

NumPy has no bfloat16 and no 8-bit floats, so numbers are decoded here, for every kind of file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FP8_E4M3, FP8_E5M2

__all__ = ["FLOATS", "Tensor"]

Array = NDArray[Any]

#: our name -> storage type
FLOATS = {"float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2",
          "fp8_e4m3": "u1", "fp8_e5m2": "u1"}
FP8 = {f.name: f.to_float64(np.arange(256)).astype(np.float32) for f in (FP8_E4M3, FP8_E5M2)}


@dataclass(frozen=True)
class Tensor:
    """A tensor in a file. Slicing rows reads and decodes them, exactly, to float32 or wider."""

    name: str
    dtype: str
    data: Array      #: memory map of the stored elements

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def __getitem__(self, rows: slice) -> Array:
        raw = np.asarray(self.data[rows])
        if self.dtype == "bfloat16":
            return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
        if self.dtype in FP8:
            return np.take(FP8[self.dtype], raw)
        with np.errstate(invalid="ignore"):      # signalling NaN
            return raw.astype(np.float64 if self.dtype == "float64" else np.float32, copy=False)
