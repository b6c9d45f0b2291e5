"""What areas and paths have in common: amounts of a few parts, and the options without a model."""

from __future__ import annotations

from math import log2

from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import ExponentFormat, FactorFormat, FloatFormat, IntFormat
from lowbit.golden.lut.core_parameters import LutCoreParameters
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.parameters import Parameters, TargetParameters
from lowbit.golden.systolic.parameters import SystolicParameters

from ..errors import UsageError

__all__ = ["Terms", "check", "factor_bits", "shifter"]

Terms = dict[str, float]


def factor_bits(fmt: FactorFormat) -> int:
    """Bits of the significand of a scale (0: a power of two, which nothing is multiplied by)."""
    if isinstance(fmt, FloatFormat):
        return fmt.precision
    if isinstance(fmt, ExponentFormat):
        return 0
    return fmt.bits if isinstance(fmt, IntFormat) else factor_bits(fmt.a) + factor_bits(fmt.b)


def shifter(bits: float) -> float:
    """Multiplexers of a shifter, gates of a count of leading zeros."""
    return bits * log2(bits)


def check(p: Parameters) -> None:
    """:class:`UsageError` for an option without a model."""
    unknown: dict[str, bool] = {}
    if isinstance(p, TargetParameters):
        unknown = {f"--target {p.target}": p.target != "asic",
                   f"--adder {p.adder}": p.adder != "ripple"}
    match p:
        case LutCoreParameters():
            unknown |= {
                "--datapath float": p.is_float, "--table-format int8": p.is_quantized,
                f"--unpack {p.unpack}": p.unpack != "none", "--table full": p.table == "full",
                "--select binary": p.select == "binary",
                "--negation hardware": p.negation == "hardware",
                "--exponent given and tables made inside":
                    p.table_source == "internal" and p.is_aligned and p.exponent == "given",
                "--out-format int8": p.requantizes}
        case DotCoreParameters():
            unknown |= {"--out-format int8": p.frame.requantizes}
        case SystolicParameters():
            unknown |= {"--out-format int8": p.requantizes, "--skew out": p.skew == "out"}
        case BitmodTileParameters():
            unknown |= {"--align cycle": p.align == "cycle", "--exponent scan": p.scans,
                       f"--group-scale {p.group_scale}": p.group_scale != "int8",
                       "--olive": p.olive}
    for option, given in unknown.items():
        if given:
            raise UsageError(f"{p.generator} has no cost model of {option}; leave --estimate out")
