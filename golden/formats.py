"""Number formats: decode codes to exact integers, round exact integers to codes.

A floating value is handled as ``(-1)**sign * magnitude * 2**exponent`` with integer magnitude,
so that nothing is ever rounded on the way; :meth:`FloatFormat.round` is the only place where a
value is rounded (to nearest, ties to even), once. Contract: docs/numerics.md, section 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExponentFormat", "FactorFormat", "FloatFormat", "IntFormat", "ProductFormat",
           "ScaleFormat", "FORMATS", "FLOATS", "INTEGERS", "E8M0", "FP16", "FP32", "BF16",
           "FP8_E4M3", "FP8_E5M2", "INT8", "INT16", "INT32", "INT64", "UINT8", "bit_length",
           "get_format"]

Array = NDArray[Any]


def bit_length(x: Array) -> Array:
    """Bit length of each element of a non-negative integer array (0 for 0), exact to 63 bits."""
    x = np.asarray(x)
    if x.dtype == object:
        return np.vectorize(lambda v: int(v).bit_length(), otypes=[np.int64])(x)
    x = x.astype(np.uint64)
    n = np.zeros(x.shape, np.int64)
    for shift in (32, 16, 8, 4, 2, 1):
        big = x >= (np.uint64(1) << np.uint64(shift))
        n += np.where(big, shift, 0)
        x = np.where(big, x >> np.uint64(shift), x)
    return n + (x > 0)


@dataclass(frozen=True)
class IntFormat:
    """Integer of ``bits`` bits, two's complement or ``unsigned``."""

    name: str
    bits: int
    unsigned: bool = False

    @property
    def is_float(self) -> bool:
        return False

    @property
    def low(self) -> int:
        return 0 if self.unsigned else -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        return (1 << (self.bits - (not self.unsigned))) - 1

    def wrap(self, x: Array) -> Array:
        """Reduce integers modulo 2**bits into the format's range (int64 in, int64 out)."""
        if self.unsigned:
            return np.asarray(x, np.int64) & self.high
        return wrap_signed(x, self.bits)


def wrap_signed(x: Array, bits: int) -> Array:
    """Two's-complement wrap of int64 values to ``bits`` bits."""
    if bits >= 64:
        return np.asarray(x, np.int64)
    shift = np.int64(64 - bits)
    return (np.asarray(x, np.int64) << shift) >> shift


