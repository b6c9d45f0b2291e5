"""Operands and reference results of floating-point parts, and a run of many parts in one build.

The references are NumPy (fp16, fp32) and exact integers rounded once (all other formats).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from amaranth.hdl import Elaboratable, Module
from amaranth.lib.wiring import Component, In, Out

from lowbit.golden.formats import BF16, FP8_E4M3, FP8_E5M2, FP16, FP32, FloatFormat

from .combinational import Evaluator

__all__ = ["FORMATS", "SEED", "check", "corners", "exact", "expected_sum", "pairs", "rounded",
           "run"]

FORMATS = [FP32, FP16, BF16, FP8_E4M3, FP8_E5M2]
SEED = 20240611
Array = np.ndarray[Any, Any]


class Parts(Component):
    """Several parts in one design, so that one build serves them all: ports NAME__PORT."""

    def __init__(self, parts: Mapping[str, Component]) -> None:
        self.parts = parts
        super().__init__({f"{name}__{port}": member if member.flow == In else Out(member.shape)
                          for name, part in parts.items()
                          for port, member in part.signature.members.items()})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        for name, part in self.parts.items():
            m.submodules[name] = part
            for port, member in part.signature.members.items():
                outer, inner = getattr(self, f"{name}__{port}"), getattr(part, port)
                m.d.comb += (inner.eq(outer) if member.flow == In else outer.eq(inner))
        return m


def run(parts: Mapping[str, Component], inputs: Mapping[str, Mapping[str, Any]],
        cycles: int = 0) -> dict[str, Array]:
    """Outputs ``{"NAME__PORT": values}``; shorter input columns are repeated to the longest."""
    evaluator = Evaluator(Parts(parts))
    flat = {f"{name}__{port}": np.atleast_1d(np.asarray(values))
            for name, ports in inputs.items() for port, values in ports.items()}
    count = max(len(values) for values in flat.values())
    result = evaluator({name: np.resize(values, count) for name, values in flat.items()},
                       cycles=cycles)
    sizes = {name: max(np.size(v) for v in ports.values()) for name, ports in inputs.items()}
    return {name: values[:sizes[name.split("__")[0]]] for name, values in result.items()}


def corners(fmt: FloatFormat) -> Array:
    """Codes where things happen: zeros, subnormals, around powers of two, extremes, specials."""
    top = (1 << fmt.ebits) - 1
    fields = {0, 1, 2, 3, fmt.bias - fmt.precision - 1, fmt.bias - fmt.precision, fmt.bias - 2,
              fmt.bias - 1, fmt.bias, fmt.bias + 1, fmt.bias + fmt.precision + 1, top - 2,
              top - 1, top}
    mask = (1 << fmt.mbits) - 1
    fractions = {0, 1, 2, 3, mask >> 1, (mask >> 1) + 1, mask - 1, mask}
    codes = {field << fmt.mbits | fraction for field in fields if 0 <= field <= top
             for fraction in fractions}
    return np.array(sorted(codes | {code | 1 << (fmt.bits - 1) for code in codes}), np.int64)


def pairs(fmt: FloatFormat, count: int, seed: int = SEED) -> tuple[Array, Array]:
    """All pairs of an 8-bit format; else corner pairs, near exponents, cancellation, uniform."""
    if fmt.bits == 8:
        codes = np.arange(256)
    else:
        codes = corners(fmt)
    a, b = (x.ravel() for x in np.meshgrid(codes, codes))
    if fmt.bits == 8:
        return a, b
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 1 << fmt.bits, count)
    near = np.clip((x >> fmt.mbits & ((1 << fmt.ebits) - 1))
                   + rng.integers(-fmt.precision - 3, fmt.precision + 4, count),
                   0, (1 << fmt.ebits) - 1)
    # few fraction bits set: ties are common
    sparse = rng.integers(0, 1 << fmt.mbits, count) & rng.integers(0, 1 << fmt.mbits, count)
    sparse = np.where(rng.random(count) < 0.5, sparse, rng.integers(0, 1 << fmt.mbits, count))
    y = rng.integers(0, 2, count) << (fmt.bits - 1) | near << fmt.mbits | sparse
    close = (x ^ 1 << (fmt.bits - 1)) + rng.integers(-4, 5, count) & (1 << fmt.bits) - 1
    z = rng.integers(0, 1 << fmt.bits, count)
    return np.concatenate([a, x, x, x]), np.concatenate([b, y, close, z])


def exact(fmt: FloatFormat, code: Array) -> Array:
    """Finite values as Python integers, unit 2**emin."""
    sign, exponent, magnitude = fmt.decode(code)
    value = magnitude.astype(object) << (exponent - 1).astype(object)
    return np.where(sign == 1, -value, value)


def rounded(fmt: FloatFormat, value: Array, exponent: Any) -> Array:
    """Integers times 2**exponent, rounded once."""
    value = np.asarray(value)
    return fmt.round((value < 0).astype(np.int64), np.abs(value), exponent)


def expected_sum(fmt: FloatFormat, a: Array, b: Array) -> Array:
    if fmt.name in ("fp16", "fp32"):
        with np.errstate(all="ignore"):
            return fmt.canonical(fmt.from_array(fmt.to_array(a) + fmt.to_array(b)))
    result = rounded(fmt, exact(fmt, a) + exact(fmt, b), fmt.emin)
    fa, fb = fmt.is_finite(a), fmt.is_finite(b)
    result = np.where(fa, result, a)
    result = np.where(fb | ~fa, result, b)
    opposite = ~fa & ~fb & (a != b)
    nan = fmt.is_nan(a) | fmt.is_nan(b) | opposite
    return np.where(nan, fmt.nan, result)


def check(actual: Array, expected: Array, **operands: Array) -> None:
    """Bit for bit; shows the first difference with its operands, in hexadecimal."""
    bad = np.flatnonzero(np.asarray(actual) != np.asarray(expected))
    if len(bad):
        i = bad[0]
        shown = ", ".join(f"{name}={int(v[i]):#x}" for name, v in operands.items())
        raise AssertionError(f"{len(bad)} of {len(actual)} differ; first: {shown}: "
                             f"got {int(actual[i]):#x}, expected {int(expected[i]):#x}")
    assert len(actual) > 0
