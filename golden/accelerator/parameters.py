"""What an accelerator is: its engine, its buffers, its bus. Everything else follows from this."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..bitmod.tile_parameters import BitmodMeshParameters, BitmodTileParameters
from ..lut.parameters import LutCoreParameters
from ..lut.table_parameters import ACTIVATIONS, clog2
from ..parameters import TargetParameters, parameter, same_as
from .engine import Engine
from .engines import ENGINE_OPTIONS, ENGINES

__all__ = ["AccelParameters"]

KIB = 8 * 1024


@dataclass(frozen=True, kw_only=True)
class AccelParameters(TargetParameters):
    """An engine behind buffers, an instruction set and an AXI4 master."""

    generator: ClassVar[str] = "accel"

    engine: str = parameter("lut", "what multiplies: a LUT tensor core, or a BitMoD tile",
                            choices=tuple(ENGINES))
    M: int = parameter(2, "rows (activations) of the engine", low=1, high=64,
                       source="LUT Tensor Core, M2N64K4")
    N: int = parameter(64, "columns (weights) of the engine", low=16, high=1024,
                       source="LUT Tensor Core, M2N64K4")
    K: int = parameter(4, "activations per table, or lanes of a BitMoD PE", low=2, high=6,
                       source="LUT Tensor Core, K dimension")
    groups: int = parameter(1, "lut: tables summed for each output before one accumulate",
                            low=1, high=8)
    a_format: str = parameter("fp16", "lut: activation format", choices=ACTIVATIONS)
    w_bits: int = parameter(4, "bits of the widest weights; any smaller number at run time",
                            low=1, high=8)
    entry_width: int | None = parameter(None, "lut: bits of a table entry; default what the "
                                        "accuracy of FP32 takes", low=4, high=40)
    acc_width: int | None = parameter(None, "lut: bits of the integer accumulator; default what "
                                      "the accuracy of FP32 takes", low=8, high=62)
    min_group: int = parameter(32, "weights of the shortest group with a scale of its own",
                               low=2, high=1 << 12)
    max_group: int = parameter(128, "weights of the longest group with a scale of its own",
                               low=2, high=1 << 12)
    group_scale: str = parameter("fp16", "lut: format of group scales", choices=("fp16", "fp32"))
    offset: str = parameter("real", "lut: group offsets: none, of integer zero points (FP32), or "
                            "any real minima (in the format of the scales)",
                            choices=("none", "integer", "real"))
    align_bits: int = same_as(BitmodMeshParameters, "align_bits", "bitmod: magnitude bits of an "
                              "activation, whose top one has the largest exponent of its group")
    scale_columns: int | None = same_as(BitmodMeshParameters, "scale_columns", "bitmod: columns "
                                        "that share a dequantiser (default: as many as keep up "
                                        "with groups of 32 weights of two terms)")
    channel_scale: bool = same_as(BitmodMeshParameters, "channel_scale", "bitmod: FP32 multiplier "
                                  "for the channels' second-level scales")
    chains: int = parameter(4, "pieces of a row's way out of the engine: results of a row a cycle",
                            low=1, high=64)
    axi_data: int = parameter(256, "bits of the AXI4 data bus: 64, 128, 256 or 512",
                              low=64, high=512)
    axi_address: int = parameter(40, "bits of an AXI4 address", low=33, high=64)
    outstanding: int = parameter(8, "read bursts under way at a time (4 KiB each at most)",
                                 low=1, high=32)
    a_kib: int = parameter(48, "KiB of activations", low=1, high=4095)
    w_kib: int = parameter(48, "KiB of weight patterns, a few slots of them by the program",
                           low=1, high=4095)
    s_kib: int = parameter(12, "KiB of group scales, and as many words of group offsets",
                           low=1, high=4095)
    p_kib: int = parameter(8, "KiB of partial sums and results (FP32)", low=1, high=4095)
    queue: int = parameter(16, "instructions that wait for each of load, execute and store",
                           low=2, high=64)
    memory: str = parameter("inferred", "buffers are memories that tools infer, or black boxes "
                            "named in the manifest", choices=("inferred", "blackbox"))

    def check(self) -> None:
        self.check_others("engine", ENGINE_OPTIONS)
        if self.axi_data & (self.axi_data - 1):
            self.refuse("axi_data", "must be 64, 128, 256 or 512")
        for name in ("min_group", "max_group"):
            size, step = getattr(self, name), self.K * self.groups
            if size % step or size // step & (size // step - 1):
                self.refuse(name, f"must be K * groups = {step} times a power of two")
        engine = self.compute
        for name, bits in (("K", self.a_word), ("N", self.w_word),
                           ("chains" if engine.scale_words > 1 else "N", self.s_word),
                           ("chains", 32 * self.chains), ("chains", 16 * self.chains)):
            if bits % self.axi_data and self.axi_data % bits:
                self.refuse(name, f"makes words of {bits} bits in a buffer, and words must be a "
                            f"multiple or a part of --axi-data {self.axi_data}")
        if self.N * 4 % 64:
            self.refuse("N", "must be a multiple of 16: a row of results fills blocks of 64 bytes")
        if self.min_group > self.max_group:
            self.refuse("min_group", f"must be at most --max-group {self.max_group}")
        for name, depth, bits in (("a_kib", self.a_depth, 16), ("w_kib", self.w_depth, 16),
                                  ("s_kib", self.s_depth, 12), ("p_kib", self.p_depth, 12)):
            if not 2 <= depth <= 1 << bits:
                self.refuse(name, f"must make 2..{1 << bits} words, and makes {depth}")
        largest = engine.planes << self.steps_range[1]
        for name, slot, words in (
                ("w_kib", self.w_slot, largest), ("s_kib", self.s_slot, engine.smallest_slot),
                ("p_kib", self.p_slot, self.drain)):
            if slot < words:
                self.refuse(name, f"must hold two slots of the largest group, {words} words")
        if self.a_depth < 1 << self.steps_range[1]:
            self.refuse("a_kib", f"must hold M = {self.M} rows of the largest group, "
                        f"{self.max_group} activations")

    def resolved(self) -> dict[str, Any]:
        others = self.others("engine", ENGINE_OPTIONS)
        return {name: value for name, value in super().resolved().items() if name not in others}

    # -- parts --------------------------------------------------------------------------------
    @cached_property
    def compute(self) -> Engine:
        """What the engine is and does."""
        return ENGINES[self.engine](self)

    @cached_property
    def core(self) -> LutCoreParameters:
        """The core of the engine ``lut``."""
        aligned = self.a_format[0] in "fb"
        return LutCoreParameters(
            reset=self.reset, target=self.target, adder=self.adder, M=self.M, N=self.N, K=self.K,
            groups=self.groups, a_format=self.a_format, w_bits=self.w_bits, max_k=self.max_group,
            entry_width=self.entry_width, acc_width=self.acc_width, table_source="internal",
            exponent="given" if aligned else "scan", group_scale=self.group_scale,
            offset=self.offset, chains=self.chains, buffer="double")

    @cached_property
    def tile(self) -> BitmodTileParameters:
        """The tile of the engine ``bitmod``."""
        return BitmodTileParameters(
            reset=self.reset, target=self.target, adder=self.adder, lanes=self.K, rows=self.M,
            columns=self.N, align="row", align_bits=self.align_bits, max_group=self.max_group,
            exponent="given", out="fp32", channel_scale=self.channel_scale,
            out_columns=self.chains, scale_columns=self.scale_columns)

    @property
    def a_bits(self) -> int:
        """Bits of an activation in memory."""
        return self.compute.activation.bits

    @property
    def black_boxes(self) -> bool:
        """Memories are instances of a module that is not in the file."""
        return self.memory == "blackbox"

    @property
    def per_beat(self) -> int:
        """Activations of a row that the engine takes at once."""
        return self.compute.per_beat

    @property
    def drain(self) -> int:
        """Words of results of a row."""
        return self.compute.drain

    # -- words and depths of the buffers ------------------------------------------------------
    @property
    def a_word(self) -> int:
        """Bits of a word of activations: those of one row that the engine takes at once. The buffer
        has a bank for each row of the engine."""
        return self.per_beat * self.a_bits

    @property
    def w_word(self) -> int:
        """Bits of a word of weight patterns, of a step of all columns."""
        return self.compute.w_word

    @property
    def s_word(self) -> int:
        """Bits of a word of group scales."""
        return self.compute.s_word

    @property
    def o_word(self) -> int:
        """Bits of a word of group offsets; 0: there are none."""
        return self.compute.o_word

    @property
    def p_word(self) -> int:
        """Bits of a word of results: of one row, one column of each chain. The buffer has a bank
        for each row of the core."""
        return 32 * self.chains

    @property
    def a_depth(self) -> int:
        return self.a_kib * KIB // (self.M * self.a_word)

    @property
    def e_depth(self) -> int:
        """Words of exponents: one for each shortest group of activations."""
        return -(-self.a_depth // self.min_steps)

    @property
    def w_depth(self) -> int:
        return self.w_kib * KIB // self.w_word

    @property
    def s_depth(self) -> int:
        return self.s_kib * KIB // self.s_word

    @property
    def p_depth(self) -> int:
        return self.p_kib * KIB // (self.M * self.p_word)

    def ratio(self, word: int) -> int:
        """Words of ``word`` bits (of patterns, scales, offsets) that a beat of the bus fills at
        once: loads begin at a multiple of them."""
        return max(self.axi_data // word, 1)

    @cached_property
    def slots(self) -> int:
        """Slots of the weight buffers that a program uses in turn: with four, loads are ahead of
        the core by some chunks, and the last chunk is short; two where a group needs more room."""
        largest = self.compute.planes << self.steps_range[1]
        return 4 if self._part(4, self.w_depth, self.w_word) >= largest \
            and self._part(4, self.s_depth, self.s_word, self.o_word) \
            >= self.compute.smallest_slot else 2

    @cached_property
    def w_slot(self) -> int:
        """Words of a slot of the pattern buffer, in whole blocks of memory."""
        return self._part(self.slots, self.w_depth, self.w_word)

    @cached_property
    def s_slot(self) -> int:
        """Words of a slot of the buffers of scales and offsets, in whole blocks of memory."""
        return self._part(self.slots, self.s_depth, self.s_word, self.o_word)

    def _part(self, parts: int, depth: int, *words: int) -> int:
        unit = math.lcm(*(math.lcm(512, word) // word for word in words if word))
        return depth // parts // unit * unit

    @property
    def p_slot(self) -> int:
        """Words of half the buffer of results."""
        return self.p_depth // 2

    @property
    def min_steps(self) -> int:
        """Words of activations of the shortest group."""
        return self.min_group // self.per_beat

    @property
    def steps_range(self) -> tuple[int, int]:
        """Smallest and largest log2 of the words of activations of a group."""
        return clog2(self.min_steps), clog2(self.max_group // self.per_beat)

    @property
    def register_parameters(self) -> dict[str, int]:
        """Parameters of the register map's source."""
        engine = self.compute
        return dict(
            MAGIC=int.from_bytes(engine.magic, "big"), SPECIALS=int("SPECIAL" in engine.settings),
            M=self.M, N=self.N, K=self.K, GROUPS=self.groups, PLANES=self.w_bits,
            LANES=engine.out_lanes, CHAINS=self.chains, BEAT_BYTES=self.axi_data // 8,
            ACT_BLOCKS=self.a_kib * 16, WGT_BLOCKS=self.w_kib * 16, SCALE_BLOCKS=self.s_kib * 16,
            PSUM_BLOCKS=self.p_kib * 16, ADDRESS_BITS=self.axi_address)

    def derived_fields(self) -> dict[str, Any]:
        return self.compute.derived_fields()

    def derived(self) -> dict[str, Any]:
        depths = {f"{name}_depth": getattr(self, f"{name}_depth") for name in "aewsp"}
        return self.compute.design.derived() | depths
