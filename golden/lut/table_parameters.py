"""What a table entry is: fields, widths and formats that all of the LUT family shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..formats import FP16, FP32, FloatFormat, IntFormat, get_format
from ..parameters import TargetParameters, parameter
from .row_scaled import EntryScale

__all__ = ["LutParameters", "clog2"]

ACTIVATIONS = ("int8", "int16", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2")


def clog2(n: int) -> int:
    """Bits needed to count ``n`` things."""
    return max(n - 1, 0).bit_length()


@dataclass(frozen=True, kw_only=True)
class LutParameters(TargetParameters):
    """What a table entry is: activations, number of them, number format of the sum."""

    radix: int = parameter(2, "values of a weight's digit: 2, plus or minus, in planes of 2**i; or "
                           "3, a trit: plus, nothing or minus", low=2, high=3,
                           source="docs/numerics.md, section 2")
    K: int = parameter(None, "activations per table", low=1, high=6, by=("radix", {2: 4, 3: 2}),
                       source="LUT Tensor Core, K dimension")
    groups: int = parameter(1, "tables summed for each output before one accumulate",
                            low=1, high=8)
    parallel_planes: int = parameter(1, "bit-planes that a beat reads from the same tables, "
                                     "summed before one accumulate: 1, 2 or 4", low=1, high=4,
                                     source="docs/numerics.md, section 2")
    a_format: str = parameter("fp16", "activation format", choices=ACTIVATIONS)
    datapath: str | None = parameter(
        None, "floating activations: entries are floats, or integers aligned to the "
        "exponent of their row; default aligned for floats", choices=("float", "aligned"),
        source="docs/numerics.md, section 4")
    acc: str | None = parameter(
        None, "accumulator format; default int32 for integer activations, else fp32",
        choices=("int32", "fp32", "fp16"))
    table: str = parameter("half", "stored entries: half of them (the rest by symmetry) or full",
                           choices=("half", "full"), source="LUT Tensor Core, halved table")
    entry_width: int | None = parameter(
        None, "aligned: bits of an entry; default what the accuracy bar takes", low=5, high=48,
        source="docs/numerics.md, section 4")
    table_acc: str | None = parameter(
        None, "float: format of the entries; default that of the accumulator",
        choices=("fp32", "fp16"))

    def check(self) -> None:
        if self.radix == 3 and self.K > 4:
            self.refuse("K", "must be 1..4 with --radix 3: a table has (3**K - 1) / 2 entries")
        if self.radix == 3 and self.table == "full":
            self.refuse("table", "must be half with --radix 3")
        self._check_planes()
        floating = self.activation.is_float
        if not floating and self.datapath is not None:
            self.refuse("datapath", f"needs floating activations, and --a-format is "
                        f"{self.a_format}; leave it out")
        if self.is_integer and not self.is_quantized and self.acc not in (None, "int32"):
            self.refuse("acc", f"must be int32 for exact {self.a_format} sums "
                        "(--out-format converts the result)")
        if floating and self.acc == "int32":
            self.refuse("acc", "must be fp32 or fp16 for floating activations")
        if not self.is_aligned and self.entry_width is not None:
            self.refuse("entry_width", "belongs to --datapath aligned; leave it out")
        if not self.is_float and self.table_acc is not None:
            self.refuse("table_acc", "belongs to --datapath float; leave it out")
        if self.is_aligned:
            assert isinstance(self.activation, FloatFormat)
            least = self.activation.precision + 1
            if self.entry_bits < least:
                self.refuse("entry_width", f"must be at least {least}, a significand of "
                            f"{self.a_format} and its sign")

    def _check_planes(self) -> None:
        if self.parallel_planes == 1:
            return
        if self.parallel_planes == 3:
            self.refuse("parallel_planes", "must be 1, 2 or 4")
        if self.radix == 3:
            self.refuse("parallel_planes", "must be 1 with --radix 3: planes of trits have scales "
                        "of their own, and are not summed before them; leave it out")
        if self.is_float:
            self.refuse("parallel_planes", "must be 1 with --datapath float, which rounds after "
                        "every plane; use --datapath aligned")

    # -- kind of arithmetic -------------------------------------------------------------------
    @cached_property
    def activation(self) -> IntFormat | FloatFormat:
        return get_format(self.a_format)

    @property
    def is_float(self) -> bool:
        """Entries are floating-point codes."""
        return self.activation.is_float and self.datapath == "float"

    @property
    def is_aligned(self) -> bool:
        """Entries are integers in units that an exponent for each row gives."""
        return self.activation.is_float and self.datapath != "float"

    @property
    def is_integer(self) -> bool:
        """Entries are exact integer sums of integer activations."""
        return not self.activation.is_float

    @property
    def is_quantized(self) -> bool:
        """Entries are INT8 codes with a scale (a matter of the core: see there)."""
        return False

    @property
    def is_direct(self) -> bool:
        """There is no table: entries are the activations themselves."""
        return False

    @cached_property
    def acc_format(self) -> FloatFormat | None:
        """Floating accumulator format; None for exact integers."""
        if self.is_integer and self.acc in (None, "int32"):
            return None
        fmt = get_format(self.acc or "fp32")
        assert isinstance(fmt, FloatFormat)
        return fmt

    @cached_property
    def table_float(self) -> FloatFormat:
        """Format of the entries of the float datapath."""
        fmt = get_format(self.table_acc or self.acc or "fp32")
        assert isinstance(fmt, FloatFormat)
        return fmt

    @property
    def table_window(self) -> tuple[int, int]:
        """Exponents of the lowest and highest place that a float entry of a table can have."""
        fmt = self.activation
        assert isinstance(fmt, FloatFormat)
        top = fmt.emin + fmt.precision + fmt.max_exponent_field - 2
        return fmt.emin, top + clog2(self.K)

    # -- alignment ----------------------------------------------------------------------------
    @property
    def entry_default(self) -> int:
        """Bits of an aligned entry that meet the accuracy bar of docs/numerics.md, section 4.

        FP32 sums of numbers with short significands are exact more often, and the bar is lower.
        """
        if self.acc_format != FP32:
            return 13
        return 26 + (self._aligned_format.precision < FP16.precision)

    @cached_property
    def row_scale(self) -> EntryScale:
        """Integers of aligned activations and entries."""
        return EntryScale(fmt=self._aligned_format, K=self.K, entry_bits=self.entry_bits)

    @property
    def reads(self) -> int:
        """Reads of an output in a beat: of every table, one for each plane."""
        return self.parallel_planes * self.groups

    @property
    def plane_sum(self) -> int:
        """What the planes of a beat add up to, in units of its lowest."""
        return (1 << self.parallel_planes) - 1

    @property
    def _planes(self) -> int:
        """Planes that entries are stepped down to, at most."""
        return 1

    @property
    def can_saturate(self) -> bool:
        """Aligned: an exponent is given, and can be too small."""
        return self.is_aligned

    @property
    def _aligned_format(self) -> FloatFormat:
        assert isinstance(self.activation, FloatFormat)
        return self.activation

    # -- the table ----------------------------------------------------------------------------
    @property
    def entries(self) -> int:
        """Stored entries of a table."""
        if self.radix == 3:
            return (3**self.K - 1) // 2
        return 1 << (self.K - 1 if self.table == "half" else self.K)

    @property
    def plain_sum(self) -> int:
        """The entry in which every activation counts plus."""
        return self.entries - 1 if self.radix == 2 else 0

    @cached_property
    def entry_limit(self) -> int:
        """Largest magnitude of an integer entry."""
        if self.is_aligned:
            return (1 << (self.entry_bits - 1)) - 1
        return self.K << (self.activation.bits - 1)

    @cached_property
    def entry_bits(self) -> int:
        """Bits of a stored entry: a signed integer, or a code of ``table_float``."""
        if self.is_float:
            return self.table_float.bits
        if self.is_aligned:
            fmt = self._aligned_format
            exact = self.K * ((1 << fmt.precision + fmt.max_exponent_field - 1) - 1)
            return self.entry_width or min(self.entry_default, exact.bit_length() + self._planes)
        if self.is_integer and self.table == "half":
            # the stored half holds at least one activation with plus: K * 2**(b-1) - 1 at most
            return (self.entry_limit - 1).bit_length() + 1
        return self.entry_limit.bit_length() + 1

    @property
    def exponent_bits(self) -> int:
        """Bits of the exponent of a row (0: there is none)."""
        return self.row_scale.max_exponent.bit_length() if self.is_aligned else 0

    @property
    def largest_exponent(self) -> int:
        """The largest exponent of a row that may come: what fits its field, where a sender gives
        it."""
        return (1 << self.exponent_bits) - 1 if self.can_saturate else self.row_scale.max_exponent

    @property
    def exponent_offset(self) -> int:
        """An aligned entry t of a row with exponent x means t * 2**(x + offset)."""
        return self.row_scale.emin

    def derived_fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "acc": self.acc_format.name if self.acc_format is not None else "int32"}
        if self.is_aligned:
            found.update(datapath="aligned", entry_width=self.entry_bits)
        if self.is_float:
            found.update(table_acc=self.table_float.name)
        return found

    def derived(self) -> dict[str, Any]:
        """Widths and formats that follow, for the manifest."""
        facts: dict[str, Any] = dict(entries=self.entries, entry_bits=self.entry_bits)
        if self.is_aligned:
            facts.update(exponent_bits=self.exponent_bits, exponent_offset=self.exponent_offset)
        if self.is_float:
            facts.update(entry_format=self.table_float.name)
        return facts
