"""How a table is read: fields of weight patterns, and the dot-product unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..parameters import parameter
from .table_parameters import LutParameters

__all__ = ["LutDotParameters", "WeightParameters"]


@dataclass(frozen=True, kw_only=True)
class WeightParameters(LutParameters):
    """How a weight pattern reaches the table."""

    select: str = parameter(None, "read of the table: one-hot AND-OR, or binary multiplexer",
                            choices=("onehot", "binary"), asic="onehot", fpga="binary")
    negation: str = parameter(
        "offline", "who maps a pattern to index and sign: the weight packer, or the hardware",
        choices=("offline", "hardware"), source="LUT Tensor Core, offline weight remapping")

    def check(self) -> None:
        super().check()
        if self.table == "full" and self.negation == "hardware":
            self.refuse("negation", "hardware needs --table half: a full table has no sign")

    @property
    def has_sign(self) -> bool:
        """A pattern of the weight stream is index and sign (else the raw K bits)."""
        return self.table == "half" and self.negation == "offline"


@dataclass(frozen=True, kw_only=True)
class LutDotParameters(WeightParameters):
    """One combinational dot product: K activations, one weight pattern, their signed sum."""

    generator: ClassVar[str] = "lut_dot"

    table_source: str = parameter("internal", "table made inside from the activations, or given",
                                  choices=("external", "internal"))

    @property
    def dot_bits(self) -> int:
        """Bits of the signed result: a float code, or a two's-complement integer."""
        return self.entry_bits if self.is_float else (
            self.entry_limit * self.groups).bit_length() + 1
