"""The BitMoD engine: FP16 activations at the exponents of their groups times terms of weights.

A group runs as many cycles as its words of patterns. Sums of a row block stay in the tile until
its last LMMA (``keep``), are multiplied by the channel's scale and, without ``init``, added to the
partial sums: an addition of its own, rounded once to FP32. The arithmetic is that of
:mod:`lowbit.golden.bitmod.pe`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bitmod.cycles import operation_timing
from ..bitmod.datatypes import get_data_type, is_two_term
from ..bitmod.pe import add_groups, dequantize_groups, group_sums, group_terms, outputs
from ..bitmod.pe_parameters import BitmodTermGeneratorParameters
from ..bitmod.row_alignment import group_exponents
from ..bitmod.tile_parameters import BitmodTileParameters
from ..bits import unpack_bits
from ..formats import FP16, FP32
from ..group_scale import Codes, added
from ..parameters import ParameterError
from .bitmod_layout import PLANE_BITS, SCALE_ENTRY_BITS, pack
from .engine import Engine, Operands, Schedule
from .isa import FLOAT_CODES, Instruction
from .layout import Packed

if TYPE_CHECKING:
    from .parameters import AccelParameters

__all__ = ["BitmodEngine", "special_values"]

Array = NDArray[Any]
#: words of patterns of a step of floating codes
FLOAT_PLANES = 2


def special_values(register: int) -> Array:
    """The values (4,) of the register SPECIAL; one that needs three terms counts as 0."""
    words = register >> 8 * np.arange(BitmodTermGeneratorParameters.special_values)
    halves = np.where([is_two_term(int(word) & 31) for word in words], words & 31, 0)
    return np.asarray(np.where(words >> 5 & 1, -halves, halves) / 2)


@dataclass(frozen=True)
class _Kept:
    """Sums of an operation so far."""

    total: Array        #: float32 (rows, columns)
    finite: Array       #: bool (rows,)


class BitmodEngine(Engine):
    """A BitMoD tile with row alignment, whose exponents load has found."""

    magic = b"BMOD"
    settings = ("SPECIAL",)
    codes = frozenset((Codes.SIGNED, FLOAT_CODES))
    plane_bits = PLANE_BITS
    scale_bits = SCALE_ENTRY_BITS
    offsets_of_groups = False
    keeps = True
    cuts_groups = False
    needs_offsets = "channel scales need a design that multiplies by them; leave " \
                    "--no-channel-scale out"

    def __init__(self, p: AccelParameters) -> None:
        super().__init__(p)
        if p.N > 256:
            p.refuse("N", "must be at most 256 with --engine bitmod")
        if p.N % p.chains:
            p.refuse("chains", f"must divide --N {p.N}")
        if p.scale_columns and p.N // p.chains % p.scale_columns:
            p.refuse("scale_columns", f"must divide --N over --chains, {p.N // p.chains}")
        if p.w_bits <= PLANE_BITS:
            p.refuse("w_bits", "must be 3..8 with --engine bitmod")
        try:
            self.design     # noqa: B018 - what the tile says
        except ParameterError as error:
            raise ParameterError(f"--engine bitmod: {error}") from None

    @property
    def design(self) -> BitmodTileParameters:
        return self.p.tile

    @property
    def per_beat(self) -> int:
        return self.p.K

    @property
    def planes(self) -> int:
        return -(-self.p.w_bits // PLANE_BITS)

    @property
    def exponent_bits(self) -> int:
        return FP16.ebits

    @property
    def drain(self) -> int:
        return self.p.N // self.p.chains

    @property
    def scale_words(self) -> int:
        return 1

    @property
    def offset_bits(self) -> int:
        return FP32.bits if self.p.channel_scale else 0

    @property
    def out_lanes(self) -> int:
        return self.p.chains

    @property
    def result_latency(self) -> int:
        """Of weights of two terms: they enter the tile, and all rows of a word leave."""
        tile = self.design
        return tile.port_latency + 1 + operation_timing(tile).latency + tile.rows - 1

    def refuses(self, i: Instruction) -> bool:
        terms = i["planes"] + 1
        return terms == 1 or (i["codes"] == FLOAT_CODES and terms != FLOAT_PLANES)

    def scan(self, codes: Array) -> Array:
        return group_exponents(codes, codes.shape[1])[:, 0]

    def expand(self, codes: Array, exponents: Array) -> tuple[Array, Array]:
        return codes.reshape(len(codes), -1), exponents

    def multiply(self, of: Operands) -> tuple[Array | None, Any]:
        i, design = of.i, self.design
        activations, exponents = of.x
        codes = self._codes(of.weights, i["planes"] + 1)
        size = codes.shape[1] // i["groups"]
        entries = of.scales.T                                       # (N, groups)
        special = None
        if i["codes"] == FLOAT_CODES:
            dtype = get_data_type("fp4")
            special = special_values(of.settings["SPECIAL"])[entries >> 8 & 3]
        else:
            dtype = get_data_type(f"int{PLANE_BITS * (i['planes'] + 1)}")
        sums = group_sums(activations, group_terms(codes, special, dtype, size), size, design.pe,
                          exponents)
        total = np.zeros(sums.integer.shape[:2], np.float32)
        finite = sums.finite.copy()
        if of.kept is not None:         # they belong to the first row block
            total[:self.p.M] = of.kept.total
            finite[:self.p.M] &= of.kept.finite
        total = add_groups(total, dequantize_groups(sums, entries & 0xFF))
        if i["keep"]:
            return None, _Kept(total, finite)
        channel = None if of.offsets is None else FP32.to_array(of.offsets.reshape(-1))
        y = outputs(total, finite, channel)
        found = FP32.from_array(y) if i["init"] else added(y[None], of.y.reshape(y.shape))
        return found.reshape(of.y.shape), None

    def _codes(self, words: Array, planes: int) -> Array:
        """Codes uint8 (N, k) of words (groups, words of a group, bytes)."""
        p = self.p
        pairs = unpack_bits(words.reshape(-1, planes, words.shape[-1]), PLANE_BITS, p.N * p.K)
        codes = sum(pairs[:, j].astype(np.int64) << PLANE_BITS * j for j in range(planes))
        return np.asarray(codes, np.uint8).reshape(-1, p.N, p.K).swapaxes(0, 1).reshape(p.N, -1)

    def described(self) -> dict[str, str]:
        p = self.p
        found = {"weights": f"for each group, step and pair of code bits {p.w_word // 8} bytes: "
                            f"{p.K} pairs a column",
                 "scales": "for each group 16 bits a column: the scale, and from bit 8 on the "
                           "selector of its special value",
                 "columns": "all is in the order of the matrix; the lowest pair of bits comes "
                            "first"}
        return found | {"offsets": f"channel scales: for each block of columns {self.drain} words, "
                                   f"each {p.chains} times fp32"} if self.offset_bits else found

    def pack(self, weights: Any, slot_words: int | None = None) -> Packed:
        return pack(self.p, weights, slot_words)

    def schedule(self) -> Schedule:
        return _Schedule(self.design)


class _Schedule(Schedule):
    """As :func:`lowbit.golden.bitmod.cycles.operation_cycles`, with operands that come late."""

    def __init__(self, tile: BitmodTileParameters) -> None:
        self.tile = tile
        self.restart(0)

    def restart(self, when: int) -> None:
        self.head = self.results = self.end = self.free = when
        self.fresh = True           # no sums are kept

    def run(self, i: Instruction, start: int, storing: int) -> int:
        tile, count = self.tile, (i["planes"] + 1) << i["steps"]
        self.head = max(start + 2, self.results + 1)
        # words go through a feed, a buffer and two registers; a step's are collected
        begin = start + 2 + i["planes"]
        for _ in range(i["row_blocks"]):
            for _ in range(i["groups"]):
                self.end = max(max(begin, self.end + 1) + count - 1, self.end + tile.group_spacing,
                               self.free if self.fresh else 0)
                begin, self.fresh = self.end + 1, False
            if not i["keep"]:
                self.fresh = True
                leave = self.end + tile.output_start
                # a word's partial sums come a cycle later where a store reads as well
                late = min(max(storing - leave, 0), tile.output_sets)
                self.free = leave + tile.output_beats + late
                self.results = self.free + tile.output_latency
        # the last words are read while the step before them runs
        read = self.end - i["planes"] - 2 if i["keep"] else self.free - 1
        self.results = max(self.results, read)
        return read
