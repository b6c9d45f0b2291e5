"""What a table entry is: fields, widths and formats that all of the LUT family shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..formats import BF16, FP32, FloatFormat, IntFormat, get_format
from ..parameters import TargetParameters, parameter

__all__ = ["LutParameters", "LutTableParameters", "clog2"]

ACTIVATIONS = ("int8", "int16", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2")


def clog2(n: int) -> int:
    """Bits needed to count ``n`` things."""
    return max(n - 1, 0).bit_length()


@dataclass(frozen=True, kw_only=True)
class LutParameters(TargetParameters):
    """What a table entry is: activations, number of them, number format of the sum."""

    K: int = parameter(4, "activations per table", low=2, high=6,
                       source="LUT Tensor Core, K dimension")
    groups: int = parameter(1, "tables summed for each output before one accumulate",
                            low=1, high=8)
    a_format: str = parameter("fp16", "activation format", choices=ACTIVATIONS)
    datapath: str | None = parameter(
        None, "floating activations: entries are floats, or integers aligned to a shared "
        "exponent; default aligned for floats", choices=("float", "aligned"),
        source="docs/numerics.md, section 4")
    acc: str | None = parameter(
        None, "accumulator format; default int32 for integer activations, else fp32",
        choices=("int32", "fp32", "fp16"))
    table: str = parameter("half", "stored entries: half of them (the rest by symmetry) or full",
                           choices=("half", "full"), source="LUT Tensor Core, halved table")
    guard: int | None = parameter(
        None, "aligned: magnitude bits kept of an activation below the shared exponent",
        low=3, high=48)
    table_round: int | None = parameter(
        None, "aligned: low bits rounded off (nearest even) each entry after the exact sum",
        low=0, high=24)
    table_acc: str | None = parameter(
        None, "float: format of the entries; default that of the accumulator",
        choices=("fp32", "fp16"))

    def check(self) -> None:
        floating = self.activation.is_float
        if not floating and self.datapath is not None:
            self.refuse("datapath", f"needs floating activations, and --a-format is "
                        f"{self.a_format}; leave it out")
        if self.is_integer and not self.is_quantized and self.acc not in (None, "int32"):
            self.refuse("acc", f"must be int32 for exact {self.a_format} sums "
                        "(--out-format converts the result)")
        if floating and self.acc == "int32":
            self.refuse("acc", "must be fp32 or fp16 for floating activations")
        if not self.is_aligned:
            for name in ("guard", "table_round"):
                if getattr(self, name) is not None:
                    self.refuse(name, "belongs to --datapath aligned; leave it out")
        if not self.is_float and self.table_acc is not None:
            self.refuse("table_acc", "belongs to --datapath float; leave it out")
        if self.is_aligned:
            assert isinstance(self.activation, FloatFormat)
            if self.guard_bits < self.activation.precision:
                self.refuse("guard", f"must be at least {self.activation.precision}, the "
                            f"significand of {self.a_format}")
            if self.round_bits >= self.guard_bits:
                self.refuse("table_round", f"must be below the guard of {self.guard_bits} bits")

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
        """Entries are integers in units that a shared exponent per row gives."""
        return self.activation.is_float and self.datapath != "float"

    @property
    def is_integer(self) -> bool:
        """Entries are exact integer sums of integer activations."""
        return not self.activation.is_float

    @property
    def is_quantized(self) -> bool:
        """Entries are INT8 codes with a scale (a matter of the core: see there)."""
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
    def exact_guard(self) -> int:
        """Guard at which alignment loses nothing: the whole range of the activation format."""
        assert isinstance(self.activation, FloatFormat)
        return self.activation.precision + self.activation.max_exponent_field - 1

    @property
    def guard_bits(self) -> int:
        """Magnitude bits of an aligned activation.

        The defaults are measured (scripts/studies/bench_accuracy.py): with FP32 sums the least
        that meets the accuracy bars of docs/numerics.md section 4; bf16 needs a bit more than the
        others.
        """
        if self.guard is not None:
            return self.guard
        least = 14 if self.acc_format != FP32 else 25 if self.activation == BF16 else 24
        return min(least, self.exact_guard)

    @property
    def round_bits(self) -> int:
        """Bits rounded off an entry after the exact sum."""
        if self.table_round is not None:
            return self.table_round
        return 0 if self.acc_format == FP32 else min(3, self.guard_bits - 1)

    # -- the table ----------------------------------------------------------------------------
    @property
    def entries(self) -> int:
        """Stored entries of a table."""
        return 1 << (self.K - 1 if self.table == "half" else self.K)

    @cached_property
    def entry_limit(self) -> int:
        """Largest magnitude of an integer entry."""
        if self.is_aligned:
            exact = self.K * ((1 << self.guard_bits) - 1)
            rounded = (exact + ((1 << self.round_bits) >> 1)) >> self.round_bits
            # an entry that would round up into one more bit saturates instead
            return min(rounded, (1 << (exact >> self.round_bits).bit_length()) - 1)
        return self.K << (self.activation.bits - 1)

    @cached_property
    def entry_bits(self) -> int:
        """Bits of a stored entry: a signed integer, or a code of ``table_float``."""
        if self.is_float:
            return self.table_float.bits
        if self.is_integer and self.table == "half":
            # the stored half holds at least one activation with plus: K * 2**(b-1) - 1 at most
            return (self.entry_limit - 1).bit_length() + 1
        return self.entry_limit.bit_length() + 1

    @property
    def exponent_bits(self) -> int:
        """Bits of the shared exponent of a row (0: there is none)."""
        if not self.is_aligned:
            return 0
        assert isinstance(self.activation, FloatFormat)
        return self.activation.ebits

    @property
    def exponent_offset(self) -> int:
        """An aligned entry t with shared exponent field e means t * 2**(e + offset)."""
        assert isinstance(self.activation, FloatFormat)
        return 1 - self.activation.bias - self.guard_bits + self.round_bits

    def derived_fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "acc": self.acc_format.name if self.acc_format is not None else "int32"}
        if self.is_aligned:
            found.update(datapath="aligned", guard=self.guard_bits, table_round=self.round_bits)
        if self.is_float:
            found.update(table_acc=self.table_float.name)
        return found

    def derived(self) -> dict[str, Any]:
        """Widths and formats that follow, for the manifest."""
        facts: dict[str, Any] = dict(entries=self.entries, entry_bits=self.entry_bits)
        if self.is_aligned:
            facts.update(guard=self.guard_bits, table_round=self.round_bits,
                         exponent_bits=self.exponent_bits, exponent_offset=self.exponent_offset)
        if self.is_float:
            facts.update(entry_format=self.table_float.name)
        return facts


@dataclass(frozen=True, kw_only=True)
class LutTableParameters(LutParameters):
    """The table precompute unit, shared by all columns."""

    generator: ClassVar[str] = "lut_table"

    M: int = parameter(2, "rows: one table per row and group", low=1, high=64)
    pipeline: int = parameter(None, "register stages: 1 the entries, 2 the aligned or decoded "
                              "activations as well", low=1, high=2, asic=1, fpga=2)
