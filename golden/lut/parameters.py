"""Parameters of the LUT family, and every width and format that follows from them.

Three layers, so that a table unit, a dot-product unit and a core that work together are described
by the same fields: :class:`LutParameters` (what a table entry is), :class:`LutDotParameters` (how
it is read), :class:`LutCoreParameters` (how the reads are accumulated and delivered).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..formats import FP32, FloatFormat, IntFormat, get_format
from ..parameters import Parameters, parameter

__all__ = ["LutParameters", "LutTableParameters", "LutDotParameters", "LutCoreParameters",
           "WeightParameters"]

ACTIVATIONS = ("int8", "int16", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2")


def clog2(n: int) -> int:
    """Bits needed to count ``n`` things."""
    return max(n - 1, 0).bit_length()


@dataclass(frozen=True, kw_only=True)
class LutParameters(Parameters):
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
    reset: str = parameter("sync", "reset: synchronous active high (rst) or asynchronous active "
                           "low (rst_n)", choices=("sync", "async_low"))

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

        The defaults are measured (scripts/bench_accuracy.py): the smallest that meet the
        accuracy bars of docs/numerics.md section 4 on Gaussian and outlier rows.
        """
        if self.guard is not None:
            return self.guard
        return min(25 if self.acc_format == FP32 else 14, self.exact_guard)

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
    pipeline: int = parameter(1, "register stages: 1 the entries, 2 the aligned or decoded "
                              "activations as well", low=1, high=2)


@dataclass(frozen=True, kw_only=True)
class WeightParameters(LutParameters):
    """How a weight pattern reaches the table."""

    select: str = parameter("onehot", "read of the table: one-hot AND-OR, or binary multiplexer",
                            choices=("onehot", "binary"))
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


