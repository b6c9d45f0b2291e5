"""Weights with zero points as the integers that run: w = scale * (q - z), and q - z is an integer.

The hardware has no zero points. It has two's complement integers of 3 to 8 bits, and the codes of
an asymmetric type less their zero points are such integers: same scales, same product, exactly.
The type that runs is the smallest that holds them all, so it depends on the tensor: ``int4_asym``
with zero points 0 .. 15 runs as ``int5``. Contract: docs/numerics.md, section 6.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.parameters import ParameterError

from .datatypes import INTEGER_BITS, get_data_type
from .quantizer import QuantizedTensor

__all__ = ["running_tensor"]

Array = NDArray[Any]


def running_tensor(tensor: QuantizedTensor) -> QuantizedTensor:
    """The tensor that the hardware multiplies by: ``tensor`` itself, or of an asymmetric type the
    same weights in a symmetric one.

    Groups with a scale of zero count as zeros, whatever their zero point.
    :class:`~lowbit.golden.parameters.ParameterError` where no integer type holds all values.
    """
    if tensor.zero_points is None:
        return tensor
    starts = np.arange(0, tensor.shape[1], tensor.group_size)
    used = tensor.group_scales() != 0
    zeros = np.where(used, tensor.zero_points.astype(np.int64), 0)
    low = np.where(used, np.minimum.reduceat(tensor.codes, starts, axis=1) - zeros, 0)
    high = np.where(used, np.maximum.reduceat(tensor.codes, starts, axis=1) - zeros, 0)
    top = max(int(high.max()), -1 - int(low.min()))
    bits = 1 + max(top.bit_length(), INTEGER_BITS[0] - 1)
    if bits > INTEGER_BITS[-1]:
        _refuse(tensor, low, high)
    # modulo 256 the difference of bytes is the right one, and its low bits are the code
    group = np.arange(tensor.shape[1]) // tensor.group_size
    codes = (tensor.codes - zeros.astype(np.uint8)[:, group]) & np.uint8((1 << bits) - 1)
    codes *= used[:, group]
    return replace(tensor, dtype=get_data_type(f"int{bits}"), codes=codes, zero_points=None)


def _refuse(tensor: QuantizedTensor, low: Array, high: Array) -> NoReturn:
    """Name the value that is farthest out."""
    assert tensor.zero_points is not None
    farthest = np.where(high + low >= 0, high, low)
    row, group = np.unravel_index(int(np.abs(farthest).argmax()), farthest.shape)
    limit = 1 << (INTEGER_BITS[-1] - 1)
    raise ParameterError(
        f"{tensor.dtype.name} weights run as codes less zero points, which must be "
        f"{-limit}..{limit - 1}; got {farthest[row, group]} (zero point "
        f"{tensor.zero_points[row, group]}) in channel {row}, group {group}; quantize "
        f"them with a symmetric type, such as int{INTEGER_BITS[-1]}")