@dataclass(frozen=True)
class FloatFormat:
    """Binary floating format: 1 sign bit, ``ebits`` exponent bits, ``mbits`` stored fraction bits.

    ``fn`` marks the OCP "finite plus NaN" style of E4M3: no infinity, only S.1111.111 is NaN.
    Subnormals are exact and never flushed.
    """

    name: str
    ebits: int
    mbits: int
    fn: bool = False

    @property
    def is_float(self) -> bool:
        return True

    @property
    def bits(self) -> int:
        return 1 + self.ebits + self.mbits

    @property
    def bias(self) -> int:
        return (1 << (self.ebits - 1)) - 1

    @property
    def precision(self) -> int:
        """Significand bits, hidden bit included."""
        return self.mbits + 1

    @property
    def emin(self) -> int:
        """Exponent of the unit in the last place of subnormals: smallest value is 2**emin."""
        return 1 - self.bias - self.mbits

    @property
    def max_exponent_field(self) -> int:
        """Largest exponent field that a finite number can have."""
        return (1 << self.ebits) - (1 if self.fn else 2)

    @property
    def nan(self) -> int:
        """Canonical quiet NaN."""
        exponent = ((1 << self.ebits) - 1) << self.mbits
        return exponent | ((1 << self.mbits) - 1 if self.fn else 1 << (self.mbits - 1))

    @property
    def inf(self) -> int:
        """Code of +infinity (for an ``fn`` format there is none: its NaN)."""
        return self.nan if self.fn else ((1 << self.ebits) - 1) << self.mbits

    # -- decoding -----------------------------------------------------------------------------
    def fields(self, code: Array) -> tuple[Array, Array, Array]:
        """Split codes into (sign, exponent field, fraction field), int64."""
        code = np.asarray(code).astype(np.int64)
        return (code >> (self.ebits + self.mbits) & 1,
                code >> self.mbits & ((1 << self.ebits) - 1),
                code & ((1 << self.mbits) - 1))

    def decode(self, code: Array) -> tuple[Array, Array, Array]:
        """(sign, exponent field with 1 for subnormals, significand with the hidden bit).

        Value = (-1)**sign * significand * 2**(exponent - 1 + emin). Non-finite codes decode to
        numbers of no meaning: ask :meth:`is_finite`.
        """
        sign, exponent, fraction = self.fields(code)
        normal = exponent > 0
        hidden = normal.astype(np.int64) << self.mbits
        return sign, np.where(normal, exponent, 1), fraction | hidden

    def is_finite(self, code: Array) -> Array:
        _, exponent, fraction = self.fields(code)
        top = exponent == (1 << self.ebits) - 1
        return ~(top & (fraction == (1 << self.mbits) - 1)) if self.fn else ~top

    def is_nan(self, code: Array) -> Array:
        _, exponent, fraction = self.fields(code)
        top = exponent == (1 << self.ebits) - 1
        return top & ((fraction == (1 << self.mbits) - 1) if self.fn else (fraction != 0))

    def to_float64(self, code: Array) -> Array:
        """Exact float64 values; NaN and inf where the code says so."""
        sign, exponent, significand = self.decode(code)
        power = (exponent - 1 + self.emin).astype(np.int32)
        value = np.ldexp(significand.astype(np.float64), power)
        value = np.where(sign == 1, -value, value)
        inf = np.where(sign == 1, -np.inf, np.inf)
        value = np.where(self.is_finite(code), value, inf)
        return np.where(self.is_nan(code), np.nan, value)

    # -- rounding -----------------------------------------------------------------------------
    def round(self, sign: Array, magnitude: Array, exponent: Array | int) -> Array:
        """Round (-1)**sign * magnitude * 2**exponent once, to nearest even; returns codes.

        ``magnitude``: non-negative integers (int64 below 2**62, or Python integers in an object
        array). Overflow gives infinity; a zero result is +0.
        """
        magnitude = np.asarray(magnitude)
        big = magnitude.dtype == object
        if not big:
            magnitude = magnitude.astype(np.int64)
        sign = np.broadcast_to(np.asarray(sign, np.int64), magnitude.shape)
        exponent = np.broadcast_to(np.asarray(exponent, np.int64), magnitude.shape)
        length = bit_length(magnitude)
        # exponent of the last place kept: full precision, or the subnormal grid
        ulp = np.maximum(exponent + length - self.precision, self.emin)
        drop = ulp - exponent
        if big:
            kept = np.vectorize(_round_shift, otypes=[np.int64])(magnitude, drop)
        else:
            # a magnitude more than one place below the ulp rounds to zero
            right = np.clip(drop, 0, 62)
            floor = magnitude >> right
            rest = magnitude - (floor << right)
            half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
            up = (right > 0) & ((rest > half) | ((rest == half) & (floor & 1 == 1)))
            kept = (floor + up) << np.clip(-drop, 0, 62)
            kept = np.where(drop > length, 0, kept)
        # kept has at most `precision` bits, or is exactly 2**precision after rounding up
        carried = kept >> self.precision
        kept, ulp = kept >> carried, ulp + carried
        normal = kept >> self.mbits > 0
        field = np.where(normal, ulp - self.emin + 1, 0)
        code = (field << self.mbits) + (kept & ((1 << self.mbits) - 1))
        largest = self.nan - 1 if self.fn else self.inf - 1
        code = np.where((field > self.max_exponent_field) | (code > largest), self.inf, code)
        return np.where(magnitude == 0, 0, code | sign << (self.bits - 1)).astype(np.int64)

    def from_float64(self, x: Array) -> Array:
        """Round float64 values to codes (nearest even); NaN becomes the canonical NaN."""
        x = np.asarray(x, np.float64)
        finite = np.isfinite(x)
        fraction, exponent = np.frexp(np.where(finite, x, 0.0))
        magnitude = np.abs(np.ldexp(fraction, 53)).astype(np.int64)
        sign = np.signbit(x).astype(np.int64)
        code = self.round(sign, magnitude, exponent.astype(np.int64) - 53)
        code = np.where(np.isinf(x), self.inf | sign << (self.bits - 1), code)
        return np.where(np.isnan(x), self.nan, code)

    def convert(self, code: Array, source: FloatFormat) -> Array:
        """Codes of ``source`` to codes of this format, rounded once; NaN canonical."""
        if source == self:
            return np.asarray(code, np.int64)
        sign, field, significand = source.decode(code)
        result = self.round(sign, significand, field - 1 + source.emin)
        inf = self.inf | sign << (self.bits - 1)
        result = np.where(source.is_finite(code), result, inf)
        return np.where(source.is_nan(code), self.nan, result)

    # -- NumPy views --------------------------------------------------------------------------
    def to_array(self, code: Array) -> Array:
        """Codes as an array of NumPy's own type, where it has one (fp16, fp32)."""
        kind = {16: (np.uint16, np.float16), 32: (np.uint32, np.float32)}[self.bits]
        if self.name not in ("fp16", "fp32"):
            raise TypeError(f"NumPy has no type for {self.name}")
        return np.asarray(code).astype(kind[0]).view(kind[1])

    def from_array(self, x: Array) -> Array:
        """Codes (int64) of an array of NumPy's own type (fp16, fp32)."""
        kind = {"fp16": (np.float16, np.uint16), "fp32": (np.float32, np.uint32)}[self.name]
        return np.ascontiguousarray(x, kind[0]).view(kind[1]).astype(np.int64)

    def canonical(self, code: Array) -> Array:
        """NaNs made canonical and -0 made +0."""
        code = np.asarray(code, np.int64)
        code = np.where(self.is_nan(code), self.nan, code)
        return np.where(code == 1 << (self.bits - 1), 0, code)


