"""Block formats on BitMoD: E2M1 codes are FP4 with the special value 0, scales are bytes.

MXFP4 has E8M0 scales, NVFP4 E4M3 scales and, as the second level, the scale of its tensor
(:mod:`lowbit.golden.block_formats`). Contract: docs/numerics.md, section 6.
"""

from __future__ import annotations

import numpy as np

from lowbit.golden.block_formats import BLOCK_KINDS, E2M1
from lowbit.golden.group_scale import SCALE_KINDS, exact_codes
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.parameters import ParameterError

from .datatypes import get_data_type
from .quantizer import QuantizedTensor

__all__ = ["block_tensor"]


def block_tensor(weights: GroupedWeights) -> QuantizedTensor:
    """The tensor that the hardware multiplies by, of weights in E2M1 with narrow scales.

    :class:`~lowbit.golden.parameters.ParameterError` for other weights.
    """
    kind = BLOCK_KINDS["mxfp4" if weights.factor is None else "nvfp4"]
    if weights.levels is None or not np.array_equal(weights.levels, E2M1):
        raise ParameterError("weights in groups must have E2M1 codes (mxfp4, nvfp4) to run on "
                             "BitMoD; these are integers")
    if weights.order is not None or weights.group_size is None:
        raise ParameterError("weights must have groups that are runs of inputs")
    codes, bad = exact_codes(SCALE_KINDS[kind.scale], weights.scale)
    if bad.any():
        raise ParameterError(f"scales of {kind.name} must be {kind.scale} numbers; got "
                             f"{weights.scale[bad][0]} at channel and group "
                             f"{np.argwhere(bad)[0].tolist()}")
    n = len(weights.codes)
    factor = np.ones(n, np.float32) if weights.factor is None else weights.factor
    return QuantizedTensor(get_data_type(kind.name), weights.group_size, weights.codes,
                           np.zeros(codes.shape, np.uint8), codes.astype(np.uint8), factor, None,
                           None, kind.scale)
