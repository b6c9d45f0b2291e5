"""Parameter objects of BitMoD's processing element and of what is around it: the generator of its
terms and the dequantiser of its sums (paper sections IV-A and IV-B, Table IX).

:class:`BitmodPeOptions` are the options of every design that has PEs; a design with parts has their
parameters: ``pe`` of its processing elements.
"""

from __future__ import annotations

from dataclasses import Field, dataclass
from functools import cached_property
from typing import Any, ClassVar

from lowbit.golden.parameters import Parameters, TargetParameters, parameter

from .datatypes import MAX_SPECIAL_VALUES, DataType

__all__ = ["ACTIVATION_BIAS", "ACTIVATION_BITS", "MAX_TERM_EXPONENT", "BitmodDequantParameters",
           "BitmodPeOptions", "BitmodPeParameters", "BitmodTermGeneratorParameters", "WIDE"]

#: largest exponent of a term's power of two: that of the exp field, of 2 bits
MAX_TERM_EXPONENT = 3
#: what the exponents of a wide pair of terms have more than their exp fields
WIDE = 3
#: FP16 significand with the hidden bit, and its largest exponent field
ACTIVATION_BITS = 11
MAX_ACTIVATION_EXPONENT = 30
#: weight of one unit of an FP16 significand at exponent field e is 2**(e - 25)
ACTIVATION_BIAS = 25
#: magnitude bits with which no FP16 number loses anything at any larger exponent
MAX_ALIGN_BITS = ACTIVATION_BITS + MAX_ACTIVATION_EXPONENT - 1
#: the largest weight, that of INT8, is 2**7
MAX_WEIGHT_BITS = 7

#: Places of the first, second, ... pipeline register of a PE: behind the adder tree ("sum"), at
#: the largest exponent, at the sum in the accumulator's place, before the adder tree, at the
#: products' exponents. The exact PE has fewer places: some have two registers. The row-aligned
#: PE has those behind and before the adder tree.
REGISTERS = {"row": ("sum", "aligned"),
             "cycle": ("sum", "maximum", "placed", "aligned", "lanes"),
             "exact": ("sum", "aligned", "placed", "lanes", "aligned")}
#: options that mean something in one form of alignment only
FORM_OPTIONS = {"row": ("align_bits", "exponent"),
                "cycle": ("extra_bits", "acc_bits", "rounding", "exact", "accumulator")}


def _clog2(n: int) -> int:
    return (n - 1).bit_length()


def olive_parameter() -> Any:
    """The option of every design that has terms."""
    return parameter(False, "OliVe's pairs too: neighbouring lanes whose codes have bit 5 set, and "
                     "terms up to 2**6", source="OliVe, ISCA 2023")


def check_pairs(p: Any) -> None:
    """Refuse an odd number of lanes with --olive."""
    if p.olive and p.lanes % 2:
        p.refuse("lanes", "must be even with --olive, for pairs")


@dataclass(frozen=True, kw_only=True)
class BitmodTermGeneratorParameters(Parameters):
    """Bit-serial term generator: weight codes to terms, all data types at run time."""

    generator: ClassVar[str] = "bitmod_encoder"

    lanes: int = parameter(4, "weights encoded side by side", low=1, high=64,
                           source="section IV-A")

    flint: bool = parameter(False, "decode flint4 too: codes with bit 4 set have 8 in the place "
                            "of 6", source="ANT, MICRO 2022")
    olive: bool = olive_parameter()

    #: bits of a weight code: 8 for INT8, the widest type
    code_bits: ClassVar[int] = 8
    #: bits of a special value: sign, 4 integer bits, 1 fraction bit
    special_value_bits: ClassVar[int] = 6
    #: entries of the special-value register file
    special_values: ClassVar[int] = MAX_SPECIAL_VALUES
    #: sign, exp, man of a term
    term_bits: ClassVar[int] = 4

    def check(self) -> None:
        check_pairs(self)

    @property
    def max_terms(self) -> int:
        """Terms of the widest type (INT8)."""
        return (self.code_bits + 1) // 2


