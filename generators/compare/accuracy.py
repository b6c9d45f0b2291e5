"""Error of weight formats on known distributions, each with the groups and scales that it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden import olive
from lowbit.golden.bitmod import quantizer as bitmod
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.block_formats import BLOCK_KINDS
from lowbit.golden.block_formats import quantize as quantize_blocks
from lowbit.golden.digits import FORMATS as DIGITS
from lowbit.golden.groups import group_spans
from lowbit.golden.lut.quantizer import quantize, quantize_ternary

__all__ = ["FORMATS", "Format", "distributions", "error", "int8_weights", "squared_error"]

Array = NDArray[Any]
GROUP = 128


@dataclass(frozen=True)
class Format:
    """``quantize``: weights to the weights that their codes stand for, and bits a weight."""

    name: str
    group: int
    quantize: Callable[[Array], tuple[Array, float]]


def _of_bitmod(name: str) -> Format:
    def quantize(weights: Array) -> tuple[Array, float]:
        tensor, _ = bitmod.quantize(weights, get_data_type(name), GROUP)
        return tensor.dequantize(), tensor.bits_per_weight()
    return Format(name, GROUP, quantize)


def _of_block(name: str) -> Format:
    kind = BLOCK_KINDS[name]
    return Format(name, kind.block, lambda weights: (
        quantize_blocks(weights, name).dequantize().astype(np.float32),
        kind.bits + 8 / kind.block + (32 / weights.size if name == "nvfp4" else 0)))


def _of_olive(weights: Array) -> tuple[Array, float]:
    tensor = olive.quantize(weights, GROUP)
    return tensor.dequantize().astype(np.float32), tensor.stored_bits / weights.size


def _trits(weights: Array, *, sparse: bool = False) -> Array:
    return quantize_ternary(weights, GROUP, sparse=sparse).dequantize()


def _of_trits(weights: Array) -> tuple[Array, float]:
    """BitNet's mean of magnitudes, FP32 scales; five trits in a byte."""
    return _trits(weights).astype(np.float32), 8 / 5 + 32 / GROUP


def _of_sparse_trits(weights: Array) -> tuple[Array, float]:
    """One zero in four; four trits in five bits."""
    return _trits(weights, sparse=True).astype(np.float32), 5 / 4 + 32 / GROUP


def _of_planes(weights: Array) -> tuple[Array, float]:
    """Two planes of trits, as :func:`~lowbit.golden.lut.quantizer.quantize_planes`, but also where
    groups do not divide a channel."""
    first = _trits(weights)
    return (first + _trits(weights - first)).astype(np.float32), 2 * (8 / 5 + 32 / GROUP)


def _of_two_bits(weights: Array) -> tuple[Array, float]:
    """The levels -3, -1, 1, 3 of two bit-planes, which need no zero point."""
    tensor = quantize(weights, 2, GROUP, symmetric=True)
    return tensor.dequantize().astype(np.float32), tensor.bits_per_weight


def _of_powers(weights: Array) -> tuple[Array, float]:
    """``shift4``: the nearest of plus and minus 2**0 .. 2**7 times an FP32 scale, the largest
    magnitude of the group over 2**7."""
    digits = DIGITS["shift4"]
    levels = np.sort(digits.values)
    out = np.empty(weights.shape, np.float32)
    for columns, _, size in group_spans(weights.shape[1], GROUP):
        part = weights[:, columns].astype(np.float64).reshape(len(weights), -1, size)
        scale = (np.abs(part).max(axis=2, keepdims=True) / levels[-1]).astype(np.float32)
        index = np.searchsorted((levels[1:] + levels[:-1]) / 2, part / np.where(scale, scale, 1))
        out[:, columns] = (levels[index] * scale).reshape(len(weights), -1)
    return out, 4 + 32 / GROUP


_FORMATS = (_of_block("mxint8"), *(_of_bitmod(name) for name in (
    "int4", "int4_asym", "bitmod4", "fp4", "flint4")), _of_block("mxfp4"), _of_block("nvfp4"),
    Format("olive4", GROUP, _of_olive), Format("shift4", GROUP, _of_powers),
    *(_of_bitmod(name) for name in ("int3", "int3_asym", "bitmod3", "fp3")),
    Format("lut2_sym", GROUP, _of_two_bits), Format("ternary2", GROUP, _of_planes),
    Format("ternary", GROUP, _of_trits), Format("sherry", GROUP, _of_sparse_trits))
#: by name; groups of 128 with 8-bit scales of two levels (BitMoD) or FP32 scales (the
#: others) where the format has no group of its own
FORMATS = {form.name: form for form in _FORMATS}


def distributions() -> dict[str, Array]:
    """Weights (128, 4096): Gaussian, and Student's t with 5 and with 3 degrees of freedom."""
    rng = np.random.default_rng(0)
    shape = (128, 4096)
    return {"gaussian": rng.standard_normal(shape).astype(np.float32),
            "t5": rng.standard_t(5, shape).astype(np.float32),
            "t3": rng.standard_t(3, shape).astype(np.float32)}


def int8_weights() -> Array:
    """Gaussian weights as the integers of INT8, scaled in groups by their largest."""
    codes = bitmod.quantize(distributions()["gaussian"], get_data_type("int8"), GROUP)[0].codes
    return codes.view(np.int8).astype(np.int64)


def squared_error(weights: Array, values: Array) -> float:
    exact = weights.astype(np.float64)
    return float(((values - exact) ** 2).sum())


def error(form: Format, weights: Array) -> float:
    """Sum of squared errors over the sum of squares."""
    values, _ = form.quantize(weights)
    return squared_error(weights, values) / float((weights.astype(np.float64) ** 2).sum())
