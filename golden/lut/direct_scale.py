"""Row-scaled activations of the direct core: sums of activations times whole weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .row_scaled import RowScale

__all__ = ["DirectScale"]


@dataclass(frozen=True, kw_only=True)
class DirectScale(RowScale):
    """Activations of a row, rounded once each, and their sums (docs/numerics.md, section 4).

    A table of one activation needs no guard bits, and there are no planes: an activation counts as
    often as its weight says, ``weight_limit`` times at most.
    """

    weight_limit: int

    def reach(self, total: Any) -> Any:
        return total * self.weight_limit