@dataclass(frozen=True, kw_only=True)
class BitmodPeOptions(TargetParameters):
    """What a processing element is: options of every design that contains one, or follows it."""

    lanes: int = parameter(4, "weights of one dot product", low=1, high=64,
                           source="section IV-B")
    align: str = parameter("row", "activations as integers at the largest exponent of their row "
                           "and group (row), or products at the largest of their cycle (cycle)",
                           choices=tuple(FORM_OPTIONS), source="cycle: section IV-B, step 2")
    align_bits: int = parameter(17, "row: magnitude bits of an activation, whose top one has the "
                                "largest exponent", low=ACTIVATION_BITS, high=MAX_ALIGN_BITS)
    extra_bits: int = parameter(3, "cycle: bits kept below the aligned significand", low=0,
                                high=32, source="section IV-B, step 2")
    acc_bits: int = parameter(24, "cycle: significant bits of the accumulator", low=12, high=48,
                              source="section IV-B, step 3")
    rounding: str = parameter("truncate", "cycle: of the alignment and of the accumulator",
                              choices=("truncate", "nearest"), source="section IV-B, step 2")
    exact: bool = parameter(False, "cycle: exact fixed-point accumulator; extra-bits, acc-bits and "
                            "rounding then have no effect")
    max_group: int = parameter(None, "largest group size; sizes integer accumulators and the "
                               "group counter (default 128, with --align cycle 4096)",
                               low=4, high=65536)
    accumulator: str = parameter(None, "cycle: word that floats by digits (small), or fixed point "
                                 "over the whole range (short loop)", choices=("digits", "fixed"),
                                 asic="digits", fpga="fixed")
    pipeline: int = parameter(None, "registers on the way to the accumulator: 1 the sum of the "
                              "lanes; row: 2 the shifted words as well; cycle: 2 the largest "
                              "exponent as well, 3 the sum in its place, 4 the aligned words, 5 "
                              "the exponents (default 1, with --target fpga 5)", low=0, high=5,
                              asic=0, fpga=2)
    olive: bool = olive_parameter()

    def default(self, field: Field[Any]) -> Any:
        cycle = self.align == "cycle"
        if field.name == "max_group":
            return 4096 if cycle else 128
        if field.name == "pipeline" and cycle:
            return 5 if self.target == "fpga" else 1
        return super().default(field)

    def resolved(self) -> dict[str, Any]:
        others = self.others("align", FORM_OPTIONS)
        return {name: value for name, value in super().resolved().items() if name not in others}

    def check(self) -> None:
        check_pairs(self)
        if self.max_group % self.lanes:
            self.refuse("max_group", f"must be a multiple of --lanes {self.lanes}")
        self.check_others("align", FORM_OPTIONS)
        most = len(REGISTERS[self.align])
        if self.pipeline > most:
            self.refuse("pipeline", f"must be 0..{most} with --align {self.align}")

    @cached_property
    def pe(self) -> BitmodPeParameters:
        """The processing element."""
        return self.part(BitmodPeParameters)

    def cycles(self, dtype: DataType, group_size: int) -> int:
        """Cycles of the dot product of one group: terms times chunks of ``lanes`` weights."""
        return dtype.terms * -(-group_size // self.lanes)


@dataclass(frozen=True, kw_only=True)
class BitmodPeParameters(BitmodPeOptions):
    """Bit-serial processing element: a term of each lane times an FP16 activation, every cycle."""

    generator: ClassVar[str] = "bitmod_pe"

    @property
    def latency(self) -> int:
        """Cycles from a term at the ports to the accumulator that holds it."""
        return 1 + self.pipeline

    def registers(self, place: str) -> int:
        """Registers at a place on the way to the accumulator, see :data:`REGISTERS`."""
        order = REGISTERS["exact" if self.exact else self.align]
        return order[:self.pipeline].count(place)

    @property
    def exponent_bits(self) -> int:
        """Bits of activation exponent + term exponent (0 .. 33, with pairs 36)."""
        return (MAX_ACTIVATION_EXPONENT + MAX_TERM_EXPONENT + WIDE * self.olive).bit_length()

    @property
    def aligned_bits(self) -> int:
        """Bits of an aligned magnitude."""
        return ACTIVATION_BITS + self.extra_bits

    @property
    def tree_bits(self) -> int:
        """Bits of the adder tree's signed result."""
        return self.aligned_bits + _clog2(self.lanes) + 1

    @property
    def exact_bits(self) -> int:
        """Bits of the exact signed accumulator, in units of :attr:`exact_exponent`.

        2**16 bounds an FP16 activation, 2**7 a weight (INT8), max_group their number.
        """
        return 1 + 16 + MAX_WEIGHT_BITS + _clog2(self.max_group) - self.exact_exponent

    @property
    def exact_exponent(self) -> int:
        """Power of two of the exact accumulator's unit: 2**-24 times the half of FP4."""
        return -ACTIVATION_BIAS

    @property
    def row_bits(self) -> int:
        """Bits of the row-aligned PE's signed accumulator.

        2**align_bits bounds an activation, 2**7 a weight (INT8; FP types are below 2**5 halves, an
        outlier and its victim below 2 * 2**7), max_group their number. Sums on the way may leave
        this range, as sums of the low Booth digits of a weight do: they wrap around, and the
        group's sum is right.
        """
        return 1 + self.align_bits + MAX_WEIGHT_BITS + _clog2(self.max_group)

    def row_exponent(self, halves: bool) -> int:
        """Power of two of its unit, less the exponent field of the row and group: the last place
        of an aligned activation, or half of it for the types that have ``halves`` (FP3, FP4)."""
        return -ACTIVATION_BIAS - (self.align_bits - ACTIVATION_BITS) - halves

    @property
    def dequant_bits(self) -> int:
        """Significant bits of a group sum times its 8-bit scale, before it is rounded."""
        if self.align == "row":
            return self.row_bits - 1 + 8
        return (self.exact_bits - 1 if self.exact else self.acc_bits) + 8


@dataclass(frozen=True, kw_only=True)
class BitmodDequantParameters(BitmodPeOptions):
    """Bit-serial dequantisation: a group sum of the PE times its scale, rounded to FP32."""

    generator: ClassVar[str] = "bitmod_dequant"

    scale_bits: ClassVar[int] = 8

    @property
    def dequant_cycles(self) -> int:
        """One scale bit a cycle (section IV-B, step 4)."""
        return self.scale_bits
