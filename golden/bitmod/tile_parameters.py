"""Parameter objects of BitMoD's tile, and what it shares with the array: a mesh of PEs and its
schedule (paper section IV-C, Figures 5 and 6)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from lowbit.golden.parameters import parameter

from .pe_parameters import BitmodPeOptions

__all__ = ["BitmodMeshParameters", "BitmodTileParameters"]


@dataclass(frozen=True, kw_only=True)
class BitmodMeshParameters(BitmodPeOptions, ABC):
    """What tile and array have in common: a mesh of tiles (one, or many), and its schedule.

    A tile is output-stationary: terms are broadcast down its columns, activations along its rows.
    """

    rows: int = parameter(8, "rows: activation vectors side by side", low=1, high=256,
                          source="section IV-C")
    columns: int = parameter(8, "columns: output channels side by side", low=1, high=256,
                             source="section IV-C")
    exponent: str = parameter("given", "row: the exponent of a row and group comes with the group, "
                              "or is found by a scan as its activations are written, which wait "
                              "until it is known", choices=("given", "scan"))
    out: str = parameter("fp32", "format of the results", choices=("fp32", "fp16"))
    group_scale: str = parameter("int8", "kind of group scales: unsigned integers, or those of "
                                 "block formats: E8M0 (MXFP4), E4M3 (NVFP4)",
                                 choices=("int8", "e8m0", "e4m3"), source="int8: section III-C")
    flint: bool = parameter(False, "decode flint4 too: codes with bit 4 set have 8 in the place "
                            "of 6", source="ANT, MICRO 2022")
    channel_scale: bool = parameter(True, "FP32 multiplier for the channels' second-level scales",
                                    source="section III-C")
    out_columns: int = parameter(1, "columns whose results leave side by side; must divide "
                                 "--columns", low=1, high=256)
    scale_columns: int | None = parameter(
        None, "columns that share a dequantiser, one row of one column a cycle; a multiple of "
        "their rows is the least time of a group (default: as many as keep up with groups of 32 "
        "weights of two terms)", low=1, high=256)

    def check(self) -> None:
        super().check()
        if self.columns % self.out_columns:
            self.refuse("out_columns", f"must divide --columns {self.columns}")
        if self.scale_columns and self.output_sets % self.scale_columns:
            self.refuse("scale_columns", "must divide --columns over --out-columns, "
                        f"{self.output_sets}")

    def derived_fields(self) -> dict[str, Any]:
        return {"scale_columns": self.sharing_columns}

    @property
    @abstractmethod
    def tiles(self) -> tuple[int, int]:
        """Tiles (down, across)."""

    @property
    @abstractmethod
    def read_latency(self) -> int:
        """Cycles from the decision to process a chunk to its operands."""

    @property
    @abstractmethod
    def kept_chunks(self) -> int:
        """Chunks of activations that can stay for the next operation; 0 without a buffer."""

    @property
    def scans(self) -> bool:
        """Whether the exponents of the rows are found here, and not given."""
        return self.align == "row" and self.exponent == "scan"

    @property
    def group_chunks(self) -> int:
        """Chunks of the largest group."""
        return self.max_group // self.lanes

    @property
    @abstractmethod
    def input_room(self) -> int:
        """Chunks of activations that are here at a time, the one in use included, with a scan."""

    @property
    @abstractmethod
    def exponent_room(self) -> int:
        """Groups whose exponents have been found and are kept at a time, with a scan."""

    @property
    @abstractmethod
    def exponent_turnaround(self) -> int:
        """Cycles from the last term of a group until other exponents may take its place, with a
        scan."""

    def keeps(self, chunks: int, groups: int) -> bool:
        """Whether the activations of an operation can stay for the next one."""
        return chunks <= self.kept_chunks and not (self.scans and groups > self.exponent_room)

    @cached_property
    def tile(self) -> BitmodTileParameters:
        """One tile of the mesh."""
        return self.part(BitmodTileParameters)

    @property
    def skew(self) -> int:
        """Cycles that the last tile runs behind the first."""
        return sum(self.tiles) - 2

    @property
    def port_latency(self) -> int:
        """Cycles from operands at the ports to their first term: a register, or a buffer."""
        return 1

    @property
    def output_sets(self) -> int:
        """Sets of columns whose results leave one after the other."""
        return self.columns // self.out_columns

    @property
    def sharing_columns(self) -> int:
        """Columns that share a dequantiser, one each of as many sets. Unless given, as many as a
        group of 32 weights of two terms leaves time for."""
        if self.scale_columns:
            return self.scale_columns
        shortest = 2 * 32 // self.lanes
        return max((n for n in range(1, self.output_sets + 1)
                    if self.output_sets % n == 0 and n * self.rows <= shortest), default=1)

    @property
    def sharing_sums(self) -> int:
        """Sums that a dequantiser takes after a group, one a cycle."""
        return self.rows * self.sharing_columns

    @property
    def group_spacing(self) -> int:
        """Least cycles between the ends of two groups. Scales wait for the PE's latency."""
        return max(self.sharing_sums, self.pe.latency + 1)

    @property
    def output_start(self) -> int:
        """Cycles from the last term of an operation to its first result leaving the column:
        operands, tile input, PE, capture, scale, round, all sums of a dequantiser."""
        return self.read_latency + self.skew + 4 + self.pe.latency + self.sharing_sums

    @property
    def output_beats(self) -> int:
        """Cycles in which the results of an operation leave."""
        return self.rows * self.output_sets

    @property
    def output_latency(self) -> int:
        """Cycles from a column to the result port: the register of the output lanes."""
        return 1


@dataclass(frozen=True, kw_only=True)
class BitmodTileParameters(BitmodMeshParameters):
    """Output-stationary tile: terms broadcast down columns, activations along rows."""

    generator: ClassVar[str] = "bitmod_tile"

    @property
    def tiles(self) -> tuple[int, int]:
        return 1, 1

    @property
    def read_latency(self) -> int:
        return 0

    @property
    def kept_chunks(self) -> int:
        return 0

    @property
    def queue_chunks(self) -> int:
        """Chunks in the memory in which a group waits for its exponents. The register behind it
        holds one more, so the next group is complete when a largest one ends."""
        return max(2, self.group_chunks)

    @property
    def input_room(self) -> int:
        return self.queue_chunks + 1

    @property
    def exponent_room(self) -> int:
        return 1

    @property
    def exponent_turnaround(self) -> int:
        return 0
