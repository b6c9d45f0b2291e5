"""Error of quantised weights, as sums that add up over the parts of a tensor and over tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ErrorReport"]


@dataclass
class ErrorReport:
    """Sums over the weights seen so far; figures are properties. Reports add up with ``+=``."""

    weights: int = 0
    groups: int = 0
    energy: float = 0.0               #: sum of squared weights
    error: float = 0.0                #: sum of squared errors of the stored weights
    max_error: float = 0.0            #: largest magnitude of an error
    stored_bits: int = 0              #: codes, scales and all else that is stored
    unrounded: float | None = None    #: sum of squared errors with unrounded scales, where known
    zeroed_groups: int = 0            #: groups that a scale of 0 zeroes although they hold weights
    histogram: dict[str, int] = field(default_factory=dict)   #: groups of each special value

    def __iadd__(self, other: ErrorReport) -> ErrorReport:
        for name in ("weights", "groups", "energy", "error", "stored_bits", "zeroed_groups"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.max_error = max(self.max_error, other.max_error)
        if other.unrounded is not None:
            self.unrounded = (self.unrounded or 0.0) + other.unrounded
        for key, count in other.histogram.items():
            self.histogram[key] = self.histogram.get(key, 0) + count
        return self

    @property
    def mse(self) -> float:
        return self.error / max(self.weights, 1)

    @property
    def normalized_mse(self) -> float:
        """Sum of squared errors over sum of squared weights (0 for zero weights)."""
        return self.error / self.energy if self.energy else 0.0

    @property
    def bits_per_weight(self) -> float:
        return self.stored_bits / max(self.weights, 1)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        figures = dict(weights=self.weights, groups=self.groups, mse=self.mse,
                       normalized_mse=self.normalized_mse, max_error=self.max_error,
                       bits_per_weight=self.bits_per_weight, zeroed_groups=self.zeroed_groups,
                       special_values=dict(self.histogram))
        if self.unrounded is not None:
            figures["normalized_mse_unrounded_scales"] = self.unrounded / (self.energy or 1.0)
        return figures
