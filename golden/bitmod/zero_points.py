"""Weights with zero points as the integers that run: w = scale * (q - z), and q - z is an integer.

The hardware has no zero points. It has two's complement integers of 3 to 8 bits, and the codes of
an asymmetric type less their zero points are such integers: same scales, same product, exactly.
The type that runs is the smallest that holds them all, so it depends on the tensor: ``int4_asym``
with zero points 0 .. 15 runs as ``int5``. Contract: docs/numerics.md, section 6.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lowbit.golden.parameters import ParameterError

from .datatypes import INTEGER_BITS, get_data_type
from .quantizer import QuantizedTensor

__all__ = ["running_tensor"]


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
    low = np.minimum.reduceat(tensor.codes, starts, axis=1) - zeros
    high = np.maximum.reduceat(tensor.codes, starts, axis=1) - zeros
    # all bits of a value but the sign, as a number
    reach = np.where(used, np.maximum(high, -1 - low), 0)
    bits = max(1 + int(reach.max()).bit_length(), INTEGER_BITS[0])
    if bits > INTEGER_BITS[-1]:
        row, group = np.unravel_index(int(reach.argmax()), reach.shape)
        value = (high if high[row, group] == reach[row, group] else low)[row, group]
        limit = 1 << (INTEGER_BITS[-1] - 1)
        raise ParameterError(
            f"{tensor.dtype.name} weights run as codes less zero points, which must be "
            f"{-limit}..{limit - 1}; got {value} (zero point {zeros[row, group]}) in channel "
            f"{row}, group {group}; quantize them with a symmetric type, such as "
            f"int{INTEGER_BITS[-1]}")
    # modulo 256 the difference of bytes is the right one, and its low bits are the code
    number = np.arange(tensor.shape[1]) // tensor.group_size
    codes = (tensor.codes - zeros.astype(np.uint8)[:, number]) & np.uint8((1 << bits) - 1)
    codes *= used[:, number]
    return replace(tensor, dtype=get_data_type(f"int{bits}"), codes=codes, zero_points=None)
