"""compressed-tensors: layers of E2M1 codes (``mxfp4-pack-quantized``, ``nvfp4-pack-quantized``).

=================== ====================================================================
tensor              contents
=================== ====================================================================
weight_packed       uint8 (n, k / 2): two codes a byte, that of the lower input in the low
                    four bits
weight_scale        MXFP4: a block of 32's exponent e of 2**(e - 127), uint8 or E8M0
                    (n, k / 32); NVFP4: E4M3 (n, k / 16)
weight_global_scale NVFP4: one FP32 number g, which the weights are *divided* by
=================== ====================================================================

A weight is an E2M1 value times the scale of its block, over g. Codes and scales stay as they are;
the factor of a channel is 1 / g rounded once to FP32, which is what programs multiply results by,
and exact where g is a power of two.
"""

from __future__ import annotations

import math

import numpy as np

from lowbit.golden.block_formats import BLOCK_KINDS, scale_values
from lowbit.golden.code_stream import unpack_codes
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from .safetensors_file import SafetensorsFile

__all__ = ["GLOBAL_SCALE", "fp4_kind", "fp4_weights"]

GLOBAL_SCALE = "weight_global_scale"
#: type of ``weight_scale`` -> block format
KINDS = {"U8": "mxfp4", "F8_E8M0": "mxfp4", "F8_E4M3": "nvfp4"}


def fp4_kind(file: SafetensorsFile, base: str) -> str | None:
    """The block format of the layer ``base`` by the type of its scales; None for another type."""
    return KINDS.get(file.entries[f"{base}.weight_scale"]["dtype"])


def _factor(file: SafetensorsFile, base: str) -> tuple[np.float32, list[str]]:
    name = f"{base}.{GLOBAL_SCALE}"
    if file.entries[name]["dtype"] != "F32" or math.prod(file.entries[name]["shape"]) != 1:
        raise UsageError(f"{name} must be one F32 number; it is {file.entries[name]['dtype']} of "
                         f"shape {tuple(file.entries[name]['shape'])}")
    divisor = np.float32(file.tensor(name).data.reshape(-1)[0])
    with np.errstate(divide="ignore", over="ignore"):
        factor = np.float32(1) / divisor
    if not (divisor > 0 and np.isfinite(divisor) and np.isfinite(factor)):
        raise UsageError(f"{name} divides the weights and must be a positive, finite number with a "
                         f"reciprocal in FP32; it is {divisor}")
    exact = math.frexp(divisor)[0] == 0.5
    return factor, [f"scale of the tensor: 1 / {divisor:.9g}" + (", exactly" if exact else
                    f", as FP32 {factor:.9g}")]


def fp4_weights(base: str, file: SafetensorsFile) -> tuple[str, GroupedWeights, list[str]]:
    """Block format, weights and notes of the layer ``base`` (without ``.weight_packed``).

    :class:`UsageError` where its tensors do not fit each other, and for scales that are NaN.
    """
    name = fp4_kind(file, base)
    if name is None:
        raise UsageError(f"{base}.weight_scale must be one of {', '.join(KINDS)} beside codes of "
                         f"four bits; it is {file.entries[f'{base}.weight_scale']['dtype']}")
    kind, packed = BLOCK_KINDS[name], file.bytes_of(f"{base}.weight_packed")
    scale = file.bytes_of(f"{base}.weight_scale")
    if packed.ndim != 2 or 0 in packed.shape:
        raise UsageError(f"{base}.weight_packed must be a matrix, not empty; it has shape "
                         f"{packed.shape}")
    n, k = packed.shape[0], 2 * packed.shape[1]
    if scale.shape != (n, -(-k // kind.block)):
        raise UsageError(f"{base}.weight_scale must have shape {(n, -(-k // kind.block))}, a scale "
                         f"for {kind.block} weights ({name}); it has {scale.shape}")
    factor, notes = None, list[str]()
    if name == "nvfp4":
        number, notes = _factor(file, base)
        factor = np.full(n, number)
    try:
        return name, GroupedWeights(
            unpack_codes(packed, k, kind.bits), scale_values(name, scale), None, kind.bits,
            kind.block, levels=kind.levels, factor=factor).check(), notes
    except ParameterError as error:
        raise UsageError(f"{base}: {error}") from None
