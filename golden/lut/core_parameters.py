"""How reads are accumulated and delivered: fields of the core, widths and result formats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..formats import FLOATS, FP32, FactorFormat, FloatFormat, IntFormat, ScaleFormat, get_format
from ..group_scale import SCALE_KINDS
from ..parameters import parameter
from ..requantize import STAGES
from ..trit_codes import TRIT_CODES, TritCode
from .dot_parameters import WeightParameters
from .reduction_parameters import ReductionParameters
from .table_parameters import clog2

__all__ = ["LutCoreParameters"]


@dataclass(frozen=True, kw_only=True)
class LutCoreParameters(WeightParameters, ReductionParameters):
    """The tensor core tile: M rows times N columns, one table per row, weights bit by bit."""

    generator: ClassVar[str] = "lut_core"

    M: int = parameter(2, "rows (activations)", low=1, high=64, source="LUT Tensor Core, M2N64K4")
    N: int = parameter(64, "columns (weights)", low=1, high=1024,
                       source="LUT Tensor Core, M2N64K4")
    table_source: str = parameter("external", "tables arrive as a stream, or are made inside from "
                                  "an activation stream", choices=("external", "internal"))
    table_format: str = parameter("exact", "external tables: exact entries, or INT8 codes with an "
                                  "FP32 scale per row and operation", choices=("exact", "int8"),
                                  source="LUT Tensor Core, table quantisation")
    preload: bool = parameter(True, "partial-sum input stream, added to the results as they leave")
    out_format: str | None = parameter(
        None, "format of the results; default the accumulator's (int64 when 32 bits are not "
        "enough); int8 by a scale and a zero point of each column",
        choices=("fp32", "fp16", "int32", "int64", "int8"))
    lanes: int | None = parameter(None, "results per output beat and output converters; a "
                                  "divisor of M, default M", low=1, high=64)
    buffer: str = parameter("single", "results drain from the accumulators while the core waits, "
                            "or from a second set while the next operation runs",
                            choices=("single", "double"))
    pipeline: int = parameter(None, "register stages: 0 none, 1 the weight beat, 2 the selected "
                              "value as well", low=0, high=2, asic=1, fpga=2)
    segment: int | None = parameter(
        None, "accumulator bits per carry chain, the carries between chains registered; default "
        "one chain (0), which is smaller and slower", low=0, high=62)

    chains: int = parameter(1, "pieces of a row's way out, each with lanes of its own; a divisor "
                            "of N", low=1, high=64)
    group_scale: str = parameter("none", "scales of weight groups, applied inside: results are "
                                 "dequantised sums over all groups of an operation",
                                 choices=("none", *SCALE_KINDS),
                                 source="docs/numerics.md, section 4")
    offset: str = parameter("none", "offsets of weight groups: of integer zero points (-d z, FP32) "
                            "or any real minima (in the format of the scales)",
                            choices=("none", "integer", "real"))

    unpack: str = parameter("none", "trits at the weight port: as they are, two bits each; five in "
                            "a byte; or four with exactly one zero in five bits",
                            choices=("none", "trits5", "sherry"),
                            source="docs/numerics.md, section 2")

    def check(self) -> None:
        super().check()
        if self.unpack != "none" and self.radix == 2:
            self.refuse("unpack", "needs --radix 3: packed weights are trits")
        if self.unpack == "sherry" and self.K * self.groups % 4:
            self.refuse("unpack", "sherry packs four weights of a column: K * groups must be a "
                        "multiple of 4", f"sherry with {self.K} * {self.groups}")
        if self.table_format == "int8":
            if self.table_source == "internal":
                self.refuse("table_format", "int8 needs --table-source external: int8 tables are "
                            "precomputed", "int8 with internal")
            if self.acc not in (None, "fp32"):
                self.refuse("acc", "must be fp32 with --table-format int8")
            if self.datapath is not None:
                self.refuse("datapath", "must be left out with --table-format int8: the entries "
                            "are integers with a scale")
        if self.M % self.out_lanes:
            self.refuse("lanes", f"must divide M = {self.M}")
        if self.N % self.chains:
            self.refuse("chains", f"must divide N = {self.N}")
        if self.scales_groups:
            self._check_scales()
        elif self.offset != "none":
            self.refuse("offset", "needs --group-scale")
        if self.is_float and self.segment is not None:
            self.refuse("segment", "belongs to integer accumulators; leave it out")
        if self.is_fixed and self.acc_bits > 62:
            self.refuse("max_k", f"needs an accumulator of at most 62 bits, not {self.acc_bits}; "
                        "shorten it or lower --w-bits or --entry-width")
        if self.result_float is not None and self.out_format in ("int32", "int64", "int8"):
            self.refuse("out_format", "must be fp32 or fp16 for floating results")

    def _check_scales(self) -> None:
        if self.is_float or self.is_quantized:
            self.refuse("group_scale", "needs integer entries: --datapath aligned or integer "
                        "activations, and --table-format exact")
        if self.offset == "real" and self.group_scale not in ("fp16", "fp32"):
            self.refuse("offset", f"must be none or integer with --group-scale {self.group_scale}, "
                        "whose format has no minima")
        if self.acc == "fp16":
            self.refuse("acc", "must be fp32 with --group-scale: groups are summed in FP32")
        if self.out_format in ("int32", "int64", "int8"):
            self.refuse("out_format", "must be fp32 or fp16 with --group-scale")
        if self.drain_beats <= self.scale_latency:
            self.refuse("chains", f"must leave more than {self.scale_latency} output beats, and "
                        f"M * N / (lanes * chains) is {self.drain_beats}; lower --chains or "
                        "--lanes")

    # -- kind ---------------------------------------------------------------------------------
    @property
    def is_quantized(self) -> bool:
        """Entries are INT8 codes; a row has one FP32 scale per operation."""
        return self.table_format == "int8"

    @property
    def scales_groups(self) -> bool:
        """Weight groups are scaled and summed inside; an accumulation is a group."""
        return self.group_scale != "none"

    @property
    def requantizes(self) -> bool:
        """Results are integers that are scaled and rounded (:mod:`..requantize`)."""
        return self.out_format == "int8"

    @property
    def has_codes(self) -> bool:
        """Group scales meet sums of bit-planes, which become those of codes before; a trit stands
        for itself."""
        return self.scales_groups and self.radix == 2

    @property
    def has_row_sums(self) -> bool:
        """The sums of a row's activations are taken: codes or offsets need them."""
        return self.has_codes or (self.scales_groups and self.offset != "none")

    @property
    def has_zero_beats(self) -> bool:
        return super().has_zero_beats and not self.scales_groups

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
    def trit_code(self) -> TritCode | None:
        """How trits are packed at the weight port; None: they are not."""
        return None if self.unpack == "none" else TRIT_CODES[self.unpack]

    @property
    def packed_words(self) -> int:
        """Words of packed trits in a weight beat: columns, in each its groups, K trits in each."""
        code = self.trit_code
        return 0 if code is None else -(-self.N * self.groups * self.K // code.trits)

    @property
    def beat_bits(self) -> int:
        """Bits of the weights of a beat."""
        code = self.trit_code
        return self.N * self.reads * self.pattern_bits if code is None else \
            self.packed_words * code.bits

    @property
    def plane_bits(self) -> int:
        """Bits of the number of a beat of planes (0 when there is only one)."""
        return clog2(self.w_bits // self.parallel_planes)

    @property
    def common_lsb(self) -> bool:
        """All entries of a table are even, or all are odd, as exact sums ±a of integers are.

        The core then accumulates halves, and adds the common bits up once per row.
        """
        return self.is_integer and self.radix == 2

    @property
    def offset_entries(self) -> bool:
        """Outputs read integers offset by half their range, which makes them unsigned: above them
        an accumulator only counts, and the lanes subtract the offset. Where every bit of a carry
        chain costs the same they come signed, and nothing is to be subtracted."""
        return self.is_fixed and self.target == "asic"

    @property
    def step_bits(self) -> int:
        """Bits of an entry after the plane step, as an output reads it."""
        return self.entry_bits if self.is_float else self.scaled_bits - self.common_lsb

    @property
    def word_bits(self) -> int:
        """Bits of the sum that an output accumulates (integers)."""
        return self.acc_bits - self.common_lsb

    @property
    def beat_offset(self) -> tuple[int, int]:
        """By how much a beat's entries in offset form make a sum too large: n, e with
        n * 2**e, n at least 1."""
        return self.groups * self.plane_sum, self.scaled_bits - 1

    @property
    def entry_unit(self) -> int:
        """An integer entry t of a row with exponent x (0 of integers) means
        t * 2**(x + entry_unit)."""
        return self.exponent_offset if self.is_aligned else 0

    @property
    def sum_unit(self) -> int:
        """An accumulator s means s * 2**(x + sum_unit), aligned in units of the top plane."""
        return self.entry_unit

    @property
    def odd_bits(self) -> int:
        """Bits that count a row's odd entries: read in the beat of plane 0, once or with a zero
        point twice, and with each of its planes."""
        reads = self.max_tables * (2 if self.has_zero_beats else 1)
        return (reads * self.plane_sum).bit_length()

    @property
    def segment_bits(self) -> int:
        """Accumulator bits per carry chain: by default all."""
        return self.segment or self.word_bits

    @property
    def waiting_stream(self) -> str:
        """Which of weights and external tables has the register more in which it waits for the
        other: ``table`` or ``weight``, whichever costs less. A bit of a table costs a flip-flop
        with enable, one of the weights that and a multiplexer (30 and 41 um2 in SKY130). In an
        FPGA only the multiplexer costs: the flip-flops lie beside the LUTs."""
        if self.target == "fpga":
            return "table"
        rows = self.entries * self.entry_bits * self.groups
        if self.is_aligned:
            rows += self.exponent_bits
        if self.is_quantized:
            rows += 32
        rows += self.activation.is_float
        return "table" if 3 * self.M * rows <= 4 * self.beat_bits else "weight"

    @property
    def out_lanes(self) -> int:
        """Rows of an output beat."""
        return self.M if self.lanes is None else self.lanes

    @property
    def chain_columns(self) -> int:
        """Columns of each chain; a beat has one column of each."""
        return self.N // self.chains

    @property
    def out_values(self) -> int:
        """Results of an output beat."""
        return self.out_lanes * self.chains

    @property
    def drain_beats(self) -> int:
        """Output beats of an operation."""
        return self.M * self.N // self.out_values

    @property
    def scale_format(self) -> ScaleFormat:
        """Format of group scales."""
        return SCALE_KINDS[self.group_scale]

    @property
    def row_scale_format(self) -> ScaleFormat | None:
        """Format of the scales of activations, one for each row and group; None: there are none."""
        return None

    @property
    def factor_format(self) -> FactorFormat:
        """Format of what the sum of a group is multiplied by."""
        return self.scale_format

    @property
    def offset_format(self) -> FloatFormat | None:
        """Format of group offsets; None where there are none."""
        if self.offset == "none":
            return None
        return FP32 if self.offset == "integer" else FLOATS[self.group_scale]

    @property
    def scale_latency(self) -> int:
        """Cycles from the sum of a group's codes to its share of the results: multiply, with an
        offset add, add."""
        return 5 if self.offset == "none" else 8

    @cached_property
    def result_float(self) -> FloatFormat | None:
        """Floating format in which a result meets its partial sum; None for integers."""
        if self.acc_format is not None:
            return self.acc_format
        if self.scales_groups:
            return FP32
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
        return self.psum

    @property
    def psum(self) -> IntFormat | FloatFormat:
        """Format of the partial sums, and of the sums with them."""
        if self.result_float is not None:
            return self.result_float
        return get_format(self.out_format if self.out_format in ("int32", "int64") else
                          "int32" if self.acc_bits <= 32 else "int64")

    @property
    def requantized_bits(self) -> int:
        """Bits of the sums that are requantised: those with partial sums wrap."""
        return self.psum.bits if self.preload else self.acc_bits

    # -- timing -------------------------------------------------------------------------------
    @property
    def lane_stages(self) -> tuple[int, int, int]:
        """Cycles, when nothing waits, from a value at the end of its chain to where group scales
        come in, to where partial sums do, and to its result. Without group scales the first two
        are the same."""
        before = 1 + self.is_fixed
        if self.is_fixed and self.result_float is not None:
            before += 3
        if self.is_quantized:
            before += 2
        add = 0
        if self.scales_groups or self.preload:
            add = 1 if self.result_float is None else 3
        adding = before + (self.scale_latency - add if self.scales_groups else 0)
        if self.requantizes:    # its first stage takes an exact sum as it is
            return before, adding, adding + add + STAGES
        return before, adding, adding + max(add, 1)

    @property
    def drain_start(self) -> int:
        """Cycles from reading the last beat of an accumulation to its first value's leaving."""
        return 2 + (self.pipeline == 2)

    @property
    def result_latency(self) -> int:
        """Cycles from taking the last weight beat to the first result, without stalls."""
        return min(self.pipeline, 1) + self.drain_start + self.lane_stages[2]

    def resolved(self) -> dict[str, Any]:
        found = super().resolved()
        if self.radix == 2:
            del found["unpack"]
        return found

    def derived_fields(self) -> dict[str, Any]:
        found = super().derived_fields()
        found.update(out_format=self.out.name, lanes=self.out_lanes)
        if self.is_fixed:
            found.update(segment=self.segment_bits)
        return found

    def derived(self) -> dict[str, Any]:
        facts = super().derived()
        facts.update(
            lanes=self.out_lanes, out_format=self.out.name, psum_format=self.psum.name,
            accumulator=self.acc_format.name if self.acc_format else f"int{self.acc_bits}")
        if self.is_fixed:
            facts.update(acc_bits=self.acc_bits, segment_bits=self.segment_bits)
        return facts
