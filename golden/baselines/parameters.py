"""Parameters of the conventional designs that ours are measured against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..digits import FORMATS
from ..formats import FP16, FloatFormat, get_format, wrap_signed
from ..parameters import TargetParameters, parameter

__all__ = ["BaselineParameters", "Fp16DotParameters", "Fp16PeParameters", "Fp16TileParameters",
           "PeOptions", "WeightCodes"]

#: weights of at most five bits, whose codes a table makes FP16 numbers
CODED = tuple(name for name in FORMATS if name not in ("int5", "int6", "int7", "int8"))


@dataclass(frozen=True)
class WeightCodes:
    """Codes of weights of a format of :mod:`..digits`: integers in two's complement, all others
    as there."""

    name: str

    @property
    def bits(self) -> int:
        if self.name.startswith("int"):
            return int(self.name[3:])
        return FORMATS[self.name].port_bits

    @cached_property
    def fp16(self) -> NDArray[Any]:
        """FP16 codes of the weights of all codes: int64 (2**bits,), exact."""
        form, codes = FORMATS[self.name], np.arange(1 << self.bits)
        values = wrap_signed(codes, self.bits) if self.name.startswith("int") else form.values
        return FP16.from_float64(values * 2.0**form.unit).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class BaselineParameters(TargetParameters):
    """An FP16 x FP16 design with a floating-point accumulator."""

    acc: str = parameter("fp32", "accumulator format", choices=("fp32", "fp16"))
    multiply: str = parameter("exact", "products: exact, then rounded where said; or L-Mul, which "
                              "adds exponents and fractions as integers, to FP16",
                              choices=("exact", "lmul"), source="lmul: Luo and Sun, 2024")
    style: str = parameter(None, "floating-point adders: least area, or short paths",
                           choices=("small", "fast"), asic="small", fpga="fast")

    @property
    def acc_format(self) -> FloatFormat:
        fmt = get_format(self.acc)
        assert isinstance(fmt, FloatFormat)
        return fmt

    @property
    def latency(self) -> int:
        """Clock edges from operands with ``en`` to the accumulator that holds them."""
        return 1


@dataclass(frozen=True, kw_only=True)
class PeOptions(BaselineParameters):
    """What a processing element is: options of every design that contains one."""

    operands: str = parameter(
        "ieee", "FP16 numbers: ieee in full; finite, without infinities and NaNs (the largest "
        "exponent is one like any other); normal, where subnormals count as zero as well",
        choices=("ieee", "finite", "normal"))
    pipeline: int = parameter(None, "registers between multiplication and addition of a PE", low=0,
                              high=1, asic=0, fpga=1)

    def check(self) -> None:
        if self.operands != "ieee" and self.acc != "fp32":
            self.refuse("operands", "must be ieee with --acc fp16: a sum in FP16 may overflow")
        if self.operands != "ieee" and self.multiply != "exact":
            self.refuse("operands", "must be ieee with --multiply lmul")

    @property
    def pe(self) -> Fp16PeParameters:
        """Parameters of every processing element."""
        return self.part(Fp16PeParameters)


@dataclass(frozen=True, kw_only=True)
class Fp16PeParameters(PeOptions):
    """One multiply-accumulate processing element."""

    generator: ClassVar[str] = "fp16_pe"

    @property
    def latency(self) -> int:
        return 1 + self.pipeline


@dataclass(frozen=True, kw_only=True)
class Fp16TileParameters(PeOptions):
    """An output-stationary tile of processing elements."""

    generator: ClassVar[str] = "fp16_tile"

    rows: int = parameter(6, "rows: one activation each, broadcast along the row", low=1, high=64,
                          source="BitMoD, table X: 48 FP16 PEs")
    columns: int = parameter(8, "columns: one weight each, broadcast down the column", low=1,
                             high=64, source="BitMoD, table X: 48 FP16 PEs")

    @property
    def latency(self) -> int:
        return 1 + self.pe.latency


@dataclass(frozen=True, kw_only=True)
class Fp16DotParameters(BaselineParameters):
    """K multipliers, an adder tree and an accumulator: a conventional dot-product unit."""

    generator: ClassVar[str] = "fp16_dot"

    K: int = parameter(4, "products a cycle", low=1, high=64,
                       source="LUT Tensor Core, MAC-based DP4")
    tree: str = parameter("fp16", "format of products and adder tree", choices=("fp16", "fp32"))
    w_format: str = parameter("fp16", "weights: FP16; or codes of few bits, of which a table makes "
                              "FP16 numbers before they are multiplied (dequantised before)",
                              choices=("fp16", *CODED))
    input_registers: bool = parameter(False, "register the operands")
    pipeline: int = parameter(None, "registers behind the products and behind every level of the "
                              "tree", low=0, high=1, asic=0, fpga=1)

    @property
    def tree_format(self) -> FloatFormat:
        fmt = get_format(self.tree)
        assert isinstance(fmt, FloatFormat)
        return fmt

    @property
    def codes(self) -> WeightCodes | None:
        """Of what the weights are codes; None: they are FP16."""
        return None if self.w_format == "fp16" else WeightCodes(self.w_format)

    @property
    def levels(self) -> int:
        """Levels of the adder tree."""
        return (self.K - 1).bit_length()

    @property
    def latency(self) -> int:
        return 1 + self.input_registers + (1 + self.levels) * self.pipeline
