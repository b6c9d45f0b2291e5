"""Parameters of the unit that unpacks ternary weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..digits import FORMATS
from ..parameters import Parameters, parameter
from ..trit_codes import TRIT_CODES, TritCode

__all__ = ["UnpackParameters"]


@dataclass(frozen=True, kw_only=True)
class UnpackParameters(Parameters):
    """Packed words to trits; what a word means: :mod:`lowbit.golden.trit_codes`."""

    generator: ClassVar[str] = "weight_unpack"

    code: str = parameter("trits5", "words: a trit in 2 bits, five in a byte, or four with exactly "
                          "one zero in 5 bits", choices=tuple(TRIT_CODES),
                          source="docs/numerics.md, section 2")
    lanes: int = parameter(1, "words that are unpacked side by side", low=1, high=1024)

    @property
    def trit_code(self) -> TritCode:
        return TRIT_CODES[self.code]

    @property
    def trits(self) -> int:
        """Trits that leave."""
        return self.lanes * self.trit_code.trits

    @property
    def trit_bits(self) -> int:
        """Bits of a trit as it leaves."""
        return FORMATS["ternary"].port_bits

    def derived(self) -> dict[str, Any]:
        return super().derived() | {"word_bits": self.trit_code.bits, "trits": self.trits}
