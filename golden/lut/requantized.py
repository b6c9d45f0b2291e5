"""Operands of products whose results are int8: what makes them of the sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..parameters import ParameterError
from ..requantize import Requantizer, given_requantizer
from .parameters import LutCoreParameters

__all__ = ["Requantized"]

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Requantized:
    """What makes int8 of the sums of a core with results of int8, integers (columns,)."""

    multiplier: Array | None = None
    shift: Array | None = None
    out_zero: Array | None = None

    def requantizer(self, p: LutCoreParameters, columns: int, scaled: bool) -> Requantizer | None:
        """The three as one; None where results are sums. ``scaled``: the weights have scales."""
        arrays = {"--multiplier": self.multiplier, "--shift": self.shift,
                  "--out-zero": self.out_zero}
        if not p.requantizes:
            given = [name for name, array in arrays.items() if array is not None]
            if given:
                raise ParameterError(f"{given[0]} belongs to --out-format int8; leave it out")
            return None
        if scaled:
            raise ParameterError("--out-format int8 scales whole columns, by --multiplier and "
                                 "--shift; give weights without scales (raw codes)")
        return given_requantizer(arrays, columns)