@dataclass(frozen=True)
class ExponentFormat:
    """Powers of two, 2**(code - bias), and no sign: E8M0 of the OCP MX formats.

    The code of all ones is NaN; there is no zero and no infinity. Code 0 of E8M0 is 2**-127, a
    subnormal of FP32.
    """

    name: str
    bits: int

    @property
    def is_float(self) -> bool:
        return True

    @property
    def bias(self) -> int:
        return (1 << (self.bits - 1)) - 1

    @property
    def nan(self) -> int:
        return (1 << self.bits) - 1

    def is_nan(self, code: Array) -> Array:
        return np.asarray(code) == self.nan

    def is_finite(self, code: Array) -> Array:
        return np.asarray(code) != self.nan

    def to_float64(self, code: Array) -> Array:
        """Exact float64 values; NaN where the code says so."""
        code = np.asarray(code).astype(np.int64)
        value = np.ldexp(1.0, (code - self.bias).astype(np.int32))
        return np.where(code == self.nan, np.nan, value)

    def from_float64(self, x: Array) -> Array:
        """Codes of the nearest power of two, ties to the larger; at most the largest, at least
        the smallest one. NaN for what is not positive and finite."""
        x = np.asarray(x, np.float64)
        good = np.isfinite(x) & (x > 0)
        fraction, exponent = np.frexp(np.where(good, x, 1.0))
        code = exponent.astype(np.int64) - 1 + (fraction >= 0.75) + self.bias
        return np.where(good, np.clip(code, 0, self.nan - 1), self.nan)


#: format of a scale: every value is an FP32 number
ScaleFormat = FloatFormat | ExponentFormat | IntFormat


@dataclass(frozen=True)
class ProductFormat:
    """Exact products of two numbers; a code is that of ``a``, below that of ``b``. NaN where one of
    the two is. Neither has infinities."""

    a: ExponentFormat | FloatFormat
    b: ExponentFormat | FloatFormat

    @property
    def bits(self) -> int:
        return self.a.bits + self.b.bits

    def codes(self, a: Array, b: Array) -> Array:
        """Codes of the products of codes."""
        return np.asarray(np.asarray(a, np.int64) | np.asarray(b, np.int64) << self.a.bits)

    def to_float64(self, code: Array) -> Array:
        """Exact float64 values; NaN where the code says so."""
        code = np.asarray(code, np.int64)
        low = code & (1 << self.a.bits) - 1
        return np.asarray(self.a.to_float64(low) * self.b.to_float64(code >> self.a.bits))


#: format of what a sum is multiplied by
FactorFormat = ScaleFormat | ProductFormat


def _round_shift(magnitude: int, drop: int) -> int:
    """One magnitude shifted right by ``drop`` (left if negative), to nearest even."""
    magnitude, drop = int(magnitude), int(drop)
    if drop <= 0:
        return magnitude << -drop
    floor, rest, half = magnitude >> drop, magnitude & ((1 << drop) - 1), 1 << (drop - 1)
    return floor + (rest > half or (rest == half and floor & 1))


FP32 = FloatFormat("fp32", 8, 23)
FP16 = FloatFormat("fp16", 5, 10)
BF16 = FloatFormat("bf16", 8, 7)
FP8_E4M3 = FloatFormat("fp8_e4m3", 4, 3, fn=True)
FP8_E5M2 = FloatFormat("fp8_e5m2", 5, 2)
INT8 = IntFormat("int8", 8)
INT16 = IntFormat("int16", 16)
INT32 = IntFormat("int32", 32)
INT64 = IntFormat("int64", 64)
#: formats of scales only
UINT8 = IntFormat("uint8", 8, unsigned=True)
E8M0 = ExponentFormat("e8m0", 8)

FLOATS = {f.name: f for f in (FP32, FP16, BF16, FP8_E4M3, FP8_E5M2)}
INTEGERS = {f.name: f for f in (INT8, INT16, INT32, INT64)}
FORMATS: dict[str, IntFormat | FloatFormat] = {**INTEGERS, **FLOATS}


def get_format(name: str) -> IntFormat | FloatFormat:
    """Format by name; ``KeyError`` for an unknown one."""
    return FORMATS[name]
