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
from lowbit.golden.lut.quantizer import quantize_ternary

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


def _of_trits(weights: Array) -> tuple[Array, float]:
    """BitNet's mean of magnitudes, FP32 scales; five trits in a byte."""
    tensor = quantize_ternary(weights, GROUP)
    return tensor.dequantize().astype(np.float32), 8 / 5 + 32 / GROUP


_FORMATS = (_of_block("mxint8"), *(_of_bitmod(name) for name in (
    "int4", "int4_asym", "bitmod4", "fp4", "flint4")), _of_block("mxfp4"), _of_block("nvfp4"),
    Format("olive4", GROUP, _of_olive), *(_of_bitmod(name) for name in (
        "int3", "int3_asym", "bitmod3", "fp3")), Format("ternary", GROUP, _of_trits))
#: by name; groups of 128 with 8-bit scales of two levels (BitMoD) or FP32 scales (OliVe, trits)
#: where the format has no group of its own
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
