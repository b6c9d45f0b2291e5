"""Activations that are integers in a unit of their own: E2M1, and the elements of MXINT8.

A product of such numbers is one of integers. Arrays hold the integers (E2M1: -12 .. 12 halves);
at a port an E2M1 number is its code of 4 bits, which the edge of a design decodes.

Source: OCP Microscaling Formats (MX) Specification v1.0, sections 5.3.3 and 5.3.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .digits import FORMATS
from .formats import IntFormat

__all__ = ["CodedInt", "E2M1", "INT4", "MXINT8"]

Array = NDArray[Any]


@dataclass(frozen=True)
class CodedInt(IntFormat):
    """Integers in units of 2**``unit``, two's complement of ``bits``; with ``values`` those of
    port codes, of which there is a power of two."""

    unit: int = 0
    values: tuple[int, ...] = ()

    @property
    def code_bits(self) -> int:
        """Bits at a port."""
        return len(self.values).bit_length() - 1 if self.values else self.bits

    @property
    def low(self) -> int:
        return min(self.values) if self.values else super().low

    @property
    def high(self) -> int:
        return max(self.values) if self.values else super().high

    def nearest(self, x: Array) -> Array:
        """The format's integers that are nearest to integers ``x``, of two the lower."""
        if not self.values:
            return np.asarray(x)
        held = np.array(sorted(set(self.values)))
        return np.asarray(held[np.abs(np.asarray(x)[..., None] - held).argmin(axis=-1)])

    def codes(self, x: Array) -> Array:
        """Port codes of the format's integers."""
        return FORMATS[self.name].pack(x) if self.values else np.asarray(x)


INT4 = CodedInt("int4", 4)
E2M1 = CodedInt("e2m1", 5, unit=FORMATS["e2m1"].unit,
                values=tuple(int(v) for v in FORMATS["e2m1"].values))
MXINT8 = CodedInt("mxint8", 8, unit=-6)
