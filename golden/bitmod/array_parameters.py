"""Parameter object of BitMoD's array of tiles with its operand buffers (paper section IV-C)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lowbit.golden.parameters import parameter

from .tile_parameters import BitmodMeshParameters

__all__ = ["BitmodArrayParameters"]


@dataclass(frozen=True, kw_only=True)
class BitmodArrayParameters(BitmodMeshParameters):
    """Tiles in a systolic mesh: activations move right, terms move down."""

    generator: ClassVar[str] = "bitmod_array"

    tile_rows: int = parameter(4, "tiles down", low=1, high=64, source="section IV-C")
    tile_columns: int = parameter(4, "tiles across", low=1, high=64, source="section IV-C")
    input_chunks: int = parameter(1024, "chunks of activations in the input buffer; a power of 2",
                                  low=2, high=65536, source="section IV-C")
    weight_chunks: int = parameter(256, "chunks of weights in the weight buffer; a power of 2",
                                   low=2, high=65536, source="section IV-C")
    group_entries: int = parameter(16, "groups of weights in the weight buffer; a power of 2",
                                   low=2, high=4096)

    def check(self) -> None:
        super().check()
        for name in ("input_chunks", "weight_chunks", "group_entries"):
            value = getattr(self, name)
            if value & (value - 1):
                self.refuse(name, "must be a power of two")
        if self.scans and self.input_chunks < self.group_chunks:
            self.refuse("input_chunks", f"must hold a group with --exponent scan: --max-group "
                        f"{self.max_group} are {self.group_chunks} chunks")

    @property
    def tiles(self) -> tuple[int, int]:
        return self.tile_rows, self.tile_columns

    @property
    def read_latency(self) -> int:
        return 1

    @property
    def kept_chunks(self) -> int:
        return self.input_chunks

    @property
    def input_room(self) -> int:
        return self.input_chunks

    @property
    def exponent_room(self) -> int:
        """Groups of 32 weights fill input buffer and exponents together; a power of 2."""
        return max(2, 1 << (self.input_chunks * self.lanes // 32).bit_length() >> 1)

    @property
    def exponent_turnaround(self) -> int:
        return self.tile_rows

    @property
    def pes(self) -> int:
        return self.tile_rows * self.tile_columns * self.rows * self.columns
