"""How a table is read: fields of weight patterns, and the dot-product unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..digits import FORMATS
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
        if self.radix == 3 and self.negation == "hardware":
            self.refuse("negation", "belongs to --radix 2: trits carry their signs; leave it out")
        if self.table == "full" and self.negation == "hardware":
            self.refuse("negation", "hardware needs --table half: a full table has no sign")

    @property
    def digit_bits(self) -> int:
        """Bits of an activation's part of a pattern: its sign, or a trit."""
        return 1 if self.radix == 2 else FORMATS["ternary"].port_bits

    @property
    def pattern_bits(self) -> int:
        """Bits of the pattern that a table is read with."""
        return self.K * self.digit_bits

    @property
    def has_sign(self) -> bool:
        """A pattern of the weight stream is index and sign (else it is raw: K signs, or K
        trits)."""
        return self.radix == 2 and self.table == "half" and self.negation == "offline"

    @property
    def offset_entries(self) -> bool:
        """Entries are read in offset form, in which nothing is not zero (a matter of the core)."""
        return False

    def resolved(self) -> dict[str, Any]:
        found = super().resolved()
        if self.radix == 3:
            del found["negation"]
        return found


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
            self.entry_limit * self.groups * self.plane_sum).bit_length() + 1
