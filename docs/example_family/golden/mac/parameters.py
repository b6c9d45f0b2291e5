"""Parameters of the multiply-accumulate unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..parameters import Parameters, parameter

__all__ = ["MacParameters"]


@dataclass(frozen=True, kw_only=True)
class MacParameters(Parameters):
    """One multiplier and one accumulator."""

    generator: ClassVar[str] = "mac"

    bits: int = parameter(8, "bits of an operand, two's complement", low=2, high=16)
    acc_bits: int = parameter(32, "bits of the accumulator; it wraps", low=8, high=64)

    def check(self) -> None:
        if self.acc_bits < 2 * self.bits:
            self.refuse("acc_bits", f"must hold a product of {2 * self.bits} bits")