@dataclass(frozen=True, kw_only=True)
class LutCoreParameters(WeightParameters):
    """The tensor core tile: M rows times N columns, one table per row, weights bit by bit."""

    generator: ClassVar[str] = "lut_core"

    M: int = parameter(2, "rows (activations)", low=1, high=64, source="LUT Tensor Core, M2N64K4")
    N: int = parameter(64, "columns (weights)", low=1, high=1024,
                       source="LUT Tensor Core, M2N64K4")
    w_bits: int = parameter(4, "bit-planes of the widest weights; any smaller number at run time",
                            low=1, high=8)
    table_source: str = parameter("external", "tables arrive as a stream, or are made inside from "
                                  "an activation stream", choices=("external", "internal"))
    table_format: str = parameter("exact", "external tables: exact entries, or INT8 codes with an "
                                  "FP32 scale per row and operation", choices=("exact", "int8"),
                                  source="LUT Tensor Core, table quantisation")
    zero_point: bool = parameter(True, "headroom for the zero-point term -z' * sum(a), read from "
                                 "the all-ones entry")
    max_k: int = parameter(4096, "longest reduction of one operation (first..last)",
                           low=2, high=1 << 20)
    acc_width: int | None = parameter(
        None, "bits of the integer accumulator; it wraps when too narrow; default wide enough "
        "for --max-k", low=8, high=62)
    preload: bool = parameter(True, "partial-sum input stream, added to the results as they leave")
    out_format: str | None = parameter(
        None, "format of the results; default the accumulator's (int64 when 32 bits are not "
        "enough)", choices=("fp32", "fp16", "int32", "int64"))
    lanes: int | None = parameter(None, "results per output beat and output converters; a "
                                  "divisor of M, default M", low=1, high=64)
    buffer: str = parameter("single", "results drain from the accumulators while the core waits, "
                            "or from a second set while the next operation runs",
                            choices=("single", "double"))
    pipeline: int = parameter(1, "register stages: 0 none, 1 the weight beat, 2 the selected "
                              "value as well", low=0, high=2)
    segment: int | None = parameter(
        None, "accumulator bits per carry chain (0: one chain); carries between segments are "
        "registered", low=0, high=62)

    def check(self) -> None:
        super().check()
        if self.table_format == "int8":
            if self.table_source == "internal":
                self.refuse("table_format", "int8 needs --table-source external: int8 tables are "
                            "precomputed", "int8 with internal")
            if self.acc not in (None, "fp32"):
                self.refuse("acc", "must be fp32 with --table-format int8")
            if self.datapath is not None:
                self.refuse("datapath", "must be left out with --table-format int8: the entries "
                            "are integers with a scale")
        if self.max_k < self.K * self.groups:
            self.refuse("max_k", f"must be at least K * groups = {self.K * self.groups}")
        if self.M % self.out_lanes:
            self.refuse("lanes", f"must divide M = {self.M}")
        if self.is_float and self.acc_width is not None:
            self.refuse("acc_width", "belongs to integer accumulators; leave it out")
        if self.is_float and self.segment is not None:
            self.refuse("segment", "belongs to integer accumulators; leave it out")
        if self.is_fixed and self.acc_bits > 62:
            self.refuse("max_k", f"needs an accumulator of at most 62 bits, not {self.acc_bits}; "
                        "shorten it or lower --w-bits or --guard")
        if self.result_float is not None and self.out_format in ("int32", "int64"):
            self.refuse("out_format", "must be fp32 or fp16 for floating results")

    # -- kind ---------------------------------------------------------------------------------
    @property
    def is_quantized(self) -> bool:
        """Entries are INT8 codes; a row has one FP32 scale per operation."""
        return self.table_format == "int8"

    @property
    def is_integer(self) -> bool:
        return not self.activation.is_float and not self.is_quantized

    @property
    def is_aligned(self) -> bool:
        return super().is_aligned and not self.is_quantized

    @property
    def is_fixed(self) -> bool:
        """Entries and accumulators are integers (all but the float datapath)."""
        return not self.is_float

    @property
    def has_invalid(self) -> bool:
        """Rows carry a flag for non-finite activations."""
        return self.activation.is_float

    # -- widths -------------------------------------------------------------------------------
    @cached_property
    def entry_limit(self) -> int:
        return 127 if self.is_quantized else super().entry_limit

    @cached_property
    def entry_bits(self) -> int:
        return 8 if self.is_quantized else super().entry_bits

    @property
    def plane_bits(self) -> int:
        """Bits of the plane number of a beat (0 when there is only one plane)."""
        return clog2(self.w_bits)

    @property
    def scaled_bits(self) -> int:
        """Bits of an entry after the step 2**plane (integers)."""
        return self.entry_bits + self.w_bits - 1

    @property
    def max_tables(self) -> int:
        """Tables per row of the longest operation."""
        per_beat = self.K * self.groups
        return -(-self.max_k // per_beat) * self.groups

    @cached_property
    def acc_bits(self) -> int:
        """Bits of the integer accumulator."""
        if self.acc_width is not None:
            return self.acc_width
        weight = ((1 << self.w_bits) - 1) * (2 if self.zero_point else 1)
        return max((self.entry_limit * self.max_tables * weight).bit_length() + 1,
                   self.scaled_bits + clog2(self.groups) + 1)

    @property
    def segment_bits(self) -> int:
        """Accumulator bits per carry chain."""
        if self.segment is not None:
            return self.segment or self.acc_bits
        return 16

    @property
    def out_lanes(self) -> int:
        return self.M if self.lanes is None else self.lanes

    @cached_property
    def result_float(self) -> FloatFormat | None:
        """Floating format in which a result meets its partial sum; None for integers."""
        if self.acc_format is not None:
            return self.acc_format
        if self.out_format in ("fp32", "fp16"):
            fmt = get_format(self.out_format)
            assert isinstance(fmt, FloatFormat)
            return fmt
        return None

    @cached_property
    def acc_format(self) -> FloatFormat | None:
        return FP32 if self.is_quantized else super().acc_format

    @cached_property
    def out(self) -> IntFormat | FloatFormat:
        """Format of the results."""
        if self.out_format is not None:
            return get_format(self.out_format)
        if self.result_float is not None:
            return self.result_float
        return get_format("int32" if self.acc_bits <= 32 else "int64")

    @property
    def psum(self) -> IntFormat | FloatFormat:
        """Format of the partial sums."""
        return self.result_float or self.out

    def derived(self) -> dict[str, Any]:
        facts = super().derived()
        facts.update(lanes=self.out_lanes, out_format=self.out.name,
                     psum_format=self.psum.name)
        if self.is_fixed:
            facts.update(acc_bits=self.acc_bits)
        return facts
