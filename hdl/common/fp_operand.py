"""A factor of any format taken apart: sign, significand, exponent and what is not finite."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Const, Value

from lowbit.golden.formats import (
    ExponentFormat,
    FactorFormat,
    FloatFormat,
    IntFormat,
    ProductFormat,
)

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


def factor_bits(fmt: FactorFormat) -> int:
    """Bits of the significand: none of them is needed where it is always 1."""
    if isinstance(fmt, ProductFormat):
        return factor_bits(fmt.a) + factor_bits(fmt.b)
    if isinstance(fmt, FloatFormat):
        return fmt.precision
    return 0 if isinstance(fmt, ExponentFormat) else fmt.bits


def factor_exponents(fmt: FactorFormat) -> tuple[int, int]:
    """Exponents of the significand's lowest bit in finite numbers: lowest and highest."""
    if isinstance(fmt, ProductFormat):
        (low_a, high_a), (low_b, high_b) = factor_exponents(fmt.a), factor_exponents(fmt.b)
        return low_a + low_b, high_a + high_b
    if isinstance(fmt, FloatFormat):
        return fmt.emin, fmt.emin + fmt.max_exponent_field - 1
    if isinstance(fmt, ExponentFormat):
        return -fmt.bias, fmt.nan - 1 - fmt.bias
    if not fmt.unsigned:
        raise ValueError(f"an integer factor must be unsigned; got {fmt.name}")
    return 0, 0


def factor(fmt: FactorFormat, code: Value) -> Factor:
    """Parts of a code."""
    no = Const(0, 1)
    if isinstance(fmt, ProductFormat):
        a, b = factor(fmt.a, code[:fmt.a.bits]), factor(fmt.b, code[fmt.a.bits:])
        both = a.significand * b.significand
        # a power of two has no significand to be multiplied with
        for part, of in ((b, fmt.a), (a, fmt.b)):
            if not factor_bits(of):
                both = part.significand
        return Factor(a.sign ^ b.sign, both, a.exponent + b.exponent, no, a.nan | b.nan,
                      a.nonzero & b.nonzero)
    if isinstance(fmt, ExponentFormat):
        return Factor(no, Const(1, 1), code, no, code.all(), Const(1, 1))
    if isinstance(fmt, IntFormat):
        return Factor(no, code, no, no, no, code.any())
    bits = significand(fmt, code)
    # the field of a subnormal counts as 1, as the field 1 does
    return Factor(code[-1], bits, code[fmt.mbits:-1] - bits[-1], is_infinite(fmt, code),
                  is_nan(fmt, code), code[:-1].any())
