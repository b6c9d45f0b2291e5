"""Weight data types of BitMoD: grids, codes and special values (paper Table IV, section III-A).

Values are handled as integers in units of one half (``2x`` in names), because the finest value
of FP4 is 0.5. A code of FP3 or FP4 is sign-magnitude; the code of -0 (4 or 8) stands for the
special value (SV) of the weight's group. E2M1 of MXFP4 and NVFP4 is FP4 with the special value 0;
flint4 (ANT, halved) has 8 in the place of 6; of olive4 two neighbouring codes have their values
together (:mod:`lowbit.golden.olive`). Integer types use two's complement, asymmetric ones unsigned
codes with a zero point. Contract: docs/numerics.md, sections 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.digits import FLINT4_HALVES, FP3_ONES, FP4_HALVES
from lowbit.golden.parameters import ParameterError

__all__ = ["DataType", "DATA_TYPE_NAMES", "MAX_SPECIAL_VALUES", "get_data_type",
           "is_two_term", "check_special_values"]

Array = NDArray[Any]

#: magnitudes of the basic types, in halves; the index is the low bits of the code
MAGNITUDES2X = {3: tuple(2 * value for value in FP3_ONES), 4: FP4_HALVES}
#: special values in the order in which Algorithm 1 tries them: +ER, -ER, +EA, -EA
SPECIAL_VALUES = {
    "bitmod3": (3.0, -3.0, 6.0, -6.0), "fp3_er": (3.0, -3.0), "fp3_ea": (6.0, -6.0), "fp3": (),
    "bitmod4": (5.0, -5.0, 8.0, -8.0), "fp4_er": (5.0, -5.0), "fp4_ea": (8.0, -8.0), "fp4": (),
    "flint4": (),
}
#: block formats whose elements are FP4 without a special value
BLOCK_TYPES = ("mxfp4", "nvfp4")
#: OliVe's pairs of an outlier and a victim
PAIR_TYPES = ("olive4",)
INTEGER_BITS = (3, 4, 5, 6, 7, 8)
#: a group's selector has two bits, so the register file holds four special values
MAX_SPECIAL_VALUES = 4

DATA_TYPE_NAMES = (*SPECIAL_VALUES, *(f"int{b}" for b in INTEGER_BITS),
                   *(f"int{b}_asym" for b in INTEGER_BITS))


def is_two_term(magnitude2x: int) -> bool:
    """Whether a magnitude (in halves) is the sum or difference of two powers 2**-1 .. 2**3."""
    powers2x = (1, 2, 4, 8, 16)
    sums = {0, *powers2x, *(abs(a + s * b) for a in powers2x for b in powers2x for s in (1, -1)
                            if a != b)}
    return magnitude2x in sums


def check_special_values(values: tuple[float, ...], magnitudes2x: tuple[int, ...] = (), *,
                         what: str = "--special-values") -> None:
    """Refuse special values that the term decoder cannot express (:class:`ParameterError`).

    A special value is a multiple of 0.5 up to 15.5 in magnitude that two signed powers of two
    (2**-1 .. 2**3) add up to, and that the basic grid ``magnitudes2x`` does not have already.
    ``what`` names them in the error.
    """
    if len(values) > MAX_SPECIAL_VALUES:
        raise ParameterError(f"{what} takes at most {MAX_SPECIAL_VALUES} values (two "
                             f"selector bits a group); got {len(values)}")
    if len(set(values)) != len(values):
        raise ParameterError(f"{what} must differ from each other; "
                             f"got {', '.join(f'{v:g}' for v in values)}")
    for value in values:
        if not np.isfinite(value) or value * 2 != int(value * 2) or abs(value) > 15.5:
            raise ParameterError(f"{what} must be multiples of 0.5 within -15.5..15.5; "
                                 f"got {value:g}")
        if not is_two_term(abs(int(value * 2))):
            raise ParameterError(f"{what} must be sums or differences of two powers of "
                                 f"two (0.5, 1, 2, 4, 8); {value:g} needs three")
        if abs(int(value * 2)) in magnitudes2x:
            raise ParameterError(f"{what} must not repeat a value of the basic grid; "
                                 f"got {value:g}")


@dataclass(frozen=True)
class DataType:
    """One weight data type: ``bits`` a code, and for FP3/FP4 the special values to choose from."""

    name: str
    bits: int
    kind: Literal["float", "int", "int_asym"]
    special_values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.special_values and self.kind != "float":
            raise ParameterError("--special-values belong to FP3 and FP4 types, "
                                 f"not to {self.name}")
        if self.kind == "float":
            check_special_values(self.special_values, self.magnitudes2x)

    @property
    def magnitudes2x(self) -> tuple[int, ...]:
        """Basic magnitudes of FP3 or FP4 in halves, by the low bits of the code."""
        return FLINT4_HALVES if self.flint else MAGNITUDES2X[self.bits]

    @property
    def flint(self) -> bool:
        """Whether codes of +-6 are those of +-8, which takes a decoder with --flint."""
        return self.name == "flint4"

    @property
    def pairs(self) -> bool:
        """Whether two codes have their values together, which takes a decoder with --olive."""
        return self.name in PAIR_TYPES

    @property
    def sv_code(self) -> int:
        """The code of -0, which stands for the group's special value."""
        return 1 << (self.bits - 1)

    def check_runs(self) -> None:
        """Refuse an asymmetric type (:class:`ParameterError`): its weights run in another one,
        which depends on their zero points (:func:`~.zero_points.running_tensor`)."""
        if self.kind == "int_asym":
            raise ParameterError(
                f"{self.name} has zero points, and codes alone do not say in which integer type "
                "they run; take a tensor file of gen quantize, or codes less their zero points "
                "as int3..int8")

    @property
    def terms(self) -> int:
        """Bit-serial terms (cycles) of one weight: 2 for FP3/FP4, Booth digits for integers."""
        self.check_runs()
        return 2 if self.kind == "float" else (self.bits + 1) // 2

    @property
    def max_value(self) -> int:
        """Largest magnitude of a symmetric integer grid, or the largest asymmetric code."""
        return (1 << self.bits) - 1 if self.kind == "int_asym" else (1 << (self.bits - 1)) - 1

    @property
    def max_magnitude2x(self) -> int:
        """Largest magnitude, in halves, that any code (or special value) can have."""
        if self.kind == "float":
            return max(self.magnitudes2x[-1], *(int(abs(v) * 2) for v in self.special_values), 0)
        return 2 * (self.max_value if self.kind == "int_asym" else self.sv_code)

    def values2x(self, special_value: float = 0.0) -> Array:
        """Values of all codes in halves, int64 (2**bits,); an asymmetric type's before its
        zero point is subtracted. ValueError for pairs, whose codes alone have no values."""
        if self.pairs:
            raise ValueError(f"codes of {self.name} have values two by two: golden.olive.decode")
        codes = np.arange(1 << self.bits)
        if self.kind == "int_asym":
            return 2 * codes
        if self.kind == "int":
            return 2 * (codes - ((codes & self.sv_code) << 1))
        magnitude = np.array(self.magnitudes2x, np.int64)
        values = np.concatenate([magnitude, -magnitude])
        values[self.sv_code] = round(2 * special_value)
        return values

    @cached_property
    def table2x(self) -> Array:
        """:meth:`values2x` for each special value in order, int64 (selectors, 2**bits)."""
        return np.stack([self.values2x(v) for v in self.special_values or (0.0,)])


def get_data_type(name: str, special_values: tuple[float, ...] | None = None) -> DataType:
    """Data type by name, with other special values if given; :class:`ParameterError` if unknown."""
    if name not in DATA_TYPE_NAMES + BLOCK_TYPES + PAIR_TYPES:
        raise ParameterError(f"--dtype must be one of {', '.join(DATA_TYPE_NAMES)}; got {name}")
    if name in PAIR_TYPES:
        return DataType(name, 4, "float")
    if name in SPECIAL_VALUES or name in BLOCK_TYPES:
        values = SPECIAL_VALUES.get(name, ()) if special_values is None else special_values
        return DataType(name, 3 if "3" in name else 4, "float", values)
    kind: Literal["int", "int_asym"] = "int_asym" if name.endswith("_asym") else "int"
    return DataType(name, int(name[3]), kind, special_values or ())
