"""How long the sums of entries get, and what follows for the exponent of a row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..formats import FP32
from ..parameters import parameter
from .row_scaled import RowScale
from .table_parameters import LutParameters, clog2

__all__ = ["LutTableParameters", "ReductionParameters"]


@dataclass(frozen=True, kw_only=True)
class ReductionParameters(LutParameters):
    """What a core accumulates. A table unit must know it too: exponents depend on it."""

    w_bits: int = parameter(None, "bit-planes of the widest weights; any smaller number at run "
                            "time", low=1, high=8, by=("radix", {2: 4, 3: 1}))
    zero_point: bool = parameter(True, "headroom for the zero-point term -z' * sum(a), read from "
                                 "the all-ones entry; a core with group scales or trits has none")
    max_k: int = parameter(4096, "longest reduction of one operation (first..last)",
                           low=2, high=1 << 20)
    acc_width: int | None = parameter(
        None, "bits of the integer accumulator; of integer activations it wraps when too narrow; "
        "default wide enough for --max-k", low=8, high=62)
    exponent: str = parameter("scan", "aligned: the exponent of a row is found by a pass over its "
                              "activations, or given with them", choices=("scan", "given"))

    def check(self) -> None:
        super().check()
        if self.radix == 3 and self.w_bits != 1:
            self.refuse("w_bits", "must be 1 with --radix 3, whose planes have no powers of two; "
                        "leave it out")
        if self.w_bits % self.parallel_planes:
            self.refuse("w_bits", f"must be a multiple of --parallel-planes "
                        f"{self.parallel_planes} (narrower weights are padded to one)")
        if self.max_k < self.K * self.groups:
            self.refuse("max_k", f"must be at least K * groups = {self.K * self.groups}")
        if self.is_float and self.acc_width is not None:
            self.refuse("acc_width", "belongs to integer accumulators; leave it out")
        if not self.is_aligned and self.exponent != "scan":
            self.refuse("exponent", "belongs to --datapath aligned; leave it out")
        if self.is_aligned:
            if self.entry_bits < self.last_plane + 3:
                self.refuse("entry_width", "must be at least w_bits - parallel_planes + 3 = "
                            f"{self.last_plane + 3}")
            if self.row_scale.entry_room < 1:
                self.refuse("entry_width", f"has no room for the roundings of K = {self.K} "
                            "activations; make it wider")
            if self.row_scale.acc_room < 1:
                self.refuse("acc_width", f"has no room for the roundings of {self.max_k} "
                            "activations; make it wider or lower --max-k")

    @property
    def last_plane(self) -> int:
        """Lowest plane of the top beat of the widest weights: as far as entries step."""
        return self.w_bits - self.parallel_planes

    @property
    def entry_default(self) -> int:
        return super().entry_default + (self.w_bits > 4)

    @property
    def _planes(self) -> int:
        return self.w_bits

    @cached_property
    def row_scale(self) -> RowScale:
        return self._row_scale(self.acc_bits)

    def _row_scale(self, acc_bits: int) -> RowScale:
        return RowScale(fmt=self._aligned_format, K=self.K, entry_bits=self.entry_bits,
                        acc_bits=acc_bits, w_bits=self.w_bits, zero_point=self.has_zero_beats,
                        max_k=self.max_k, groups=self.groups, planes=self.parallel_planes)

    @property
    def has_zero_beats(self) -> bool:
        """Zero points are beats of their own."""
        return self.zero_point and self.radix == 2

    def resolved(self) -> dict[str, Any]:
        return super().resolved() | {"zero_point": self.has_zero_beats}

    @property
    def can_saturate(self) -> bool:
        return self.is_aligned and self.exponent == "given"

    @property
    def scaled_bits(self) -> int:
        """Bits of an integer entry after the plane step: aligned ones step down."""
        return self.entry_bits + (0 if self.is_aligned else self.last_plane)

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
        if self.is_aligned:
            return self._aligned_acc_bits()
        weight = ((1 << self.w_bits) - 1) * (2 if self.has_zero_beats else 1)
        return max((self.entry_limit * self.max_tables * weight).bit_length() + 1,
                   self.scaled_bits + clog2(self.groups) + self.parallel_planes)

    @property
    def _acc_default(self) -> int:
        """Bits of an accumulator of 4,096 aligned activations."""
        planes = min(self.w_bits - 1, 2)
        base = 33 + (planes == 2) if self.acc_format == FP32 else 20 + planes
        # the unit is that of the top beat's lowest plane
        return base - (not self.has_zero_beats) + self.parallel_planes - 1

    def _aligned_acc_bits(self) -> int:
        """What the accuracy bar takes, and no more than the largest sums.

        Measured at 4,096 activations. Roundings add up as the root of their number: four times the
        length takes a bit more. Shorter rows take less, but not by as much: those that are made to
        be difficult have few large activations at any length.
        """
        beyond = clog2(self.max_k) - 12
        length = -(-beyond // 2) if beyond > 0 else -(-beyond // 3)
        bits = max(self._acc_default + length,
                   self.entry_bits + clog2(self.groups) + self.parallel_planes)
        scale = self._row_scale(bits)
        longest = scale.reach(self.max_tables * self.entry_limit) + scale.slack
        bits = min(bits, longest.bit_length() + 1)
        while self._row_scale(bits).acc_room < 4:
            bits += 1
        return bits

    def derived_fields(self) -> dict[str, Any]:
        found = super().derived_fields()
        if not self.is_float:
            found.update(acc_width=self.acc_bits)
        return found


@dataclass(frozen=True, kw_only=True)
class LutTableParameters(ReductionParameters):
    """The table precompute unit, shared by all columns.

    Where exponents are scanned they depend on the core that the tables are for: ``w_bits``,
    ``zero_point``, ``max_k`` and ``acc_width`` are that core's.
    """

    generator: ClassVar[str] = "lut_table"

    M: int = parameter(2, "rows: one table per row and group", low=1, high=64)
    pipeline: int = parameter(None, "register stages: 1 the entries, 2 the aligned or decoded "
                              "activations as well", low=1, high=2, asic=1, fpga=2)
