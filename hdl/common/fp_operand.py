"""A factor of any format taken apart: sign, significand, exponent and what is not finite."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Const, Value

from lowbit.golden.formats import ExponentFormat, FloatFormat, IntFormat, ScaleFormat

from .fp_round import is_infinite, is_nan, significand

__all__ = ["Factor", "factor", "factor_bits", "factor_exponents"]

@dataclass(frozen=True)
class Factor:
    """``(-1)**sign * significand * 2**(exponent + low)``, low of :func:`factor_exponents`."""

    sign: Value
    significand: Value      #: :func:`factor_bits` bits
    exponent: Value
    infinite: Value
    nan: Value
    nonzero: Value


def factor_bits(fmt: ScaleFormat) -> int:
    """Bits of the significand: none of them is needed where it is always 1."""
    if isinstance(fmt, FloatFormat):
        return fmt.precision
    return 0 if isinstance(fmt, ExponentFormat) else fmt.bits


def factor_exponents(fmt: ScaleFormat) -> tuple[int, int]:
    """Exponents of the significand's lowest bit in finite numbers: lowest and highest."""
    if isinstance(fmt, FloatFormat):
        return fmt.emin, fmt.emin + fmt.max_exponent_field - 1
    if isinstance(fmt, ExponentFormat):
        return -fmt.bias, fmt.nan - 1 - fmt.bias
    if not fmt.unsigned:
        raise ValueError(f"an integer factor must be unsigned; got {fmt.name}")
    return 0, 0


def factor(fmt: ScaleFormat, code: Value) -> Factor:
    """Parts of a code."""
    no = Const(0, 1)
    if isinstance(fmt, ExponentFormat):
        return Factor(no, Const(1, 1), code, no, code.all(), Const(1, 1))
    if isinstance(fmt, IntFormat):
        return Factor(no, code, no, no, no, code.any())
    bits = significand(fmt, code)
    # the field of a subnormal counts as 1, as the field 1 does
    return Factor(code[-1], bits, code[fmt.mbits:-1] - bits[-1], is_infinite(fmt, code),
                  is_nan(fmt, code), code[:-1].any())
