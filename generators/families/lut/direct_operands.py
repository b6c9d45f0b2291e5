"""``gen run dot_core``: activations of any format, weights of any format of digits."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.coded_integers import CodedInt
from lowbit.golden.lut.direct_gemm import (
    DirectOperands,
    DirectWorkload,
    ScaledIntegers,
    fitting_format,
)
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.parameters import Parameters
from lowbit.golden.workload import Workload

from ...errors import UsageError
from ...operands import OperandOptions, matrix, read_array
from .operands import ACTIVATION_TYPES, REQUANTIZER, activation_codes, requantizer_arrays

__all__ = ["DirectOperandOptions"]

Array = NDArray[Any]

#: what the direct core takes beside the types of the LUT core
TYPES = {"int4": ("int8",), "e2m1": ("uint8",), "mxint8": ("int8",)}


def _activations(array: Array, p: DotCoreParameters) -> Array:
    """Activations (rows, k) as the golden model takes them."""
    codes = activation_codes(array, p.a_format, ACTIVATION_TYPES | TYPES)
    fmt = p.frame.activation
    if not isinstance(fmt, CodedInt):
        return codes
    count = 1 << fmt.code_bits
    low, high = (0, count - 1) if fmt.values else (fmt.low, fmt.high)
    if codes.min() < low or codes.max() > high:
        worst = codes.min() if codes.min() < low else codes.max()
        raise UsageError(f"--a must be {low}..{high} for --a-format {p.a_format}; got {worst}")
    return np.array(fmt.values)[codes] if fmt.values else codes


class DirectOperandOptions(OperandOptions):
    """Tensors of all formats whose weights are integers in halves of a scale."""

    workload = DirectWorkload
    weights = "weights of gen quantize that are integers, or halves of them, times a scale"
    activations = ("of --a-format: int8 (int4, int8, mxint8), int16, float16, or raw codes: uint16 "
                   "for bf16 and fp16, uint8 for fp8 and e2m1")
    result = ("result (rows, cols): int64 in units of 2**sum_unit (see the manifest), or float32 "
              "for floating results and with scales; with --out-format int8 -128..127")
    raw_files = (
        ("--scale", "scale", "scales s (cols,) or (cols, groups), float32: the result is the sum "
         "of s*a*w"), *REQUANTIZER)

    #: whether the design gets the format that the weights need
    chooses = False

    def read(self, args: argparse.Namespace, parameters: Parameters) -> Workload:
        self.chooses = not hasattr(args, "w_format")
        return super().read(args, parameters)

    def of_tensor(self, parameters: Parameters, activations: Array, tensor: Any) -> DirectWorkload:
        if not isinstance(tensor, ScaledIntegers):
            self.refuse(parameters, tensor)
        assert isinstance(parameters, DotCoreParameters)
        p = parameters
        if self.chooses:
            p = replace(p, w_format=fitting_format(tensor.integer_values2x()))
        return DirectWorkload(p, DirectOperands.of(_activations(activations, p), tensor,
                                                   p.w_format))

    def of_raw(self, parameters: Parameters, activations: Array,
               args: argparse.Namespace) -> DirectWorkload:
        assert isinstance(parameters, DotCoreParameters)
        p = parameters
        if args.dtype is not None:
            raise UsageError("--dtype does not belong to the raw form here: --w are integers in "
                             "the unit of --w-format; leave it out")
        weights = read_array(args.w, "--w")
        if weights.dtype not in (np.int8, np.int16):
            raise UsageError(f"--w must be int8 or int16, integers in the unit of --w-format; got "
                             f"{weights.dtype}")
        matrix(weights, "--w", "(cols, k)")
        scale = None if args.scale is None else read_array(args.scale, "--scale")
        if scale is None and args.group_size is not None:
            raise UsageError("--group-size says how many weights share a scale; give --scale, or "
                             "leave it out")
        if scale is not None and args.group_size is None and scale.ndim == 2 \
                and scale.shape[1] > 1:
            raise UsageError(f"--scale with {scale.shape[1]} groups a column needs --group-size")
        return DirectWorkload(p, DirectOperands(_activations(activations, p),
                                                weights.astype(np.int64), scale, args.group_size,
                                                **requantizer_arrays(args)))
